"""Structured logs: one line for each event, and nothing in it that is nobody's business.

What ``structlog`` and what the standard library's ``logging`` say comes out in one form. A line
cannot be forged from outside: values are encoded as JSON, or quoted, so that a line break in
one of them does not begin a new line.

Requests, tokens, keys and customers' data are never given to a log in the first place. The text
of exceptions is left out, because databases and libraries quote values in it: a log names the
exception's class and the lines of code it passed. Words of other libraries are searched for what
looks like a token, a key or a card number, as a second net.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TextIO, TypeAlias, cast

import orjson
import structlog

from oms_entrypoints.log_writer import LogWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

LogForm: TypeAlias = Literal["json", "text"]

FRAMES_MAX: Final = 30
_SECRET: Final = re.compile(
    r"(?i:bearer\s+)\S+"  # an Authorization header
    r"|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|\b(?:sk|rk|whsec|pi|pm)_[A-Za-z0-9_]{16,}"  # keys and secrets of payment providers
    r"|\b\d(?:[ -]?\d){12,18}\b",  # a card number
    re.ASCII,
)


def configure_logs(
    level: str = "info", form: LogForm = "json", stream: TextIO | None = None
) -> None:
    """Send all logs of this process to *stream* (default: standard error). Repeatable.

    *level* is ``debug``, ``info``, ``warning`` or ``error``; *form* is a JSON object a line for
    programs, or ``text`` for people.
    """
    out = stream or sys.stderr
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        _add_moment,
        structlog.processors.add_log_level,
        without_exception_text,
    ]
    renderer = _renderer(form)
    # A stream without bytes beneath it is a program's own, and wants its lines at once.
    binary = getattr(out, "buffer", None) if form == "json" else None
    writer = None if binary is None else LogWriter(binary)
    structlog.configure(
        processors=[*shared, renderer if writer is None else _json_bytes],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(out)
        if writer is None
        else structlog.BytesLoggerFactory(cast("BinaryIO", writer)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out if writer is None else _TextOver(writer))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                names_of_the_core,
                *shared,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_secrets,
                renderer,
            ],
            keep_exc_info=False,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)
    # One warning for every request that waits for a thread would be the log's whole content.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # Stripe's SDK logs two lines for each request, and error messages that quote customers' data.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    # PyMongo's describe every command with its document: a whole order.
    logging.getLogger("pymongo").setLevel(logging.INFO)


def without_exception_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by the names of its class and causes and the code it came through."""
    given = event.pop("exc_info", None)
    if not given:
        return event
    error = given if isinstance(given, BaseException) else None
    if isinstance(given, tuple):
        error = given[1]
    elif error is None:
        error = sys.exc_info()[1]
    if error is not None:
        event["exception"] = [type(cause).__qualname__ for cause in _causes(error)]
        event["stack"] = list(_frames(error.__traceback__))[-FRAMES_MAX:]
    return event


def names_of_the_core(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep what the core attaches to a line: names and codes. Of other libraries nothing."""
    record = event.get("_record")
    ours = record is not None and record.name.partition(".")[0] == "oms_core"
    return _CORE_NAMES(logger, method, event) if ours else event


_CORE_NAMES: Final = structlog.stdlib.ExtraAdder(
    allow={
        "error",
        "event_id",
        "order_id",
        "provider",
        "reason",
        "subscription_id",
        "tenant_id",
    }
)


def without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Black out what looks like a token, a key or a card number in another library's words."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRET.sub("[removed]", value)
    return event


class _TextOver:
    """What the standard library's handlers write text to."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Pass a line on."""
        return self._writer.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Do nothing, as the writer does."""


def _renderer(form: LogForm) -> Processor:
    if form == "json":
        return _json_line
    return structlog.dev.ConsoleRenderer(
        colors=False,
        timestamp_key="at",
        event_key="event",
        sort_keys=False,
        pad_event_to=24,
    )


def _add_moment(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["at"] = datetime.now(UTC)
    return event


def _json_bytes(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    """Write an event straight to bytes: there is one for every request."""
    return orjson.dumps(event, default=repr, option=_JSON_OPTIONS)


def _json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=repr, option=_JSON_OPTIONS).decode()


_JSON_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from, newest first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"{_module_of(trace.tb_frame.f_globals)}:{trace.tb_lineno} {code.co_qualname}"
        trace = trace.tb_next


def _module_of(names: dict[str, Any]) -> str:
    return str(names.get("__name__", "?"))
