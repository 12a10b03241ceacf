"""One order of one shop, led through its life by choices that a test draws."""

from collections.abc import Sequence
from uuid import UUID

from attrs import frozen

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    NewAdjustment,
    NewLineItem,
    Order,
    OrderManagement,
    PaymentDirectory,
    PlaceOrder,
)
from oms_core.application.actions import Action
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.order_operations import Asked, Caller
from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
from oms_core.domain.inventory import StockItem
from oms_core.domain.operation import OperationKind
from oms_core.errors import NotPossible
from oms_core.ports.payments import Capabilities
from oms_core.testing import SimulatedClock, a_scope

CHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP")
ON_HAND = 100


@frozen
class HowToAsk:
    """The method that asks for a kind, with the request that says the least, and smaller ones."""

    method: str
    default: object
    others: Sequence[object] = ()


HOW_TO_ASK = {
    OperationKind.CANCEL: HowToAsk("cancel", CancelOrder(), [CancelOrder("changed my mind")]),
    OperationKind.CAPTURE: HowToAsk(
        "capture", CapturePayment(), [CapturePayment("7.00"), CapturePayment("7.00", True)]
    ),
    OperationKind.FULFILL: HowToAsk(
        "fulfill", FulfillOrder(), [FulfillOrder([Pieces(1, 1)]), FulfillOrder([Pieces(2, 2)])]
    ),
    OperationKind.DELIVER: HowToAsk("deliver", DeliverGoods()),
    OperationKind.COMPLETE: HowToAsk("complete", CompleteOrder()),
    OperationKind.REQUEST_RETURN: HowToAsk(
        "request_return", RequestReturn(), [RequestReturn([Pieces(1, 1)], "too crunchy")]
    ),
    OperationKind.APPROVE_RETURN: HowToAsk("approve_return", DecideReturn()),
    OperationKind.REJECT_RETURN: HowToAsk("reject_return", DecideReturn("worn")),
    OperationKind.RECEIVE_RETURN: HowToAsk(
        "receive_return",
        ReceiveReturn(),
        [ReceiveReturn([PiecesReceived(1, 1, "damaged", False)])],
    ),
    OperationKind.REFUND: HowToAsk(
        "refund", RefundPayment(), [RefundPayment("3.00"), RefundPayment(lines=[Pieces(1, 1)])]
    ),
}


class OrderLife:
    """2 armchairs, 3 lamps and shipping for 39.99 USD, and all that may become of them."""

    def __init__(
        self,
        reference: str = "good_card",
        capture: CapturePolicy = CapturePolicy.FULFILLMENT,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.clock = SimulatedClock()
        self.payments = SimulatedPayments(
            MemoryLedger(), self.clock, capabilities=capabilities or Capabilities()
        )
        self.oms = OrderManagement(
            storage=MemoryStorage(self.clock),
            inventory=MemoryInventory(self.clock),
            payments=PaymentDirectory(
                {"simulated": self.payments}, policies={"simulated": PaymentPolicy(capture)}
            ),
            clock=self.clock,
        )
        self.scope = a_scope()
        self.keys = 0
        for item in (CHAIR, LAMP):
            delivery = AdjustStock(item.sku, ON_HAND, "delivery")
            self.oms.adjust_stock(self.scope, delivery, idempotency_key=item.sku, actor="clerk")
        request = PlaceOrder(
            idempotency_key="checkout-4711",
            payment_provider="simulated",
            payment_reference=reference,
            channel="web",
            line_items=[NewLineItem(CHAIR.sku, 2, "10.00"), NewLineItem(LAMP.sku, 3, "5.00")],
            adjustments=[NewAdjustment("shipping", "4.99")],
        )
        self.order_id = self.oms.place_order(self.scope, request).order_id

    @property
    def order(self) -> Order:
        return self.oms.get_order(self.scope, self.order_id)

    @property
    def actions(self) -> tuple[Action, ...]:
        return self.oms.actions(self.scope, self.order_id)

    @property
    def allowed(self) -> list[Action]:
        return [action for action in self.actions if action.is_allowed]

    def work(self) -> None:
        self.oms.run_until_idle()

    def settle(self) -> None:
        """Work, and let time pass for a provider that takes its time."""
        for _ in range(20):
            self.clock.advance(20)
            self.work()

    def ask(self, action: Action, request: object | None = None) -> Asked:
        """Ask for an action, with the request that says the least unless there is another."""
        self.keys += 1
        how = HOW_TO_ASK[action.kind]
        about: list[UUID] = [] if action.subject is None else [action.subject]
        asked: Asked = getattr(self.oms.operations, how.method)(
            self.scope,
            self.order_id,
            *about,
            request or how.default,
            Caller(f"key-{self.keys}", "pat@example.com"),
        )
        return asked

    def live(self, choices: Sequence[int]) -> None:
        """Take a step for each choice: work now, let time pass, or ask for something."""
        for choice in choices:
            way, rest = choice % 4, choice // 4
            allowed = self.allowed
            # Most lives go on: an end is only one of many things to ask for.
            if way == 0:
                self.work()
            elif way == 1:
                self.settle()
            elif allowed:
                action = allowed[rest % len(allowed)]
                requests = [HOW_TO_ASK[action.kind].default, *HOW_TO_ASK[action.kind].others]
                try:
                    self.ask(action, requests[rest // len(allowed) % len(requests)])
                except NotPossible:
                    # So many pieces, or so much money, is not left; less may be.
                    continue

    def stock(self) -> dict[StockItem, tuple[int, int]]:
        """Tell what is on hand and reserved of each item."""
        levels = self.oms.inventory.levels(self.scope, items=[CHAIR, LAMP]).levels
        return {level.item: (level.on_hand, level.reserved) for level in levels}
