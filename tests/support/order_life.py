"""A shop in which orders live their whole lives, over the real in-memory adapters."""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any, TypeAlias, cast
from uuid import UUID

from attrs import evolve

from oms_core import (
    NewAdjustment,
    Order,
    OrderManagement,
    OrderStatus,
    PaymentDirectory,
    PlaceOrder,
    PlaceOrderSettings,
    RunnerSettings,
)
from oms_core.application.operation_requests import DeliverGoods, FulfillOrder
from oms_core.application.order_operations import Asked, Caller
from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
from oms_core.domain.operation import Operation
from oms_core.ports.payments import Capabilities, PaymentProvider
from oms_core.testing.faults import (
    FaultPlan,
    faulty_inventory,
    faulty_payments,
    faulty_storage,
)
from tests.support.shop import ARMCHAIR, DRUM, LEASE_S, Shop

Answer: TypeAlias = Callable[..., Any]
"""What a method of the provider answers instead, given the method itself and its arguments."""
RENEWS = Capabilities(can_reauthorize=True)


class OrderLife(Shop):
    """One order of two armchairs and a drum at 19.99 each, with shipping: 64.96 in all.

    Nobody subscribes to its events.
    """

    def __init__(
        self,
        capture: CapturePolicy = CapturePolicy.FULFILLMENT,
        *,
        plan: FaultPlan | None = None,
        saga: PlaceOrderSettings | None = None,
        capabilities: Capabilities = RENEWS,
        lease_s: float = LEASE_S,
    ) -> None:
        self.lease_s = lease_s
        self.policies = {"simulated": PaymentPolicy(capture)}
        self.keys = 0
        self.instead: dict[str, Answer] = {}
        """What the provider's methods do instead, by their names."""
        super().__init__(plan=plan, saga=saga, capabilities=capabilities)

    def a_process(self, plan: FaultPlan) -> OrderManagement:
        """Start a process that meets the faults of *plan*; it has no subscribers."""
        payments = {
            name: faulty_payments(cast("PaymentProvider", _Unlike(p, self.instead)), plan)
            for name, p in self.providers.items()
        }
        return OrderManagement(
            storage=faulty_storage(self.storage, plan),
            inventory=faulty_inventory(self.inventory, plan),
            payments=PaymentDirectory(payments, policies=self.policies),
            clock=self.clock,
            randomness=Random(7),
            settings=evolve(self.settings, runner=RunnerSettings(lease_s=self.lease_s)),
        )

    def request(
        self,
        reference: str = "good_card",
        *,
        key: str = "checkout-4711",
        price: str = "19.99",
        currency: str = "USD",
        provider: str = "simulated",
        lines: Mapping[str, int] | None = None,
    ) -> PlaceOrder:
        """Make a request for two armchairs and a drum, with shipping."""
        wanted = {ARMCHAIR: 2, DRUM: 1} if lines is None else lines
        request = super().request(
            reference, key=key, price=price, currency=currency, provider=provider, lines=wanted
        )
        return PlaceOrder(
            idempotency_key=request.idempotency_key,
            payment_provider=provider,
            payment_reference=reference,
            channel="web",
            currency=currency,
            line_items=request.line_items,
            adjustments=[NewAdjustment("shipping", "4.99")],
        )

    def ask(self, name: str, *what: object, key: str | None = None) -> Asked:
        """Ask something of the order."""
        self.keys += 1
        caller = Caller(key or f"ask-{self.keys}", "pat@example.com")
        asked: Asked = getattr(self.oms.operations, name)(
            self.scope, self.order().id, *what, caller
        )
        return asked

    def ask_and_work(self, name: str, *what: object) -> Operation:
        """Ask something, do all that is due, and tell what became of it."""
        operation_id = self.ask(name, *what).operation.id
        self.oms.run_until_idle()
        return self.operation(operation_id)

    def operation(self, operation_id: UUID) -> Operation:
        """Read one operation of the order."""
        operation = self.order().operation(operation_id)
        assert operation is not None
        return operation

    def confirmed(self, reference: str = "good_card") -> Order:
        """Place an order that is confirmed."""
        self.place(reference)
        self.oms.run_until_idle()
        assert self.order().status is OrderStatus.CONFIRMED
        return self.order()

    def delivered(self, reference: str = "good_card") -> Order:
        """Place an order whose goods arrive."""
        self.confirmed(reference)
        self.ask_and_work("fulfill", FulfillOrder())
        for _ in range(10):
            self.pass_time(1.0)
        for one in self.order().fulfillments:
            self.ask("deliver", one.id, DeliverGoods())
        assert self.order().status is OrderStatus.DELIVERED
        return self.order()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.clock.advance(seconds)
        self.oms.run_until_idle()

    def books(self) -> tuple[str, str, str, str]:
        """Tell what the provider's own books say: authorized, captured, voided, refunded."""
        row = self.audit()
        assert row is not None
        return (
            row.authorized.amount,
            row.captured.amount,
            row.voided.amount,
            row.refunded.amount,
        )


class _Unlike:
    """A provider some of whose methods do something else."""

    def __init__(self, provider: PaymentProvider, instead: Mapping[str, Answer]) -> None:
        self._provider = provider
        self._instead = instead

    def __getattr__(self, method: str) -> Any:
        there = getattr(self._provider, method)
        instead = self._instead.get(method)
        return there if instead is None else partial(instead, there)
