"""Comparing all orders with what their payment providers say, and healing what can be proven.

Provider truth wins. What differs is taken over by the order itself, by the same check that a
provider's notification asks for: reconciliation finds where it is needed, and decides nothing.
"""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from oms_core.application.check_payment import (
    HOLDS_MONEY,
    MONEY_OF_A_DEAD_ORDER,
    PAYMENT_UNKNOWN,
)
from oms_core.application.payment_steps import ref_of
from oms_core.application.transfer_steps import refund_name
from oms_core.domain.correcting import Difference, differences
from oms_core.domain.operation import OperationKind
from oms_core.errors import OmsError, PaymentNotFound, StoreUnavailable
from oms_core.ports.payments import OperationStatus
from oms_core.ports.storage import UnreadableOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga_runner import SagaRunner
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.payments import PaymentProvider, PaymentSnapshot
    from oms_core.ports.storage import OrderPlace, OrderStorage

_log = logging.getLogger("oms_core.reconciliation")

PAGE: Final = 100
"""Orders read at a time: as many as are in memory."""
_POLL_S: Final = 0.1
_FOR_A_PERSON: Final = frozenset({PAYMENT_UNKNOWN.code, MONEY_OF_A_DEAD_ORDER.code})
"""What a check ends with where nothing can be proven; to check again would change nothing."""


class Verdict(StrEnum):
    """What came of comparing one order."""

    AGREES = "agrees"
    UNDER_WAY = "under_way"
    """Its saga is not over: whoever drives it asks the provider anyway."""
    DIFFERS = "differs"
    """Nothing was done about it."""
    HEALED = "healed"
    """It differed, and agrees by now."""
    FLAGGED = "flagged"
    """It differs, nothing can be proven, and a person is told."""
    NOT_HEALED = "not_healed"
    """It differs still: its check waits for the provider, or has not been done in time."""
    NOT_COMPARED = "not_compared"
    """The provider, or the order, could not be read."""

    @property
    def is_good(self) -> bool:
        """Nobody needs to do anything."""
        return self in {Verdict.AGREES, Verdict.UNDER_WAY, Verdict.HEALED}


@frozen
class Selection:
    """Which orders to compare; all of them, unless told otherwise."""

    tenant_id: UUID | None = None
    org_id: UUID | None = None
    """Counts with a tenant alone."""
    provider: str | None = None
    since: datetime | None = None
    """Only orders that were placed or that changed since."""

    def takes(self, order: Order) -> bool:
        """Tell whether *order*, of the right tenant, is to be compared."""
        return (self.provider is None or order.payment.provider == self.provider) and (
            self.since is None or order.updated_at >= self.since
        )


@frozen
class Compared:
    """One order, and what came of comparing it."""

    place: OrderPlace
    verdict: Verdict
    provider: str | None = None
    reference: str | None = None
    differences: tuple[Difference, ...] = ()
    """What differed when it was looked at first."""
    trouble: str | None = None
    """Why it could not be compared, or healed."""


class Pace:
    """Spreads calls out, so that the provider has time for customers too."""

    def __init__(
        self,
        calls_per_second: float,
        *,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let *calls_per_second* begin; 0 means as fast as it goes."""
        self._gap_s = 1 / calls_per_second if calls_per_second else 0.0
        self._sleep = sleep
        self._now = now
        self._next_at = now()

    def wait(self) -> None:
        """Wait until the next call may begin."""
        if not self._gap_s:
            return
        now = self._now()
        if now < self._next_at:
            self._sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + self._gap_s


@define
class Tally:
    """How many orders came to which verdict."""

    counts: dict[Verdict, int] = field(factory=lambda: dict.fromkeys(Verdict, 0))

    def add(self, compared: Compared) -> None:
        """Count one."""
        self.counts[compared.verdict] += 1

    @property
    def orders(self) -> int:
        """All that were looked at."""
        return sum(self.counts.values())

    @property
    def is_good(self) -> bool:
        """Nobody needs to do anything."""
        return not any(count for verdict, count in self.counts.items() if not verdict.is_good)


@frozen
class Reconciler:
    """Compares orders with what their providers say."""

    storage: OrderStorage
    payments: PaymentDirectory
    runner: SagaRunner
    clock: Clock
    tell: Callable[[Scope, UUID], object]
    """Has an order check its payment."""
    pace: Pace
    holder: str
    wait_s: float = 10.0
    """How long a check that somebody else drives is waited for."""
    sleep: Callable[[float], object] = time.sleep
    """``True`` from it means that there is no time to wait any longer."""

    def run(self, selection: Selection | None = None, *, fix: bool = False) -> Iterator[Compared]:
        """Compare one order after the other; with *fix*, have those that differ healed.

        Trouble with one order or with its provider is told, and the others are compared. Any
        number of these may run at once: each changes orders only by their own operations.

        Raises:
            StoreUnavailable: the store does not answer; what was compared is done.
        """
        selection = selection or Selection()
        after: OrderPlace | None = None
        while page := self.storage.walk(
            after=after, limit=PAGE, tenant_id=selection.tenant_id, org_id=selection.org_id
        ):
            for one in page:
                if isinstance(one, UnreadableOrder):
                    yield Compared(one.place, Verdict.NOT_COMPARED, trouble=one.sentence)
                elif selection.takes(one.order):
                    yield self._compared(one.order, one.place, fix=fix)
            after = page[-1].place

    def heal(self, place: OrderPlace) -> Compared:
        """Compare one order, and have it healed if it differs.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
            StoreUnavailable: the store does not answer.
        """
        return self._compared(self.storage.get(place.scope, place.order_id), place, fix=True)

    def _compared(self, order: Order, place: OrderPlace, *, fix: bool) -> Compared:
        payment = order.payment

        def said(
            verdict: Verdict, found: tuple[Difference, ...] = (), trouble: str | None = None
        ) -> Compared:
            return Compared(place, verdict, payment.provider, payment.reference, found, trouble)

        provider = self.payments.find(order.scope.tenant_id, payment.provider)
        if provider is None:
            return said(Verdict.NOT_COMPARED, trouble=_not_configured(payment.provider))
        found: tuple[Difference, ...] = ()
        try:
            verdict, found = self._looked_at(order, provider)
            if verdict is not Verdict.DIFFERS or not fix:
                return said(verdict, found)
            return said(self._healed(order, provider), found)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one bad answer must not hold up the others
            trouble = _told(error, order)
            return said(Verdict.NOT_HEALED if found else Verdict.NOT_COMPARED, found, trouble)

    def _looked_at(
        self, order: Order, provider: PaymentProvider
    ) -> tuple[Verdict, tuple[Difference, ...]]:
        if not order.saga.phase.is_over:
            return Verdict.UNDER_WAY, ()
        if not order.total:
            return Verdict.AGREES, ()
        found = self._differences(order, provider)
        if found:
            # It may have moved between reading it and asking the provider.
            order = self.storage.get(order.scope, order.id)
            if not order.saga.phase.is_over:
                return Verdict.UNDER_WAY, ()
            found = self._differences(order, provider)
        if not found:
            return Verdict.AGREES, ()
        attention = order.saga.attention
        if attention is not None and attention.code in _FOR_A_PERSON:
            return Verdict.FLAGGED, found
        return Verdict.DIFFERS, found

    # -- comparing -------------------------------------------------------------------------

    def _differences(self, order: Order, provider: PaymentProvider) -> tuple[Difference, ...]:
        self.pace.wait()
        try:
            snapshot = provider.lookup(ref_of(order))
        except PaymentNotFound:
            if order.status.is_dead or order.payment.authorization is None:
                return ()
            return (Difference("payment", order.payment.status.value, "that it knows none"),)
        if order.status.is_dead:
            return self._held_for_nobody(order, snapshot)
        return (
            *differences(order, snapshot.state, snapshot.captured, snapshot.refunded),
            *self._refunds(order, provider),
        )

    def _held_for_nobody(self, order: Order, snapshot: PaymentSnapshot) -> tuple[Difference, ...]:
        """Tell what a provider holds for an order that is over."""
        is_given_back = bool(snapshot.captured) and snapshot.refunded >= snapshot.captured
        if snapshot.state not in HOLDS_MONEY or is_given_back:
            return ()
        if snapshot.order_id is None:
            payment = order.payment
            backed = self.storage.find_by_payment(
                order.scope.tenant_id, payment.provider, payment.reference
            )
            # Nobody says for whom: if an order lives on this payment, it is for that one.
            if backed is None or backed.id != order.id:
                return ()
        elif snapshot.order_id != order.id:
            return ()
        held = snapshot.captured - snapshot.refunded if snapshot.captured else snapshot.authorized
        return (Difference("hold", f"nothing, it is {order.status}", f"{snapshot.state} {held}"),)

    def _refunds(self, order: Order, provider: PaymentProvider) -> tuple[Difference, ...]:
        """Tell which refunds have ended without the order hearing of it."""
        found = []
        for refund in order.payment.refunds:
            if not refund.state.is_open:
                continue
            self.pace.wait()
            result = provider.find_operation(ref_of(order), refund_name(order, refund.id))
            if result is not None and result.status is not OperationStatus.PENDING:
                found.append(
                    Difference(f"refund {refund.id}", refund.state.value, result.status.value)
                )
        return tuple(found)

    # -- healing ---------------------------------------------------------------------------

    def _healed(self, order: Order, provider: PaymentProvider) -> Verdict:
        """Have the order check its payment, wait for that, and look again."""
        self.pace.wait()
        self.tell(order.scope, order.id)
        ends_at = time.monotonic() + self.wait_s
        while True:
            order = self.storage.get(order.scope, order.id)
            if not _is_checking(order):
                break
            due_at = order.saga.due_at
            if due_at is None or order.saga.wait is not None or time.monotonic() >= ends_at:
                return Verdict.FLAGGED if order.saga.attention else Verdict.NOT_HEALED
            claim = None
            if due_at <= self.clock.now():
                claim = self.storage.claim(
                    order.scope, order.id, self.holder, lease_s=self.runner.settings.lease_s
                )
            if claim is not None:
                self.runner.drive(claim)
            elif self.sleep(_POLL_S) is True:
                return Verdict.NOT_HEALED
        if order.saga.attention is not None:
            return Verdict.FLAGGED
        return Verdict.NOT_HEALED if self._differences(order, provider) else Verdict.HEALED


def _is_checking(order: Order) -> bool:
    return any(
        one.kind is OperationKind.CHECK_PAYMENT and not one.is_over for one in order.operations
    )


def _not_configured(provider: str) -> str:
    return (
        f"The payment provider {provider} is not configured any more; configure it again as long "
        "as there are orders that were paid through it."
    )


def _told(error: Exception, order: Order) -> str:
    """Say what kept an order from being compared; nothing of a stranger's message."""
    if isinstance(error, OmsError):
        return error.sentence
    _log.error("order not compared", extra={"order_id": str(order.id)}, exc_info=error)
    return f"An unexpected {type(error).__name__} was raised; the log has the details."
