import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms_core import OrderManagement
from oms_entrypoints.cli import main
from tests.support.command_line import ORG, TENANT, Ended, RunCommand, store


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Give the root logger back as it was: logs are configured for a whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in an environment without settings of ours."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMS_TENANT", TENANT)
    monkeypatch.setenv("OMS_ORG", ORG)
    return tmp_path


@pytest.fixture
def oms(folder: Path, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Run a command in this process, which is what the ``oms`` script does."""

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        captured = capsys.readouterr()
        code = exit_.value.code
        assert isinstance(code, int)
        assert "Traceback" not in captured.err
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
def system(folder: Path) -> Iterator[OrderManagement]:
    """The store in that directory, opened beside the command that is tried."""
    with store(folder) as oms:
        yield oms
