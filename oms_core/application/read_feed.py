"""Read the feed: what happened in a scope, in order and without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.errors import InvalidInput, Mistake
from oms_core.ports.event_log import not_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.scope import Scope
    from oms_core.ports.event_log import EventLog, LoggedEvent


def read_feed(
    event_log: EventLog, scope: Scope, *, after: int, limit: int
) -> Sequence[LoggedEvent]:
    """Read what happened in *scope* above position *after*; 0: from the beginning.

    Raises:
        InvalidInput: *after* lies beyond the last position, or below what is kept.
    """
    page = event_log.read(scope, after=after, limit=limit)
    if page and page[0].position > after + 1:
        raise InvalidInput((Mistake("/after", not_kept(page[0].position)),))
    if not page and after:
        head = event_log.heads([scope])[scope]
        if after > head:
            # A reader that knows more than the store would wait for ever, and miss what
            # happens meanwhile.
            sentence = (
                f"lies beyond the last position, {head}; if the store was restored from a "
                "backup, read again from a position below that"
            )
            raise InvalidInput((Mistake("/after", sentence),))
    return page
