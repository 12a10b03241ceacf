"""What is stored is read back as it was, is made of JSON values, and may grow later."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import NOTHING, asdict, evolve, fields, has
from hypothesis import given
from hypothesis import strategies as st

from oms_core import Change, Money, Order, OrderStatus, Scope
from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.events import HistoryEntry
from oms_core.domain.failure import FailureReason
from oms_core.domain.fulfillment import Fulfillment, FulfillmentState, Tracking
from oms_core.domain.line_item import Adjustment, AdjustmentKind, LineItem, LineQuantity
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.order import ReservationState, ShippingAddress
from oms_core.domain.payment import (
    Authorization,
    Capture,
    Payment,
    PaymentStatus,
    Refund,
    TransferState,
)
from oms_core.domain.returns import Condition, Receipt, ReceivedLine, Return, ReturnState
from oms_core.domain.saga_position import (
    Attention,
    SagaPhase,
    SagaPosition,
    StepJournal,
    Wait,
)
from oms_core.ports.order_document import (
    from_document,
    from_microseconds,
    to_document,
    to_microseconds,
)
from oms_core.testing import NOON, a_very_full_order, an_order

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(fold=0))
MAYBE_MOMENT = MOMENTS | st.none()
MONEY = st.builds(
    Money, st.integers(-(10**15), 10**15), st.sampled_from(sorted(MINOR_UNIT_EXPONENTS))
)
MAYBE = TEXT | st.none()
FACTS = st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none())
JOURNAL = st.builds(
    StepJournal,
    step=TEXT,
    action=st.sampled_from(["run", "undo"]),
    attempts=st.integers(0, 10**6),
    first_at=MOMENTS,
    last_at=MOMENTS,
    outcome=TEXT,
    troubles=st.integers(0, 99),
    generations=st.integers(1, 9),
    error=MAYBE,
)
SAGAS = st.builds(
    SagaPosition,
    name=TEXT,
    version=st.integers(1, 9),
    phase=st.sampled_from(SagaPhase),
    step=MAYBE,
    due_at=MAYBE_MOMENT,
    generation=st.integers(1, 9),
    generation_since=MAYBE_MOMENT,
    wait=st.builds(Wait, TEXT, MOMENTS) | st.none(),
    attention=st.builds(Attention, TEXT, TEXT, MOMENTS) | st.none(),
    journal=st.lists(JOURNAL, max_size=3).map(tuple),
    operation=st.uuids() | st.none(),
    paused=st.booleans(),
)
REASONS = st.builds(FailureReason, TEXT, TEXT, MAYBE)
PIECES = st.lists(
    st.builds(LineQuantity, st.integers(1, 500), st.integers(1, 10**6)), max_size=2
).map(tuple)
CAPTURES = st.builds(
    Capture,
    id=st.uuids(),
    amount=MONEY,
    state=st.sampled_from(TransferState),
    requested_at=MOMENTS,
    final=st.booleans(),
    operation_ref=MAYBE,
    refusal=REASONS | st.none(),
)
REFUNDS = st.builds(
    Refund,
    id=st.uuids(),
    amount=MONEY,
    state=st.sampled_from(TransferState),
    requested_at=MOMENTS,
    lines=PIECES,
    reason=MAYBE,
    operation_ref=MAYBE,
    refusal=REASONS | st.none(),
)
FULFILLMENTS = st.builds(
    Fulfillment,
    id=st.uuids(),
    lines=PIECES,
    state=st.sampled_from(FulfillmentState),
    requested_at=MOMENTS,
    tracking=st.builds(Tracking, MAYBE, MAYBE, MAYBE) | st.none(),
    shipped_at=MAYBE_MOMENT,
    delivered_at=MAYBE_MOMENT,
    refusal=REASONS | st.none(),
)
RECEIPTS = st.builds(
    Receipt,
    id=st.uuids(),
    lines=st.lists(
        st.builds(
            ReceivedLine,
            st.integers(1, 500),
            st.integers(1, 10**6),
            st.sampled_from(Condition),
            st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    at=MOMENTS,
    is_booked=st.booleans(),
)
RETURNS = st.builds(
    Return,
    id=st.uuids(),
    lines=PIECES,
    state=st.sampled_from(ReturnState),
    requested_at=MOMENTS,
    reason=MAYBE,
    decided_at=MAYBE_MOMENT,
    decision=MAYBE,
    receipts=st.lists(RECEIPTS, max_size=2).map(tuple),
)
OPERATIONS = st.builds(
    Operation,
    id=st.uuids(),
    kind=st.sampled_from(OperationKind),
    state=st.sampled_from(OperationState),
    requested_at=MOMENTS,
    actor=TEXT,
    fingerprint=TEXT,
    subject=st.uuids() | st.none(),
    due_at=MAYBE_MOMENT,
    refusal=REASONS | st.none(),
    ended_at=MAYBE_MOMENT,
)
PAYMENTS = st.builds(
    Payment,
    provider=TEXT,
    reference=TEXT,
    status=st.sampled_from(PaymentStatus),
    captured=MONEY,
    refunded=MONEY,
    authorization=st.builds(Authorization, MONEY, MAYBE_MOMENT, MAYBE) | st.none(),
    captures=st.lists(CAPTURES, max_size=2).map(tuple),
    refunds=st.lists(REFUNDS, max_size=2).map(tuple),
)
HISTORY = st.builds(
    HistoryEntry,
    sequence=st.integers(1, 10**6),
    change=st.sampled_from(Change),
    at=MOMENTS,
    actor=TEXT,
    status_before=st.sampled_from(OrderStatus) | st.none(),
    status_after=st.sampled_from(OrderStatus),
    facts=FACTS,
)
LINES = st.builds(
    LineItem,
    number=st.integers(1, 500),
    sku=TEXT,
    quantity=st.integers(1, 10**6),
    unit_price=MONEY,
    name=MAYBE,
    location=TEXT,
)
ORDERS = st.builds(
    Order,
    id=st.uuids(),
    scope=st.builds(Scope, st.uuids(), st.uuids()),
    idempotency_key=TEXT,
    fingerprint=TEXT,
    customer_id=st.uuids() | st.none(),
    channel=TEXT,
    platform=MAYBE,
    lines=st.lists(LINES, max_size=3).map(tuple),
    adjustments=st.lists(
        st.builds(Adjustment, st.sampled_from(AdjustmentKind), MONEY, MAYBE), max_size=2
    ).map(tuple),
    shipping_address=st.builds(ShippingAddress, TEXT, TEXT, TEXT, TEXT, MAYBE, MAYBE, MAYBE, MAYBE)
    | st.none(),
    metadata=st.dictionaries(TEXT, TEXT, max_size=3),
    total=MONEY,
    payment=PAYMENTS,
    saga=SAGAS,
    created_at=MOMENTS,
    updated_at=MOMENTS,
    status=st.sampled_from(OrderStatus),
    reservation=st.sampled_from(ReservationState),
    failure=st.builds(FailureReason, TEXT, TEXT, MAYBE) | st.none(),
    history=st.lists(HISTORY, max_size=3).map(tuple),
    version=st.integers(1, 10**6),
    fulfillments=st.lists(FULFILLMENTS, max_size=2).map(tuple),
    returns=st.lists(RETURNS, max_size=2).map(tuple),
    operations=st.lists(OPERATIONS, max_size=2).map(tuple),
    past_sagas=st.lists(SAGAS, max_size=2).map(tuple),
)


def is_json(value: Any) -> bool:
    """Tell whether it consists of JSON's types alone; a member of a ``StrEnum`` is a string."""
    if type(value) is dict:
        return all(type(name) is str and is_json(inner) for name, inner in value.items())
    if type(value) is list:
        return all(is_json(inner) for inner in value)
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str | bool)


@given(order=ORDERS)
def test_any_order_is_read_back_as_it_was(order: Order) -> None:
    assert order == from_document(to_document(order))


@given(order=ORDERS)
def test_any_order_survives_json_text(order: Order) -> None:
    text = json.dumps(to_document(order), allow_nan=False)

    again = from_document(json.loads(text))

    assert order == again
    # Equal strings may be of unequal types: an enumeration's member must come back as one.
    assert repr(asdict(order)) == repr(asdict(again))


@given(order=ORDERS)
def test_a_document_is_made_of_json_values_only(order: Order) -> None:
    assert is_json(to_document(order))


def test_the_fullest_order_keeps_every_field_and_every_type() -> None:
    order = a_very_full_order()

    again = from_document(json.loads(json.dumps(to_document(order))))

    assert again == order
    assert type(again.lines) is tuple
    assert type(again.history[0].change) is Change
    assert type(again.saga.phase) is SagaPhase
    assert again.saga.journal == order.saga.journal


def test_defaults_are_left_out() -> None:
    document = to_document(an_order())

    assert not {"status", "reservation", "failure", "version"} & set(document)
    assert set(document["lines"][0]) == {"number", "sku", "quantity", "unit_price"}


def test_a_field_that_a_later_version_added_is_read_over() -> None:
    """F55: old and new processes work on one store while the new ones roll out."""
    document = to_document(a_very_full_order())
    document["loyalty_points"] = {"earned": 7}
    document["lines"][0]["gift_wrap"] = True
    document["saga"]["priority"] = [1, 2]

    assert from_document(document) == a_very_full_order()


def test_a_document_from_before_a_field_had_its_place_gets_the_default() -> None:
    document = to_document(an_order())
    for name in ("generation", "journal", "wait", "attention"):
        document["saga"].pop(name, None)

    assert from_document(document) == an_order()


def test_an_order_that_was_stored_before_operations_existed_is_read() -> None:
    """Nothing was asked of it, and its saga was begun by placing it."""
    document = to_document(a_very_full_order())
    for name in ("fulfillments", "returns", "operations", "past_sagas"):
        del document[name]
    for name in ("captures", "refunds"):
        del document["payment"][name]
    for name in ("operation", "paused"):
        del document["saga"][name]

    order = from_document(document)

    assert (order.fulfillments, order.returns, order.operations, order.past_sagas) == ((),) * 4
    assert (order.payment.captures, order.payment.refunds) == ((), ())
    assert (order.saga.operation, order.saga.paused) == (None, False)


def test_the_fullest_order_leaves_no_field_at_its_default() -> None:
    """What stores are tried with must have every field; a new field is missed here first."""
    empty = list(_fields_at_default(a_very_full_order(), "order"))

    assert empty == _AT_DEFAULT


_AT_DEFAULT: list[str] = ["order.status", "order.version"]
"""As a new order has them: stores move them themselves, or tests do."""


def _fields_at_default(value: object, path: str) -> Iterator[str]:
    """Name the fields that have their defaults in every instance of their class."""
    seen: dict[str, bool] = {}

    def look(one: object, where: str) -> None:
        if has(type(one)):
            cls: Any = type(one)
            for field in fields(cls):
                inner = getattr(one, field.name)
                default = field.default
                if default is not NOTHING and getattr(default, "factory", None) is None:
                    name = f"{where}.{field.name}"
                    seen[name] = seen.get(name, True) and inner == default
                look(inner, f"{where}.{field.name}")
        elif isinstance(one, tuple):
            for inner in one:
                look(inner, where)

    look(value, path)
    # A past saga is over: it waits for nobody and needs nobody.
    return (name for name, at_default in seen.items() if at_default and ".past_sagas." not in name)


def test_what_is_stored_does_not_change_when_the_order_does() -> None:
    order = an_order(metadata={"cart": "42"})
    document = to_document(order)

    document["metadata"]["cart"] = "43"

    assert order.metadata == {"cart": "42"}


@given(moment=MOMENTS)
def test_a_moment_is_microseconds_and_back_exactly(moment: datetime) -> None:
    assert moment == from_microseconds(to_microseconds(moment))


def test_moments_sort_as_their_numbers_whatever_their_zone() -> None:
    zones = [timezone(timedelta(hours=hours)) for hours in (-11, 0, 5, 14)]

    assert len({to_microseconds(NOON.astimezone(zone)) for zone in zones}) == 1
    assert to_microseconds(NOON) + 1 == to_microseconds(NOON + timedelta(microseconds=1))
    assert to_microseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


def test_a_moment_without_a_zone_is_a_mistake_of_ours() -> None:
    order = evolve(an_order(), created_at=datetime(2031, 5, 4))  # noqa: DTZ001 - the mistake

    with pytest.raises(TypeError):
        to_document(order)
