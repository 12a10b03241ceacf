"""Has what providers notified reached its orders?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from oms_core.application.doctor.finding import Finding, Fix, Kind, Severity
from oms_core.ports.inbox import InboxState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from oms_core.ports.inbox import ReceivedEvent, WebhookInbox
    from oms_core.ports.storage import OrderStorage

_PAGE: Final = 500


def check_waiting(
    inbox: WebhookInbox, tenant_id: UUID | None, *, longer_than_s: float, at: datetime
) -> Iterator[Finding]:
    """Check that notifications are applied; one finding however many wait."""
    count, oldest = 0, None
    for received in _events(inbox, InboxState.NEW, tenant_id):
        if at - received.received_at > timedelta(seconds=longer_than_s):
            count, oldest = count + 1, received  # the newest come first
    if oldest is not None:
        sentence = (
            f"{count} notifications of payment providers wait to be applied, the oldest since "
            f"{oldest.received_at:%Y-%m-%d %H:%M} UTC ({oldest.event.event_id}). See that a worker "
            "runs, and what its log says."
        )
        yield Finding(
            Kind.NOTIFICATIONS_WAITING, Severity.ERROR, sentence, subject=oldest.event.event_id
        )


def check_unmatched(
    inbox: WebhookInbox, storage: OrderStorage, tenant_id: UUID | None
) -> Iterator[Finding]:
    """Find notifications that no order had when they came, and whose order is there by now."""
    for received in _events(inbox, InboxState.UNMATCHED, tenant_id):
        ref = received.event.ref
        order = storage.find_by_payment(ref.tenant_id, received.provider, ref.reference)
        if order is None:
            continue
        sentence = (
            f"The notification {received.event.event_id} of {received.provider} found no order, "
            f"but by now the order {order.id} has its payment."
        )
        fix = Fix("have it applied again", _applied_again(inbox, received))
        yield Finding(
            Kind.NOTIFICATION_UNMATCHED,
            Severity.WARNING,
            sentence,
            order.scope,
            order.id,
            received.event.event_id,
            fix,
        )


def _applied_again(inbox: WebhookInbox, received: ReceivedEvent) -> Callable[[], object]:
    return lambda: inbox.mark([received], InboxState.NEW)


def _events(
    inbox: WebhookInbox, state: InboxState, tenant_id: UUID | None
) -> Iterator[ReceivedEvent]:
    cursor: str | None = None
    while True:
        page = inbox.list_events([state], tenant_id=tenant_id, limit=_PAGE, cursor=cursor)
        yield from page.events
        cursor = page.next_cursor
        if cursor is None:
            return
