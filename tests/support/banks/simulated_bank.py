"""The simulated provider: its books stand in the store of the system itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import ClassVar, Final
from uuid import UUID

from oms_adapters.payments.simulated import Notification, SimulatedPayments
from oms_adapters.payments.simulated.notifications import NotificationSigner
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import PaymentRef, ProviderEvent
from tests.support.banks.bank import Bank, Books, Letter

SECRET: Final = "unmistakable-webhook-secret-4711"


class SimulatedBank(Bank):
    """A second process at the same books."""

    name: ClassVar[str] = "simulated"

    def __init__(self, tenant_id: UUID, opened: Callable[[], SimulatedPayments]) -> None:
        self.secrets = {"SIMULATED_SECRET": SECRET}
        self._tenant_id = tenant_id
        self._opened = opened
        self._numbers = count(1)
        self._told: Counter[str] = Counter()
        self._early: dict[str, list[Notification]] = {}

    @property
    def table(self) -> str:
        return (
            '[payments.simulated]\nadapter = "simulated"\nwebhook_secret = "env:SIMULATED_SECRET"\n'
        )

    def pays(self, minor: int) -> str:
        del minor
        return f"good_card_{next(self._numbers)}"

    def is_declined(self, minor: int) -> str:
        del minor
        return f"sim_declined_{next(self._numbers)}"

    def must_act(self, minor: int) -> str:
        del minor
        return f"sim_requires_action_{next(self._numbers)}"

    def acts(self, reference: str) -> None:
        self._opened().complete_action(self._ref(reference))

    def pays_early(self, minor: int) -> str:
        """Tell of a payment that the provider's own program only knows once it is asked for."""
        reference = self.pays(minor)
        event = ProviderEvent(f"evt-{reference}", self._ref(reference), "payment.created")
        now = SystemClock().now()
        self._early[reference] = [
            NotificationSigner(SECRET).sign([event], message_id=event.event_id, at=now)
        ]
        return reference

    def news(self, reference: str) -> Sequence[Letter]:
        letters = [
            *self._early.get(reference, ()),
            *self._opened().notifications(self._ref(reference)),
        ]
        new = letters[self._told[reference] :]
        self._told[reference] = len(letters)
        return [Letter(one.headers, one.body) for one in new]

    def books(self, reference: str) -> Books:
        rows = [row for row in self._opened().audit() if row.reference == reference]
        return Books(
            sum(row.captured.minor for row in rows),
            sum(row.refunded.minor for row in rows),
            any(row.live_authorizations for row in rows),
        )

    def effects(self, reference: str, operation: str) -> int:
        return sum(
            done.effects
            for row in self._opened().audit()
            if row.reference == reference
            for done in row.operations
            if done.operation == operation
        )

    def close(self) -> None:
        """Leave the books to the system that keeps them."""

    def _ref(self, reference: str) -> PaymentRef:
        return PaymentRef(self._tenant_id, reference)
