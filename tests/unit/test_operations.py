"""What is asked of an order after it was placed: each once, and the sums always add up."""

from uuid import UUID, uuid4

import pytest

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    Change,
    NewAdjustment,
    NewLineItem,
    Order,
    OrderManagement,
    OrderStatus,
    PaymentDirectory,
    PlaceOrder,
    PlaceOrderSettings,
    Scope,
    Settings,
)
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
from oms_core.domain.inventory import StockItem, StockLevel
from oms_core.domain.operation import OperationState
from oms_core.domain.order import FulfillmentStatus, ReturnStatus
from oms_core.domain.payment import PaymentStatus
from oms_core.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    NotPossible,
    PartNotFound,
    VersionMismatch,
)
from oms_core.ports.payments import Capabilities, PaymentRef
from oms_core.testing import SimulatedClock

CHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP")
ALL = FulfillOrder()


class Shop:
    """One shop with 100 pieces of each item; an order is 2 armchairs, 3 lamps and shipping."""

    def __init__(
        self,
        *,
        capture: CapturePolicy = CapturePolicy.FULFILLMENT,
        complete_after_s: float | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.clock = SimulatedClock()
        self.payments = SimulatedPayments(
            MemoryLedger(),
            self.clock,
            capabilities=capabilities or Capabilities(can_reauthorize=True),
        )
        self.oms = OrderManagement(
            storage=MemoryStorage(self.clock),
            inventory=MemoryInventory(self.clock),
            payments=PaymentDirectory(
                {"simulated": self.payments},
                policies={"simulated": PaymentPolicy(capture)},
            ),
            clock=self.clock,
            settings=Settings(saga=PlaceOrderSettings(complete_after_s=complete_after_s)),
        )
        self.scope = Scope(uuid4(), uuid4())
        self.keys = 0
        for item in (CHAIR, LAMP):
            request = AdjustStock(item.sku, 100, "delivery")
            self.oms.adjust_stock(self.scope, request, idempotency_key=item.sku, actor="clerk")

    def place(self, reference: str = "good_card") -> UUID:
        request = PlaceOrder(
            idempotency_key=reference,
            payment_provider="simulated",
            payment_reference=reference,
            channel="web",
            line_items=[
                NewLineItem(CHAIR.sku, 2, "10.00"),
                NewLineItem(LAMP.sku, 3, "5.00"),
            ],
            adjustments=[NewAdjustment("shipping", "4.99")],
        )
        return self.oms.place_order(self.scope, request).order_id

    def confirmed(self, reference: str = "good_card") -> UUID:
        order_id = self.place(reference)
        self.work()
        assert self.order(order_id).status is OrderStatus.CONFIRMED
        return order_id

    def delivered(self, reference: str = "good_card") -> UUID:
        order_id = self.confirmed(reference)
        self.ask("fulfill", order_id, ALL)
        self.work()
        for one in self.order(order_id).fulfillments:
            self.ask("deliver", order_id, one.id, DeliverGoods())
        assert self.order(order_id).status is OrderStatus.DELIVERED
        return order_id

    def caller(self) -> Caller:
        self.keys += 1
        return Caller(f"key-{self.keys}", "pat@example.com")

    def ask(self, name: str, order_id: UUID, *what: object, caller: Caller | None = None) -> Asked:
        asked: Asked = getattr(self.oms.operations, name)(
            self.scope, order_id, *what, caller or self.caller()
        )
        return asked

    def work(self) -> None:
        self.oms.run_until_idle()

    def work_for(self, seconds: float) -> None:
        for _ in range(10):
            self.clock.advance(seconds / 10)
            self.work()

    def order(self, order_id: UUID) -> Order:
        return self.oms.get_order(self.scope, order_id)

    def level(self, item: StockItem) -> StockLevel:
        return self.oms.inventory.levels(self.scope, items=[item]).levels[0]

    def books(self, order_id: UUID) -> tuple[str, str, str, str]:
        """Tell what the provider's own books say: authorized, captured, voided, refunded."""
        (row,) = [row for row in self.payments.audit() if row.order_id == order_id]
        sums = (row.authorized, row.captured, row.voided, row.refunded)
        authorized, captured, voided, refunded = (money.amount for money in sums)
        return authorized, captured, voided, refunded


@pytest.fixture
def shop() -> Shop:
    return Shop()


def statuses(order: Order) -> list[str]:
    """List the statuses an order went through."""
    return list(dict.fromkeys(str(entry.status_after) for entry in order.history))


# -- the whole way -----------------------------------------------------------------------------


def test_an_order_goes_its_whole_way_in_parts(shop: Shop) -> None:
    order_id = shop.confirmed()

    shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)], "DHL", "4711"))
    shop.work()
    first = shop.order(order_id)
    shop.ask("fulfill", order_id, ALL)
    shop.work()
    for one in shop.order(order_id).fulfillments:
        shop.ask("deliver", order_id, one.id, DeliverGoods())
    returned = shop.ask("request_return", order_id, RequestReturn([Pieces(1, 1)])).operation.id
    shop.ask("approve_return", order_id, returned, DecideReturn())
    shop.ask("receive_return", order_id, returned, ReceiveReturn([PiecesReceived(1, 1)]))
    shop.work()
    shop.ask("refund", order_id, RefundPayment(lines=[Pieces(1, 1)]))
    shop.work()
    shop.ask("refund", order_id, RefundPayment())
    shop.work()

    order = shop.order(order_id)
    assert first.payment.captured.amount == "11.42"
    assert statuses(order) == [
        "pending_payment",
        "payment_authorized",
        "confirmed",
        "processing",
        "partially_fulfilled",
        "fulfilled",
        "delivered",
        "return_requested",
        "partially_returned",
        "partially_refunded",
        "refunded",
    ]
    assert shop.books(order_id) == ("39.99", "39.99", "0.00", "39.99")
    assert shop.level(CHAIR) == StockLevel(CHAIR, on_hand=99, reserved=0)
    assert shop.level(LAMP) == StockLevel(LAMP, on_hand=97, reserved=0)
    assert order.fulfillment_status is FulfillmentStatus.DELIVERED
    assert order.return_status is ReturnStatus.PARTIALLY_RETURNED
    assert all(one.is_over for one in order.operations if one.actor != "system")


def test_quantities_tell_where_every_piece_is(shop: Shop) -> None:
    order_id = shop.confirmed()

    shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 2), Pieces(2, 1)]))
    before = shop.order(order_id).quantities
    shop.work()
    after = shop.order(order_id).quantities

    assert [(one.fulfilling, one.fulfilled, one.to_fulfill) for one in before.values()] == [
        (2, 0, 0),
        (1, 0, 2),
    ]
    assert [(one.fulfilling, one.fulfilled, one.to_fulfill) for one in after.values()] == [
        (0, 2, 0),
        (0, 1, 2),
    ]


# -- idempotency, versions ---------------------------------------------------------------------


def test_the_same_key_asks_once(shop: Shop) -> None:
    order_id = shop.confirmed()
    caller = Caller("ship-1")

    answers = [
        shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)]), caller=caller) for _ in range(3)
    ]
    shop.work()
    again = shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)]), caller=caller)

    assert [answer.replayed for answer in answers] == [False, True, True]
    assert (again.replayed, again.operation.state) == (True, OperationState.DONE)
    assert len(shop.order(order_id).fulfillments) == 1
    assert shop.level(CHAIR).on_hand == 99


def test_a_key_with_another_request_is_refused_and_changes_nothing(shop: Shop) -> None:
    order_id = shop.confirmed()
    caller = Caller("ship-1")
    shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)]), caller=caller)
    before = shop.order(order_id)

    with pytest.raises(IdempotencyKeyReused):
        shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 2)]), caller=caller)
    with pytest.raises(IdempotencyKeyReused):
        shop.ask("cancel", order_id, CancelOrder(), caller=caller)

    assert shop.order(order_id) == before


def test_amounts_that_are_the_same_are_the_same_request(shop: Shop) -> None:
    order_id = shop.confirmed()
    caller = Caller("capture-1")

    answers = [
        shop.ask("capture", order_id, CapturePayment(amount), caller=caller)
        for amount in ("5", "5.00", 5)
    ]

    assert [answer.replayed for answer in answers] == [False, True, True]


def test_a_stale_version_is_refused_and_a_replay_is_not(shop: Shop) -> None:
    order_id = shop.confirmed()
    version = shop.order(order_id).version

    with pytest.raises(VersionMismatch):
        shop.ask("fulfill", order_id, ALL, caller=Caller("ship-1", if_version=version - 1))
    shop.ask("fulfill", order_id, ALL, caller=Caller("ship-1", if_version=version))
    again = shop.ask("fulfill", order_id, ALL, caller=Caller("ship-1", if_version=version))

    assert again.replayed


# -- cancelling --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference", ["good_card", "sim_requires_action", "sim_pending", "sim_captured"]
)
@pytest.mark.parametrize("worked", [False, True])
def test_a_cancelled_order_holds_neither_stock_nor_money(
    shop: Shop, reference: str, *, worked: bool
) -> None:
    order_id = shop.place(reference)
    if worked:
        shop.work()

    shop.ask("cancel", order_id, CancelOrder("changed my mind"))
    shop.work()

    order = shop.order(order_id)
    assert (order.status, order.failure) == (OrderStatus.CANCELLED, None)
    assert shop.level(CHAIR).reserved == shop.level(LAMP).reserved == 0
    for row in shop.payments.audit():
        assert row.live_authorizations == 0
        assert row.captured == row.refunded
    assert order.history[-1].change is Change.ORDER_CANCELLED


def test_a_cancellation_while_the_payment_is_tried_again_takes_effect_at_once(shop: Shop) -> None:
    order_id = shop.place("sim_outage")
    shop.work()
    assert shop.order(order_id).status is OrderStatus.PENDING_PAYMENT

    shop.ask("cancel", order_id, CancelOrder())
    shop.work()
    shop.payments.heal(PaymentRef(shop.scope.tenant_id, "sim_outage"))
    shop.work_for(600)

    assert shop.order(order_id).status is OrderStatus.CANCELLED


def test_what_has_left_cannot_be_cancelled(shop: Shop) -> None:
    order_id = shop.confirmed()
    shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)]))

    with pytest.raises(NotPossible, match="under way"):
        shop.ask("cancel", order_id, CancelOrder())
    shop.work()
    with pytest.raises(NotPossible, match="have left"):
        shop.ask("cancel", order_id, CancelOrder())


def test_while_an_order_is_cancelled_nothing_else_begins(shop: Shop) -> None:
    order_id = shop.confirmed()
    shop.ask("cancel", order_id, CancelOrder())

    for name, request in (
        ("fulfill", ALL),
        ("capture", CapturePayment()),
        ("cancel", CancelOrder()),
    ):
        with pytest.raises(NotPossible, match="being cancelled"):
            shop.ask(name, order_id, request)


def test_an_order_that_fails_first_refuses_its_cancellation(shop: Shop) -> None:
    order_id = shop.place("sim_wrong_amount_void_fails_forever")
    shop.work()
    asked = shop.ask("cancel", order_id, CancelOrder())
    shop.payments.heal(PaymentRef(shop.scope.tenant_id, "sim_wrong_amount_void_fails_forever"))

    shop.work_for(600)

    order = shop.order(order_id)
    ended = order.operation(asked.operation.id)
    assert order.status is OrderStatus.FAILED
    assert ended is not None
    assert ended.state is OperationState.REFUSED
    assert ended.refusal is not None


# -- capturing ---------------------------------------------------------------------------------


def test_by_policy_the_payment_is_captured_at_confirmation() -> None:
    shop = Shop(capture=CapturePolicy.CONFIRMATION)

    order_id = shop.confirmed()

    assert shop.order(order_id).payment.status is PaymentStatus.CAPTURED
    assert shop.books(order_id) == ("39.99", "39.99", "0.00", "0.00")


def test_by_policy_goods_leave_without_a_capture() -> None:
    shop = Shop(capture=CapturePolicy.MANUAL)
    order_id = shop.confirmed()

    shop.ask("fulfill", order_id, ALL)
    shop.work()

    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert shop.books(order_id) == ("39.99", "0.00", "0.00", "0.00")


def test_a_provider_that_captures_once_is_paid_in_full_with_the_first_goods() -> None:
    shop = Shop(capabilities=Capabilities(captures_in_parts=False))
    order_id = shop.confirmed()

    shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)]))
    shop.work()

    assert shop.order(order_id).payment.captured == shop.order(order_id).total


def test_captures_never_exceed_what_is_held(shop: Shop) -> None:
    order_id = shop.confirmed()
    shop.ask("capture", order_id, CapturePayment("30.00"))

    with pytest.raises(NotPossible, match=r"Only 9\.99 USD"):
        shop.ask("capture", order_id, CapturePayment("10.00"))
    with pytest.raises(InvalidInput, match="decimals"):
        shop.ask("capture", order_id, CapturePayment("1.001"))
    shop.work()

    assert shop.books(order_id)[1] == "30.00"


@pytest.mark.parametrize("reference", ["sim_capture_answer_lost_once", "sim_asynchronous"])
def test_a_capture_has_one_effect_whatever_happens_to_its_answer(
    shop: Shop, reference: str
) -> None:
    order_id = shop.confirmed(reference)

    shop.ask("fulfill", order_id, ALL)
    shop.work()
    shop.work_for(120)

    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert shop.books(order_id) == ("39.99", "39.99", "0.00", "0.00")


def test_goods_stay_when_the_hold_has_lapsed() -> None:
    shop = Shop(capabilities=Capabilities(can_reauthorize=False))
    order_id = shop.confirmed("sim_short_hold")
    shop.clock.advance(61)

    asked = shop.ask("fulfill", order_id, ALL)
    shop.work()

    order = shop.order(order_id)
    ended = order.operation(asked.operation.id)
    assert ended is not None
    assert ended.refusal is not None
    assert ended.refusal.code in {"capture_impossible", "payment_lapsed"}
    assert order.status is OrderStatus.PROCESSING
    assert order.failure is None
    assert shop.level(CHAIR) == StockLevel(CHAIR, on_hand=100, reserved=2)
    assert Change.AUTHORIZATION_LAPSED in {entry.change for entry in order.history}


def test_a_hold_is_made_anew_before_it_lapses(shop: Shop) -> None:
    order_id = shop.confirmed("sim_short_hold")

    for _ in range(10):
        shop.clock.advance(20)
        shop.work()

    order = shop.order(order_id)
    assert order.payment.status is PaymentStatus.AUTHORIZED
    assert Change.AUTHORIZATION_RENEWED in {entry.change for entry in order.history}
    shop.ask("capture", order_id, CapturePayment())
    shop.work()
    assert shop.books(order_id)[1] == "39.99"


def test_a_hold_that_cannot_be_made_anew_calls_a_person_before_it_lapses() -> None:
    shop = Shop(capabilities=Capabilities(can_reauthorize=False))
    order_id = shop.confirmed("sim_short_hold")

    shop.clock.advance(31)
    shop.work()

    attention = shop.order(order_id).saga.attention
    assert attention is not None
    assert attention.code == "authorization_expires"
    shop.ask("capture", order_id, CapturePayment())
    shop.work()
    order = shop.order(order_id)
    assert (order.payment.status, order.saga.attention) == (PaymentStatus.CAPTURED, None)


# -- fulfilling --------------------------------------------------------------------------------


def test_nothing_leaves_twice(shop: Shop) -> None:
    order_id = shop.confirmed()
    shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 2)]))

    with pytest.raises(NotPossible, match=r"Line 1 \(CRUNCHY-ARMCHAIR\) has 0 left to fulfill"):
        shop.ask("fulfill", order_id, FulfillOrder([Pieces(1, 1)]))
    with pytest.raises(InvalidInput, match="no line 7"):
        shop.ask("fulfill", order_id, FulfillOrder([Pieces(7, 1)]))
    with pytest.raises(InvalidInput, match="named twice"):
        shop.ask("fulfill", order_id, FulfillOrder([Pieces(2, 1), Pieces(2, 1)]))


def test_an_order_is_completed_by_itself_after_a_time() -> None:
    shop = Shop(complete_after_s=3_600)
    order_id = shop.delivered()

    shop.clock.advance(3_599)
    shop.work()
    before = shop.order(order_id).status
    shop.clock.advance(2)
    shop.work()

    assert (before, shop.order(order_id).status) == (
        OrderStatus.DELIVERED,
        OrderStatus.COMPLETED,
    )


def test_an_order_that_is_sent_back_is_not_completed_by_itself() -> None:
    shop = Shop(complete_after_s=3_600)
    order_id = shop.delivered()
    shop.ask("request_return", order_id, RequestReturn())

    shop.clock.advance(3_601)
    shop.work()

    assert shop.order(order_id).status is OrderStatus.RETURN_REQUESTED


# -- returning and refunding -------------------------------------------------------------------


def test_a_rejected_return_completes_the_order(shop: Shop) -> None:
    order_id = shop.delivered()
    returned = shop.ask("request_return", order_id, RequestReturn()).operation.id

    shop.ask("reject_return", order_id, returned, DecideReturn("too late"))

    assert shop.order(order_id).status is OrderStatus.COMPLETED
    with pytest.raises(NotPossible, match="approved"):
        shop.ask("receive_return", order_id, returned, ReceiveReturn([PiecesReceived(1, 1)]))


def test_damaged_goods_do_not_go_back_into_stock(shop: Shop) -> None:
    order_id = shop.delivered()
    returned = shop.ask("request_return", order_id, RequestReturn()).operation.id
    shop.ask("approve_return", order_id, returned, DecideReturn())

    lines = [
        PiecesReceived(1, 2, "damaged", restock=False),
        PiecesReceived(2, 3),
    ]
    shop.ask("receive_return", order_id, returned, ReceiveReturn(lines))
    shop.work()

    assert shop.order(order_id).status is OrderStatus.RETURNED
    assert shop.level(CHAIR).on_hand == 98
    assert shop.level(LAMP).on_hand == 100


def test_shares_of_pieces_add_up_to_exactly_what_was_paid(shop: Shop) -> None:
    order_id = shop.delivered()
    shop.ask("complete", order_id, CompleteOrder())

    for line, quantity in ((1, 2), (2, 3)):
        for _ in range(quantity):
            shop.ask("refund", order_id, RefundPayment(lines=[Pieces(line, 1)]))
            shop.work()

    order = shop.order(order_id)
    assert order.status is OrderStatus.REFUNDED
    assert order.payment.refunded == order.total
    with pytest.raises(NotPossible):
        shop.ask("refund", order_id, RefundPayment(lines=[Pieces(1, 1)]))


def test_refunds_never_exceed_what_was_captured(shop: Shop) -> None:
    order_id = shop.delivered()
    shop.ask("complete", order_id, CompleteOrder())
    shop.ask("refund", order_id, RefundPayment("39.00"))

    with pytest.raises(NotPossible, match=r"Only 0\.99 USD"):
        shop.ask("refund", order_id, RefundPayment("1.00"))


@pytest.mark.parametrize(
    ("reference", "status", "refunded"),
    [
        ("sim_refund_pending", OrderStatus.REFUNDED, "39.99"),
        ("sim_refund_answer_lost_once", OrderStatus.REFUNDED, "39.99"),
        ("sim_refund_rejected", OrderStatus.COMPLETED, "0.00"),
        ("sim_refund_fails_later", OrderStatus.COMPLETED, "0.00"),
    ],
)
def test_a_refund_ends_as_the_provider_says(
    shop: Shop, reference: str, status: OrderStatus, refunded: str
) -> None:
    order_id = shop.delivered(reference)
    shop.ask("complete", order_id, CompleteOrder())

    shop.ask("refund", order_id, RefundPayment())
    shop.work()
    shop.work_for(900)

    assert shop.order(order_id).status is status
    assert shop.order(order_id).payment.refunded.amount == refunded
    assert shop.books(order_id)[3] == refunded


def test_parts_that_are_not_there_are_not_found(shop: Shop) -> None:
    order_id = shop.confirmed()

    with pytest.raises(PartNotFound):
        shop.ask("deliver", order_id, uuid4(), DeliverGoods())
    with pytest.raises(PartNotFound):
        shop.ask("approve_return", order_id, uuid4(), DecideReturn())
