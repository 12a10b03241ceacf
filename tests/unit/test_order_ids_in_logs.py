"""What the core logs about an order names the order: it is how an operator finds it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from oms_entrypoints.logs import configure_logs


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logs("info", "json", out)
    yield out
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_of_the_core_names_its_order_and_nothing_else_that_was_attached(
    log: io.StringIO,
) -> None:
    extra = {"order_id": "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69", "customer": "Pat"}

    logging.getLogger("oms_core.saga").info("lease lost", extra=extra)

    line = json.loads(log.getvalue())
    assert (line["event"], line["order_id"]) == ("lease lost", extra["order_id"])
    assert "customer" not in line


def test_a_line_of_another_library_keeps_nothing_that_was_attached(log: io.StringIO) -> None:
    extra = {"order_id": "4711", "reason": "a customer's name", "provider": "x"}

    logging.getLogger("somebody.else").warning("retrying", extra=extra)

    assert set(json.loads(log.getvalue())) == {"event", "logger", "level", "at"}
