"""Has what happened to orders left as events, and is it in the feed?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from oms_core.application.doctor.finding import Fix, Kind, Severity, about
from oms_core.domain.event_envelope import envelope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.doctor.finding import Finding
    from oms_core.domain.event_envelope import EventEnvelope
    from oms_core.domain.scope import Scope
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.storage import KeptOrder


def check_outbox(kept: KeptOrder, *, longer_than_s: float, at: datetime) -> Iterator[Finding]:
    """Check that the order's events leave."""
    order = kept.order
    waiting = order.history[kept.published :]
    if waiting and at - waiting[0].at > timedelta(seconds=longer_than_s):
        sentence = (
            f"{len(waiting)} events of the order have not left, the oldest of "
            f"{waiting[0].at:%Y-%m-%d %H:%M} UTC. See that a worker runs, and what its log says."
        )
        yield about(order, Kind.EVENTS_LATE, Severity.ERROR, sentence)


def check_feed(log: EventLog, page: Sequence[KeptOrder]) -> Iterator[Finding]:
    """Check that every event that has left is in the feed."""
    ids: dict[Scope, list[UUID]] = {}
    for kept in page:
        left = kept.order.events()[: kept.published]
        ids.setdefault(kept.order.scope, []).extend(event.event_id for event in left)
    known = {scope: log.known(scope, wanted) for scope, wanted in ids.items()}
    for kept in page:
        order = kept.order
        left = order.events()[: kept.published]
        missing = [event for event in left if event.event_id not in known[order.scope]]
        if not missing:
            continue
        numbers = ", ".join(str(event.sequence) for event in missing)
        # Behind later ones they would come out of order; then a person must tell the readers.
        at_the_end = missing == list(left[-len(missing) :])
        envelopes = [envelope_of(event) for event in missing]
        fix = Fix("put them into the feed", _appended(log, envelopes)) if at_the_end else None
        sentence = (
            f"The events {numbers} of the order have left, but are not in the feed: whoever reads "
            "it has not heard of them."
        )
        yield about(order, Kind.EVENTS_MISSING, Severity.ERROR, sentence, fix)


def _appended(log: EventLog, envelopes: Sequence[EventEnvelope]) -> Callable[[], object]:
    return lambda: log.append(envelopes)
