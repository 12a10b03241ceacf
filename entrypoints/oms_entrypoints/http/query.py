"""Query strings, as strict as bodies: nothing unknown, nothing twice, all mistakes at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID

from attrs import evolve, frozen

from oms_core.application.request_reader import escape, read
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.rules import (
    Flag,
    OneOf,
    Text,
    UuidText,
    Whole,
    check,
    fields_of,
    require,
    ruled,
)
from oms_core.errors import InvalidInput, Mistake
from oms_core.ports.cursors import CURSOR_LENGTH_MAX
from oms_core.ports.storage import OrderQuery
from oms_entrypoints.bulk.forms import Format

if TYPE_CHECKING:
    from oms_core.domain.rules import Rule

T = TypeVar("T")

LIMIT_MAX: Final = 100
LIMIT_DEFAULT: Final = 50
OFFSET_MAX: Final = 1_000_000_000
POSITION_MAX: Final = 2**53
PARAMETERS_MAX: Final = 50
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_FLAGS: Final = {"true": True, "false": False}
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


@frozen
class Instant:
    """A moment with its distance from UTC, such as ``2031-05-04T12:00:00Z`` (RFC 3339)."""

    example: str = "2031-05-04T12:00:00Z"

    def mistake(self, value: Any) -> str | None:
        """Check the form, and that there is such a moment."""
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            try:
                datetime.fromisoformat(value).astimezone(UTC)
            except (ValueError, OverflowError):
                return "is not a moment that exists"
            return None
        return f"must be a moment such as {self.example}; write + as %2B"


_LIMIT: Final = Whole(1, LIMIT_MAX, example=LIMIT_DEFAULT)
_CURSOR: Final = Text(chars_max=CURSOR_LENGTH_MAX)


@frozen
class OrderListing:
    """Which orders to list."""

    limit: int = ruled(_LIMIT, says="How many at the most.", default=LIMIT_DEFAULT)
    offset: int = ruled(
        Whole(0, OFFSET_MAX, example=0),
        says="How many of the newest to skip; not with a cursor, which costs less.",
        default=0,
    )
    cursor: str | None = ruled(
        _CURSOR, says="`next_cursor` of the page before: goes on after it.", default=None
    )
    status: str | None = ruled(OneOf(OrderStatus), says="Only this status.", default=None)
    channel: str | None = ruled(Text(example="web"), says="Only this channel.", default=None)
    customer_id: str | None = ruled(UuidText(), says="Only this customer.", default=None)
    created_from: str | None = ruled(
        Instant(), says="Only orders created at this moment or later.", default=None
    )
    created_to: str | None = ruled(
        Instant(), says="Only orders created before this moment.", default=None
    )

    def __attrs_post_init__(self) -> None:
        """Check every parameter, and that offset and cursor do not contradict each other."""
        mistakes = check(self)
        if self.cursor is not None and self.offset:
            mistakes.append(Mistake("/offset", "cannot be combined with a cursor"))
        require(mistakes)

    def to_query(self) -> OrderQuery:
        """Return the same for the store."""
        return evolve(_wanted(self), limit=self.limit, offset=self.offset, cursor=self.cursor)


@frozen
class DryRun:
    """Whether something is only to be foretold."""

    dry_run: bool = ruled(
        Flag(),
        says="`true`: tell what it would cause, and change nothing.",
        default=False,
    )

    def __attrs_post_init__(self) -> None:
        """Check the parameter."""
        require(check(self))


@frozen
class OrderExport:
    """Which orders to export, and in which form."""

    format: str | None = ruled(
        OneOf(Format),
        says="`ndjson`: a line for each order, as a list shows it. `csv`: a row for each order. "
        "`requests`: a line for each order, the request that places it. Default: what `Accept` "
        "prefers of `application/x-ndjson` and `text/csv`, else `ndjson`.",
        default=None,
    )
    status: str | None = ruled(OneOf(OrderStatus), says="Only this status.", default=None)
    channel: str | None = ruled(Text(example="web"), says="Only this channel.", default=None)
    customer_id: str | None = ruled(UuidText(), says="Only this customer.", default=None)
    created_from: str | None = ruled(
        Instant(), says="Only orders created at this moment or later.", default=None
    )
    created_to: str | None = ruled(
        Instant(), says="Only orders created before this moment.", default=None
    )

    def __attrs_post_init__(self) -> None:
        """Check every parameter."""
        require(check(self))

    def to_query(self) -> OrderQuery:
        """Return the same for the store."""
        return _wanted(self)


@frozen
class StockListing:
    """Which stock levels to list."""

    sku: str | None = ruled(Text(example="CRUNCHY-ARMCHAIR"), says="Only this sku.", default=None)
    location: str | None = ruled(Text(example="default"), says="Only this location.", default=None)
    limit: int = ruled(_LIMIT, says="How many at the most.", default=LIMIT_DEFAULT)
    cursor: str | None = ruled(
        _CURSOR, says="`next_cursor` of the page before: goes on after it.", default=None
    )

    def __attrs_post_init__(self) -> None:
        """Check every parameter."""
        require(check(self))


@frozen
class EventListing:
    """Which events to read."""

    after: int = ruled(
        Whole(0, POSITION_MAX, example=0),
        says="The position of the last event you have: the next ones follow. 0: from the first.",
        default=0,
    )
    limit: int = ruled(_LIMIT, says="How many at the most.", default=LIMIT_DEFAULT)

    def __attrs_post_init__(self) -> None:
        """Check every parameter."""
        require(check(self))


def read_query(cls: type[T], query_string: str) -> T:
    """Make a *cls* from a query string.

    Raises:
        InvalidInput: a parameter is unknown, comes twice, or breaks its rule.
    """
    if not query_string:
        return read(cls, {})
    given, mistakes = _split(query_string)
    values: dict[str, Any] = {}
    rules = {field.name: field.rule for field in fields_of(cls)}
    for name, text in given:
        if name in values:
            mistakes.append(Mistake(f"/{escape(name)}", "is given more than once"))
        values[name] = _converted(rules.get(name), text)
    try:
        made = read(cls, values)
    except InvalidInput as invalid:
        mistakes.extend(invalid.mistakes)
    else:
        if not mistakes:
            return made
    raise InvalidInput(tuple(mistakes))


def refuse_query(query_string: str) -> None:
    """Let no parameter pass where there is none to give.

    Raises:
        InvalidInput: there is one.
    """
    if query_string:
        given, mistakes = _split(query_string)
        mistakes += [Mistake(f"/{escape(name)}", "is not a known parameter") for name, _ in given]
        raise InvalidInput(tuple(mistakes))


def _split(query_string: str) -> tuple[list[tuple[str, str]], list[Mistake]]:
    """Split into names and values; a server hands over bytes as Latin-1 (PEP 3333)."""
    given: list[tuple[str, str]] = []
    mistakes: list[Mistake] = []
    parts = query_string.split("&")
    if len(parts) > PARAMETERS_MAX:
        return [], [Mistake("", f"has more than {PARAMETERS_MAX} parameters")]
    for part in parts:
        name, _, value = part.partition("=")
        try:
            given.append((_decoded(name), _decoded(value)))
        except UnicodeError:
            mistakes.append(Mistake("", "has a parameter that is not UTF-8"))
    return given, mistakes


def _decoded(text: str) -> str:
    raw = text.replace("+", " ").encode("latin-1")
    return unquote_to_bytes(raw).decode("utf-8")


def _converted(rule: Rule | None, text: str) -> str | int | bool:
    """Turn digits into a number where one is expected; the rule judges everything else."""
    if isinstance(rule, Whole) and _WHOLE.fullmatch(text):
        return int(text)
    if isinstance(rule, Flag) and text in _FLAGS:
        return _FLAGS[text]
    return text


def _wanted(asked: OrderListing | OrderExport) -> OrderQuery:
    """Return which orders are asked for, for the store."""
    return OrderQuery(
        status=None if asked.status is None else OrderStatus(asked.status),
        channel=asked.channel,
        customer_id=None if asked.customer_id is None else UUID(asked.customer_id),
        created_from=_moment(asked.created_from),
        created_to=_moment(asked.created_to),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
