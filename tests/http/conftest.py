import logging
from collections.abc import Iterator

import pytest

from tests.support.api import Api


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Give the root logger back as it was: logs are configured for a whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.webhooks.close()
