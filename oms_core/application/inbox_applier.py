"""Takes what providers notified to the orders that it concerns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from oms_core.errors import StoreUnavailable
from oms_core.ports.inbox import InboxState

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from oms_core.domain.scope import Scope
    from oms_core.ports.inbox import ReceivedEvent, WebhookInbox
    from oms_core.ports.payments import PaymentRef
    from oms_core.ports.storage import OrderStorage

_log = logging.getLogger("oms_core.inbox")

BATCH_MAX: Final = 50


class InboxApplier:
    """Tells orders that something happened to their payments, and marks the events.

    An event says *that* something happened, and the order asks the provider what: so events may
    come in any order and any number of times, and applying one again after a crash changes
    nothing. An event whose order is not there is kept as UNMATCHED: an order that comes later
    looks its payment up by itself.
    """

    def __init__(
        self,
        inbox: WebhookInbox,
        storage: OrderStorage,
        tell: Callable[[Scope, UUID], bool],
        *,
        lease_s: float = 10.0,
    ) -> None:
        """Take events from *inbox* to orders in *storage*, by *tell*.

        *tell* answers whether the order will look at its payment after this moment; one that may
        have looked just before is told again.
        """
        self._inbox = inbox
        self._storage = storage
        self._tell = tell
        self._lease_s = lease_s

    def apply_once(self, holder: str) -> int:
        """Apply one batch as *holder*; returns how many events it had.

        Raises:
            StoreUnavailable: what was applied may not be marked, and comes again.
        """
        batch = self._inbox.claim_new(holder, limit=BATCH_MAX, lease_s=self._lease_s)
        ends: dict[tuple[str, PaymentRef], InboxState] = {}
        for received in batch:
            payment = (received.provider, received.event.ref)
            # All of the batch was stored before: of one payment, the order is told once.
            if payment not in ends:
                ends[payment] = self._apply(received)
        for state in (InboxState.APPLIED, InboxState.UNMATCHED):
            ended = [r for r in batch if ends[r.provider, r.event.ref] is state]
            if ended:
                self._inbox.mark(ended, state)
        return len(batch)

    def _apply(self, received: ReceivedEvent) -> InboxState:
        """Tell the order; NEW: not done, so it comes again when the claim runs out."""
        ref = received.event.ref
        try:
            order = self._storage.find_by_payment(ref.tenant_id, received.provider, ref.reference)
            if order is None:
                return InboxState.UNMATCHED
            has_heard = self._tell(order.scope, order.id)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one bad order must not hold up the others
            _log.exception(
                "notification not applied",
                extra={"provider": received.provider, "event_id": received.event.event_id},
            )
            return InboxState.NEW
        return InboxState.APPLIED if has_heard else InboxState.NEW
