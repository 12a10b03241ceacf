"""Parts of a total add up to exactly the total, in whatever parts it is taken or given back."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_core import Order, OrderStatus
from oms_core.application.operation_sagas import operation_sagas
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.saga_settings import PlaceOrderSettings
from oms_core.domain.fulfilling import request_fulfillment, ship
from oms_core.domain.line_item import Adjustment, AdjustmentKind, LineItem, LineQuantity
from oms_core.domain.money import Money
from oms_core.domain.operation import Operation, OperationKind, OperationState, operation_id_for
from oms_core.domain.payment import Authorization, PaymentStatus, Refund, TransferState
from oms_core.domain.quantities import share_of
from oms_core.domain.refunding import record_refund, request_refund, share_of_pieces
from oms_core.errors import NotPossible
from oms_core.testing import NOON, an_order, with_status
from oms_core.testing.orders import finished

CURRENCIES = st.sampled_from(["JPY", "USD", "KWD"])
"""With no decimals, two and three."""
PRICES = st.one_of(st.just(0), st.integers(0, 10), st.integers(0, 10**9))


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Draw an order with free lines, discounts up to the whole sum, and shipping."""
    currency = draw(CURRENCIES)
    lines = tuple(
        LineItem(number, f"SKU-{number}", draw(st.integers(1, 5)), Money(draw(PRICES), currency))
        for number in range(1, draw(st.integers(1, 4)) + 1)
    )
    goods = sum(line.subtotal.minor for line in lines)
    shipping = Adjustment(AdjustmentKind.SHIPPING, Money(draw(st.integers(0, 999)), currency))
    rebate = draw(st.integers(0, goods))
    discount = Adjustment(AdjustmentKind.DISCOUNT, Money(-rebate, currency))
    return an_order(lines=lines, adjustments=(shipping, discount), currency=currency)


def paid(order: Order, status: OrderStatus, captured: Money) -> Order:
    """Let the order be in *status*, with its total held and so much captured."""
    payment = evolve(
        order.payment,
        status=PaymentStatus.AUTHORIZED if order.total else PaymentStatus.NOT_REQUIRED,
        authorization=Authorization(order.total) if order.total else None,
        captured=captured,
    )
    return with_status(finished(evolve(order, payment=payment)), status)


def pieces_one_by_one(order: Order, data: st.DataObject) -> list[list[LineQuantity]]:
    """Draw a way to split all pieces of an order into parts."""
    singles = [line.number for line in order.lines for _ in range(line.quantity)]
    shuffled = data.draw(st.permutations(singles))
    parts = []
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        part, shuffled = shuffled[:size], shuffled[size:]
        parts.append([LineQuantity(one, part.count(one)) for one in sorted(set(part))])
    return parts


@given(order=orders(), data=st.data())
def test_shares_of_growing_parts_only_grow_and_end_at_the_total(
    order: Order, data: st.DataObject
) -> None:
    total = order.total.minor
    taken: dict[int, int] = {}
    shares = [share_of(total, order.lines, taken)]

    for part in pieces_one_by_one(order, data):
        for one in part:
            taken[one.line] = taken.get(one.line, 0) + one.quantity
        shares.append(share_of(total, order.lines, taken))

    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == total


@given(order=orders())
def test_a_share_is_in_proportion_to_the_prices(order: Order) -> None:
    """It is off by less than one minor unit."""
    goods = sum(line.subtotal.minor for line in order.lines)
    for line in order.lines:
        share = share_of(order.total.minor, order.lines, {line.number: 1})
        everything = sum(one.quantity for one in order.lines) == 1

        if goods and not everything:
            exact = order.total.minor * line.unit_price.minor
            assert 0 <= exact - share * goods < goods


@given(order=orders(), data=st.data())
def test_refunds_of_all_pieces_in_any_parts_give_back_exactly_the_total(
    order: Order, data: st.DataObject
) -> None:
    total = order.total
    order = paid(order, OrderStatus.COMPLETED, captured=total)

    for number, part in enumerate(pieces_one_by_one(order, data)):
        share = share_of_pieces(order, part)
        operation = asking(order, OperationKind.REFUND, number)
        assert share.minor >= 0
        if not share:
            # Pieces that cost nothing: counted as given back all the same by whoever goes on.
            order = without_money(order, operation, part)
            continue
        order = request_refund(order, operation, amount=None, lines=part, reason=None, at=NOON)
        order = record_refund(order, operation.id, None, at=NOON)

    assert order.payment.refunded == total
    assert not total or order.status is OrderStatus.REFUNDED


@given(order=orders(), data=st.data())
def test_captures_before_all_parcels_in_any_parts_take_exactly_the_total(
    order: Order, data: st.DataObject
) -> None:
    order = paid(order, OrderStatus.CONFIRMED, captured=Money(0, order.currency))
    provider = SimulatedPayments(MemoryLedger())
    directory = PaymentDirectory({"simulated": provider})
    fulfill = operation_sagas(MemoryInventory(), directory, PlaceOrderSettings())[
        OperationKind.FULFILL
    ]
    taken = []

    for number, part in enumerate(pieces_one_by_one(order, data)):
        operation = asking(order, OperationKind.FULFILL, number)
        order = request_fulfillment(order, operation, part, None, at=NOON)
        order = evolve(order, saga=fulfill.start(NOON, operation=operation.id))
        order = fulfill.prepare(order, NOON)
        planned = order.payment.capture(operation.id)
        if planned is not None:
            assert planned.amount.minor > 0
            taken.append(planned)
            captured = order.payment.captured + planned.amount
            order = evolve(order, payment=evolve(order.payment, captured=captured))
        order = ship(order, operation.id, at=NOON)

    assert sum(one.amount.minor for one in taken) == order.total.minor
    assert [one.final for one in taken] == [False] * (len(taken) - 1) + [True] * bool(taken)
    assert order.status is OrderStatus.FULFILLED


@given(order=orders(), minor=st.integers(0, 10**10))
def test_no_refund_is_more_than_what_was_captured(order: Order, minor: int) -> None:
    order = paid(order, OrderStatus.COMPLETED, captured=order.total)
    operation = asking(order, OperationKind.REFUND, 1)
    amount = Money(minor, order.currency)

    try:
        asked = request_refund(order, operation, amount=amount, lines=(), reason=None, at=NOON)
    except NotPossible:
        assert not 0 < minor <= order.total.minor
    else:
        assert 0 < minor <= order.total.minor
        assert asked.payment.refunds[-1].state is TransferState.REQUESTED


def asking(order: Order, kind: OperationKind, number: int) -> Operation:
    """Make the *number*-th operation that is asked for."""
    operation_id = operation_id_for(order.id, f"ask-{number}")
    return Operation(operation_id, kind, OperationState.RUNNING, NOON, "pat@example.com")


def without_money(order: Order, operation: Operation, part: list[LineQuantity]) -> Order:
    """Count pieces as given back that stood for nothing; asked alone they are refused."""
    try:
        request_refund(order, operation, amount=None, lines=part, reason=None, at=NOON)
    except NotPossible:
        nothing = Refund(
            operation.id, Money(0, order.currency), TransferState.DONE, NOON, tuple(part)
        )
        refunds = (*order.payment.refunds, nothing)
        return evolve(order, payment=evolve(order.payment, refunds=refunds))
    raise AssertionError("a refund of nothing was accepted")
