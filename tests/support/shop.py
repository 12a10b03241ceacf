"""The core over its real in-memory adapters, in one thread, under a simulated clock."""

from collections.abc import Mapping, Sequence
from random import Random
from uuid import UUID

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, PaymentAudit, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    Allocation,
    AllocationModel,
    NewLineItem,
    Order,
    OrderEvent,
    OrderManagement,
    OrderQuery,
    PlaceOrder,
    PlaceOrderSettings,
    RunnerSettings,
    Settings,
)
from oms_core.domain.inventory import StockItem, StockLevel
from oms_core.domain.scope import order_id_for
from oms_core.errors import StoreUnavailable
from oms_core.ports.payments import Capabilities, PaymentProvider, PaymentRef
from oms_core.testing import SimulatedClock, a_scope
from oms_core.testing.faults import (
    FaultPlan,
    SimulatedCrash,
    faulty_inbox,
    faulty_inventory,
    faulty_payments,
    faulty_publisher,
    faulty_storage,
)

ARMCHAIR = "CRUNCHY-ARMCHAIR"
DRUM = "SILENT-DRUM"
SOFT = Allocation(AllocationModel.SOFT, ttl_s=900.0)
LEASE_S = 30.0
RELAY_LEASE_S = 10.0
ROUNDS_MAX = 500
WEBHOOK_SECRET = "unmistakable-webhook-secret-4711"


class Subscriber:
    """Takes every event, repeats included."""

    def __init__(self) -> None:
        self.received: list[OrderEvent] = []

    def publish(self, events: Sequence[OrderEvent]) -> None:
        self.received += events


class Shop:
    """One store, one warehouse and one bank; ``oms`` is the process that works on them.

    The process meets the faults of *plan*; what the tests look at, they look at behind it.
    """

    def __init__(
        self,
        *,
        plan: FaultPlan | None = None,
        stock: Mapping[str, int] | None = None,
        saga: PlaceOrderSettings | None = None,
        providers: Mapping[str, PaymentProvider] | None = None,
        capabilities: Capabilities | None = None,
        is_notified: bool = False,
    ) -> None:
        """Open it; *is_notified*: the bank sends signed notifications, and they are received."""
        self.scope = a_scope()
        self.clock = SimulatedClock()
        self.plan = plan or FaultPlan()
        self.storage = MemoryStorage(self.clock)
        self.inventory = MemoryInventory(self.clock)
        self.payments = SimulatedPayments(
            MemoryLedger(),
            self.clock,
            webhook_secret=WEBHOOK_SECRET,
            capabilities=capabilities or Capabilities(),
        )
        self.inbox = MemoryInbox(self.clock) if is_notified else None
        self.providers = providers or {"simulated": self.payments}
        self.subscriber = Subscriber()
        self.settings = Settings(
            saga=saga or PlaceOrderSettings(), runner=RunnerSettings(lease_s=LEASE_S)
        )
        self.oms = self.a_process(self.plan)
        stock = {ARMCHAIR: 10, DRUM: 10} if stock is None else stock
        for sku, quantity in stock.items():
            if quantity:
                self.receive(sku, quantity)

    def a_process(self, plan: FaultPlan) -> OrderManagement:
        """Start a process that meets the faults of *plan*."""
        return OrderManagement(
            storage=faulty_storage(self.storage, plan),
            inventory=faulty_inventory(self.inventory, plan),
            payments={name: faulty_payments(p, plan) for name, p in self.providers.items()},
            publisher=faulty_publisher(self.subscriber, plan),
            inbox=None if self.inbox is None else faulty_inbox(self.inbox, plan),
            clock=self.clock,
            randomness=Random(7),
            settings=self.settings,
        )

    # -- deeds ---------------------------------------------------------------------------

    def receive(self, sku: str, quantity: int) -> None:
        """Book goods in, past all faults."""
        request = AdjustStock(sku=sku, quantity_delta=quantity, reason="delivery")
        movement = request.movement(f"delivery-{sku}", actor="clerk", at=self.clock.now())
        self.inventory.adjust(self.scope, movement)

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
        """Make a request for two armchairs and a drum."""
        wanted = {ARMCHAIR: 2, DRUM: 1} if lines is None else lines
        return PlaceOrder(
            idempotency_key=key,
            payment_provider=provider,
            payment_reference=reference,
            channel="web",
            currency=currency,
            line_items=[
                NewLineItem(sku=sku, quantity=quantity, unit_price=price)
                for sku, quantity in wanted.items()
            ],
        )

    def place(self, reference: str = "good_card", *, price: str = "19.99") -> UUID:
        """Place an order that is not driven yet."""
        return self.oms.place_order(self.scope, self.request(reference, price=price)).order_id

    def place_until_acknowledged(self, request: PlaceOrder, *, mended_after: int = 3) -> UUID:
        """Be a client that does not give up: the same request until it is answered.

        A broken store works again whenever it was tried so often in vain.
        """
        for attempt in range(1, ROUNDS_MAX):
            if attempt % (mended_after + 1) == 0:
                self.plan.mend()
            try:
                return self.oms.place_order(self.scope, request).order_id
            except SimulatedCrash:
                self.restart()
            except StoreUnavailable:
                self.clock.advance(1.0)
        raise AssertionError("the order is never acknowledged")

    def restart(self) -> None:
        """Start the process anew after a crash."""
        self.plan.restart()
        self.oms = self.a_process(self.plan)

    def work_once(self) -> None:
        """Do all that is due now; a crash or a silent store ends it early, as in real life."""
        try:
            self.oms.run_until_idle()
        except SimulatedCrash:
            self.restart()
        except StoreUnavailable:
            self.clock.advance(1.0)

    def work(self, rounds: int) -> None:
        """Work, and let time pass until something is due again, up to *rounds* times."""
        for _ in range(rounds):
            self.work_once()
            if not self.let_time_pass():
                return

    def let_time_pass(self) -> bool:
        """Let time pass until there is something to do; ``False``: there never will be.

        What a finished order has appointed, such as a look before its hold lapses, is far away.
        """
        due_at = None if self.every_saga_is_over() else self.storage.earliest_due()
        if due_at is not None:
            self.clock.advance_to(due_at)
        elif self.subscriber_misses_something():
            self.clock.advance(RELAY_LEASE_S)
        else:
            return False
        return True

    def every_saga_is_over(self) -> bool:
        """Tell whether no order is on its way."""
        orders = self.storage.list_orders(self.scope, OrderQuery()).orders
        return all(order.saga.phase.is_over for order in orders)

    def subscriber_misses_something(self) -> bool:
        """Tell whether an event has not arrived even once."""
        arrived = {event.event_id for event in self.subscriber.received}
        orders = self.storage.list_orders(self.scope, OrderQuery()).orders
        return not arrived.issuperset(e.event_id for order in orders for e in order.events())

    def work_to_the_end(self) -> None:
        """Work until nothing is due any more and every event has left."""
        self.work(ROUNDS_MAX)
        if self.let_time_pass():
            raise AssertionError(f"never at rest: {self.storage.earliest_due()}")

    def drive(self, reference: str = "good_card", *, price: str = "19.99") -> Order:
        """Place an order and work to the end of it."""
        order_id = self.place(reference, price=price)
        self.work_to_the_end()
        return self.order(order_id)

    # -- looking behind the faults ---------------------------------------------------------

    def order(self, order_id: UUID | None = None) -> Order:
        """Read an order; unless told otherwise the one of the usual key."""
        return self.storage.get(self.scope, order_id or order_id_for(self.scope, "checkout-4711"))

    def level(self, sku: str = ARMCHAIR) -> StockLevel:
        """Read a stock level."""
        return self.inventory.levels(self.scope, items=[StockItem(sku)]).levels[0]

    def ref(self, reference: str) -> PaymentRef:
        """Name a payment of this shop's tenant."""
        return PaymentRef(self.scope.tenant_id, reference)

    def audit(self, order_id: UUID | None = None) -> PaymentAudit | None:
        """Read what the bank says of an order; ``None``: it was never asked for money."""
        wanted = order_id or order_id_for(self.scope, "checkout-4711")
        rows = [row for row in self.payments.audit() if row.order_id == wanted]
        return rows[0] if rows else None
