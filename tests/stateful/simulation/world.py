"""The system under simulation, and everything that can be done to it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import define, field, frozen

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    Allocation,
    Backoff,
    NewAdjustment,
    NewLineItem,
    OrderManagement,
    PaymentDirectory,
    PlaceOrder,
    PlaceOrderSettings,
    RunnerSettings,
    SagaState,
    Scope,
    Settings,
)
from oms_core.application.inbox_applier import InboxApplier
from oms_core.application.operation_queue import OperationQueue
from oms_core.application.operation_sagas import operation_sagas
from oms_core.application.outbox_relay import OutboxRelay
from oms_core.application.payment_policy import PaymentPolicy
from oms_core.application.place_order_saga import place_order_saga
from oms_core.application.receive_webhook import Webhook
from oms_core.application.saga_moves import SagaMoves
from oms_core.application.saga_runner import SagaRunner
from oms_core.domain.payment import PaymentState
from oms_core.domain.scope import order_id_for
from oms_core.errors import IdempotencyKeyReused, PaymentReferenceInUse, PaymentTrouble
from oms_core.ports.payments import Capabilities, PaymentRef
from oms_core.testing import SimulatedClock
from tests.stateful.simulation.puppet import Puppet, stringed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oms_core import Order, OrderEvent
    from oms_core.application.place_order import Placed
    from oms_core.ports.clock import Clock
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.storage import OrderStorage

TENANT = UUID("11111111-1111-4111-8111-111111111111")
SCOPES = (
    Scope(TENANT, UUID("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")),
    Scope(TENANT, UUID("bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb")),
)
SKUS = ("CRUNCHY-ARMCHAIR", "SILENT-DRUM", "WET-TOWEL")
PLAIN = "plain"
QUIET_ROUNDS = 4
"""How often an operator retries what is stuck once faults have ceased."""
LEASE_S = 30.0
NOTIFIED_RATE = 0.6
WEBHOOK_SECRET = "unmistakable-webhook-secret-of-the-world"

KINDS = (
    PLAIN,
    PLAIN,
    "sim_declined",
    "sim_requires_action",
    "sim_requires_action_completes",
    "sim_pending",
    "sim_pending_declined",
    "sim_late_success",
    "sim_authorized",
    "sim_wrong_amount",
    "sim_wrong_currency",
    "sim_wrong_amount_void_fails",
    "sim_captured",
    "sim_wrong_amount_captured",
    "sim_cancelled",
    "sim_expired",
    "sim_not_found",
    "sim_lost_answer_once",
    "sim_lost_answer_thrice",
    "sim_not_executed_once",
    "sim_rate_limited",
    "sim_in_progress_once",
    "sim_error_replayed",
    "sim_outage_after_hold",
    "sim_invalid_request",
    "sim_void_answer_lost_once",
    "sim_asynchronous",
)
"""Payments an order may meet, by the names of the simulated provider."""


@frozen
class Asked:
    """A request that was acknowledged, as its client remembers it."""

    scope: Scope
    request: PlaceOrder
    order_id: UUID


def in_memory(clock: Clock) -> tuple[OrderStorage, Inventory]:
    """Keep orders and stock in memory."""
    return MemoryStorage(clock), MemoryInventory(clock)


@define(slots=False)
class World:
    """Stores, clients, workers and a clock. Deterministic: the same deeds, the same world."""

    allocation: Allocation = field(factory=Allocation)
    policy: PaymentPolicy = field(factory=PaymentPolicy)
    capabilities: Capabilities = field(factory=lambda: Capabilities(can_reauthorize=True))
    complete_after_s: float | None = None
    stores: Callable[[Clock], tuple[OrderStorage, Inventory]] = in_memory
    clock: SimulatedClock = field(factory=SimulatedClock)
    calls: list[str] = field(factory=list)
    """Every port call of every worker, in order: the trace of the run."""
    acknowledged: dict[tuple[Scope, str], Asked] = field(factory=dict)
    puppets: list[Puppet] = field(factory=list)
    received: dict[UUID, list[OrderEvent]] = field(factory=dict)
    references: int = 0
    oms: OrderManagement = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build the system from its real parts."""
        self.storage, self.inventory = self.stores(self.clock)
        self.inbox = MemoryInbox(self.clock)
        self.payments = SimulatedPayments(
            MemoryLedger(),
            self.clock,
            webhook_secret=WEBHOOK_SECRET,
            capabilities=self.capabilities,
        )
        self.publisher = _Subscriber(self.received)
        saga_settings = PlaceOrderSettings(
            action_deadline_s=300.0,
            pending_deadline_s=300.0,
            retry=Backoff(attempts_max=6, first_s=1.0, cap_s=20.0),
            allocation=self.allocation,
            complete_after_s=self.complete_after_s,
        )
        policies = {"simulated": self.policy}
        settings = Settings(saga=saga_settings, runner=RunnerSettings(lease_s=LEASE_S))
        self.oms = OrderManagement(
            storage=self.storage,
            inventory=self.inventory,
            payments=PaymentDirectory({"simulated": self.payments}, policies=policies),
            inbox=self.inbox,
            clock=self.clock,
            randomness=random.Random(1),
            settings=settings,
        )
        payments = PaymentDirectory(
            {"simulated": stringed(self.payments, "payments", self.calls)}, policies=policies
        )
        inventory = stringed(self.inventory, "inventory", self.calls)
        moves = SagaMoves(
            [place_order_saga(inventory, payments, saga_settings)],
            OperationQueue(operation_sagas(inventory, payments, saga_settings)),
            random.Random(0),
            bug_attempts_max=settings.runner.bug_attempts_max,
        )
        self.runner = SagaRunner(
            moves,
            storage=stringed(self.storage, "storage", self.calls),
            clock=self.clock,
            settings=settings.runner,
            on_saved=lambda _order: None,
        )

    # -- clients -------------------------------------------------------------------------

    def receive_stock(self, scope: Scope, sku: str, quantity: int) -> None:
        """Book goods in."""
        key = f"delivery-{len(self.calls)}-{self.clock.now().isoformat()}-{sku}-{quantity}"
        request = AdjustStock(sku=sku, quantity_delta=quantity, reason="delivery")
        self.oms.adjust_stock(scope, request, idempotency_key=key, actor="clerk")

    def new_request(
        self,
        kind: str,
        wanted: dict[str, int],
        *,
        price: str,
        extra: str | None = None,
    ) -> PlaceOrder:
        """Make a request under a key and a payment reference nobody has used."""
        kind_of_extra = "discount" if (extra or "").startswith("-") else "shipping"
        self.references += 1
        return PlaceOrder(
            idempotency_key=f"key-{self.references}",
            payment_provider="simulated",
            payment_reference=f"{kind}_{self.references}",
            channel="web",
            line_items=[
                NewLineItem(sku=sku, quantity=quantity, unit_price=price)
                for sku, quantity in wanted.items()
            ],
            adjustments=[] if extra is None else [NewAdjustment(kind_of_extra, extra)],
        )

    def place(self, scope: Scope, request: PlaceOrder) -> Placed | None:
        """Send a request; ``None``: refused as a conflict, and nothing may have changed."""
        name = (scope, request.idempotency_key)
        before = self.acknowledged.get(name)
        try:
            placed = self.oms.place_order(scope, request)
        except IdempotencyKeyReused:
            assert before is not None, "I1: a key nobody used was refused as reused"
            assert before.request.fingerprint != request.fingerprint
            return None
        except PaymentReferenceInUse:
            assert before is None, "I1: a repeat was refused because of its reference"
            return None
        assert placed.order_id == order_id_for(scope, request.idempotency_key)
        if before is None:
            assert not placed.replayed
            self.acknowledged[name] = Asked(scope, request, placed.order_id)
        else:
            assert placed.replayed, "I1: a repeat made a second order"
            assert before.order_id == placed.order_id
            assert before.request.fingerprint == request.fingerprint, "I1: another body got 2xx"
        return placed

    def customer_acts(self, asked: Asked) -> None:
        """Let the customer complete the payment, if that is what it waits for."""
        ref = PaymentRef(asked.scope.tenant_id, asked.request.payment_reference)
        try:
            if self.payments.lookup(ref).state is PaymentState.REQUIRES_ACTION:
                self.payments.complete_action(ref)
                self.oms.wake(asked.scope, asked.order_id)
        except PaymentTrouble:
            return

    def provider_notifies(self, asked: Asked, chance: random.Random) -> None:
        """Let notifications of all that happened come twice, shuffled, and some not at all."""
        ref = PaymentRef(asked.scope.tenant_id, asked.request.payment_reference)
        try:
            sent = self.payments.notifications(ref, copies=2, shuffled_by=chance)
        except PaymentTrouble:
            return
        for one in sent:
            if chance.random() < NOTIFIED_RATE:
                self.oms.receive_webhook(Webhook(ref.tenant_id, "simulated", one.headers, one.body))

    def apply_notifications(self) -> None:
        """Tell orders what was notified."""
        InboxApplier(self.inbox, self.storage, self.oms.payment_changed).apply_once("applier")

    # -- workers -------------------------------------------------------------------------

    def claim(self, limit: int) -> None:
        """Let a new worker claim due orders; it hangs before its first call."""
        number = len(self.puppets) + 1
        claims = self.storage.claim_due(
            f"worker-{number}",
            limit=limit,
            lease_s=LEASE_S,
            definitions=self.runner.definitions,
        )
        for claim in claims:

            def drive(claim=claim) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
                self.runner.drive(claim)

            puppet = Puppet(f"{claim.lease.holder}/{claim.order.idempotency_key}", drive)
            self.puppets.append(puppet)

    def live_puppets(self) -> list[Puppet]:
        """List the drives that have not ended."""
        self.puppets = [puppet for puppet in self.puppets if not puppet.is_over]
        return self.puppets

    def publish(self, *, dies_before_mark: bool) -> None:
        """Relay events out; a relay that dies before it marks them has delivered all the same."""
        if dies_before_mark:
            for waiting in self.storage.claim_unpublished("dying", limit=3, lease_s=5.0):
                self.publisher.publish(waiting.order.events(after=waiting.published))
        else:
            OutboxRelay(self.storage, self.publisher, holder="relay", lease_s=5.0).relay_once()

    def operator_retries(self) -> None:
        """Let an operator retry everything that is stuck."""
        for order in self.storage.list_sagas([SagaState.STUCK], limit=100):
            self.oms.retry_saga(order.scope, order.id, reason="mended", actor="operator")

    def quiesce(self) -> None:
        """End all faults, let an operator retry what got stuck, and wait until nothing is due."""
        for puppet in self.live_puppets():
            puppet.finish()
        for _ in range(QUIET_ROUNDS):
            self._drive_to_rest()
            self.operator_retries()
        self._drive_to_rest()
        for _ in range(100):
            self.clock.advance(6.0)
            if not OutboxRelay(
                self.storage, self.publisher, holder="last", lease_s=5.0
            ).relay_once():
                break

    def _drive_to_rest(self) -> None:
        for _ in range(400):
            self.oms.run_until_idle()
            if all(self._is_at_rest(order) for order in self.orders()):
                return
            due_at = self.storage.earliest_due()
            if due_at is None:
                return
            self.clock.advance_to(due_at)
            self.clock.advance(0.001)
        message = "I6: the system does not come to rest"
        raise AssertionError(message)

    @staticmethod
    def _is_at_rest(order: Order) -> bool:
        """Tell whether nothing goes on; what is only appointed, such as a renewal, may come.

        A refund that the provider has not decided is looked at again until it has.
        """
        if order.saga.is_parked:
            return True
        undecided = any(one.state.is_open for one in order.payment.refunds)
        return order.saga.phase.is_over and not undecided

    def orders(self) -> list[Order]:
        """Read every acknowledged order, as its client would: I8 for each of them."""
        return [self.oms.get_order(a.scope, a.order_id) for a in self.acknowledged.values()]


@define
class _Subscriber:
    """Remembers every event it ever got, repeats included."""

    received: dict[UUID, list[OrderEvent]]

    def publish(self, events: Sequence[OrderEvent]) -> None:
        """Take all."""
        for event in events:
            self.received.setdefault(event.order_id, []).append(event)
