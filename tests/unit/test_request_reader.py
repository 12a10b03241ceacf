"""Reading a request from JSON: strict, every mistake at once, the same as making it by hand."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from oms_core import AdjustStock, NewAddress, NewAdjustment, NewLineItem, PlaceOrder
from oms_core.application.request_reader import escape, read
from oms_core.domain.rules import Whole, check, fields_of, require, ruled
from oms_core.errors import InvalidInput
from tests.support.requests import DOCUMENTS, a_document, paths_of, replaced, value_at

LINE = {"sku": "CRUNCHY-ARMCHAIR", "quantity": 2, "unit_price": "19.99"}
WRONG: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, float("nan"), Decimal("NaN"), Decimal("1e400")),
    *("", "\x00", "\ud800", "x" * 300, "USD\n", [], {}, [[]], [{}], {"$gt": ""}, {"sku": None}),
]


def by_hand(document: dict[str, Any]) -> PlaceOrder:
    """Make the request as a program would that has the values in hand."""
    fields = dict(document)
    if isinstance(document["line_items"], list):
        fields["line_items"] = [NewLineItem(**item) for item in document["line_items"]]
    if isinstance(document.get("adjustments"), list):
        fields["adjustments"] = tuple(NewAdjustment(**item) for item in document["adjustments"])
    if document.get("shipping_address") is not None:
        fields["shipping_address"] = NewAddress(**document["shipping_address"])
    return PlaceOrder(**fields)


def mistakes_in(document: object, cls: type = PlaceOrder) -> list[tuple[str, str]]:
    """Read what must be refused."""
    with pytest.raises(InvalidInput) as refusal:
        read(cls, document)

    return [(mistake.pointer, mistake.message) for mistake in refusal.value.mistakes]


@given(document=DOCUMENTS)
def test_reading_equals_making(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)

    request = read(PlaceOrder, document)

    made = by_hand(document)
    assert made.fingerprint == request.fingerprint
    assert (made.lines, made.priced_adjustments) == (request.lines, request.priced_adjustments)
    for field in fields_of(PlaceOrder):
        if field.name not in {"line_items", "adjustments"}:
            assert getattr(made, field.name) == getattr(request, field.name)
    assert document == before


@given(document=DOCUMENTS, data=st.data())
def test_whatever_stands_anywhere_the_reader_and_the_constructor_agree(
    document: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(paths_of(document)[1:]))
    spoilt = replaced(document, path, data.draw(st.sampled_from(WRONG)))
    try:
        made: PlaceOrder | None = by_hand(spoilt)
    except (InvalidInput, TypeError):
        made = None

    try:
        request: PlaceOrder | None = read(PlaceOrder, spoilt)
    except InvalidInput as refusal:
        request = None
        pointers = [mistake.pointer for mistake in refusal.mistakes]
        assert pointers
        assert len(set(pointers)) == len(pointers)

    assert (made is None) == (request is None)
    assert made is None or request is None or made.fingerprint == request.fingerprint


@given(document=DOCUMENTS, data=st.data())
def test_one_wrong_value_is_one_mistake_that_points_to_it(
    document: dict[str, Any], data: st.DataObject
) -> None:
    leaves = [p for p in paths_of(document) if not isinstance(value_at(document, p), dict | list)]
    # Where an object belongs, the mistakes are in the object.
    fitting = [p for p in leaves if p[0] != "metadata" and p != ("shipping_address",)]
    path = data.draw(st.sampled_from(fitting))

    mistakes = mistakes_in(replaced(document, path, {"$gt": ""}))

    assert ["/" + "/".join(map(str, path))] == [pointer for pointer, _ in mistakes]


def test_every_mistake_is_told_at_once_with_its_pointer() -> None:
    mistakes = mistakes_in(
        {
            "idempotency_key": "",
            "payment_provider": 7,
            "channel": "web\n",
            "currency": "usd",
            "customer_id": "pat",
            "line_items": [
                {"sku": "", "quantity": 0, "unit_price": 1.5},
                {"sku": "SILENT-DRUM", "unit_price": "5", "colour": "red"},
                None,
                LINE,
            ],
            "adjustments": [{"kind": "bribe", "amount": "x"}, {"kind": "discount", "amount": "5"}],
            "shipping_address": {"name": "Pat", "country": "Germany"},
            "metadata": {"a": 1},
            "paid": True,
        }
    )

    amount = 'must be a decimal string such as "19.99", or an exact number'
    assert dict(mistakes) == {
        "/idempotency_key": "must not be empty",
        "/payment_provider": "must be a string",
        "/payment_reference": "is required",
        "/channel": "must not contain control or other unprintable characters",
        "/currency": "must be an ISO 4217 code such as USD",
        "/customer_id": "must be a UUID such as 7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
        "/line_items/0/sku": "must not be empty",
        "/line_items/0/quantity": "must be from 1 to 1 000 000",
        "/line_items/0/unit_price": amount,
        "/line_items/1/quantity": "is required",
        "/line_items/1/colour": "is not a known field",
        "/line_items/2": "must be an object",
        "/adjustments/0/kind": "must be one of shipping, tax, fee, discount",
        "/adjustments/0/amount": amount + ", with at most 15 digits",
        "/adjustments/1/amount": 'must not be positive for a discount; write it as "-5.00"',
        "/shipping_address/country": "must have 2 to 2 characters",
        "/shipping_address/line1": "is required",
        "/shipping_address/city": "is required",
        "/metadata": 'has a value, at "a", that must be a string',
        "/paid": "is not a known field",
    }
    assert len(dict(mistakes)) == len(mistakes)


@pytest.mark.parametrize("document", [None, 1, "{}", [], [a_document()], True, 1.5])
def test_a_request_is_an_object(document: object) -> None:
    assert mistakes_in(document) == [("", "must be an object")]


def test_an_empty_object_lacks_every_required_field() -> None:
    required = {f"/{f.name}" for f in fields_of(PlaceOrder) if f.required}

    assert {pointer for pointer, message in mistakes_in({}) if message == "is required"} == required
    assert len(required) == 5


@pytest.mark.parametrize(
    "name", ["status", "order_id", "tenant_id", "total", "_priced", "priced", "self", "Channel", ""]
)
def test_an_unknown_field_is_refused_not_ignored(name: str) -> None:
    assert mistakes_in(a_document(**{name: "x"})) == [(f"/{name}", "is not a known field")]


def test_a_pointer_escapes_what_would_be_read_as_its_syntax_and_is_never_long() -> None:
    assert escape("a/b~c") == "a~1b~0c"
    assert mistakes_in(a_document(**{"x" * 5_000: 1})) == [("/" + "x" * 64, "is not a known field")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"line_items": []}, "must have 1 to 500 items"),
        ({"line_items": [LINE] * 501}, "must have 1 to 500 items"),
        ({"line_items": [{}] * 100_000}, "must have 1 to 500 items"),
        ({"line_items": {}}, "must be an array"),
        ({"line_items": "SILENT-DRUM"}, "must be an array"),
        ({"line_items": None}, "must be an array"),
    ],
)
def test_a_list_of_lines_is_a_list_of_one_to_five_hundred(
    fields: dict[str, Any], expected: str
) -> None:
    assert mistakes_in(a_document(**fields)) == [("/line_items", expected)]


def test_a_list_that_is_too_long_is_one_mistake_beside_the_others() -> None:
    mistakes = mistakes_in(a_document(adjustments=[{}] * 101, channel=""))

    assert mistakes == [
        ("/channel", "must not be empty"),
        ("/adjustments", "must have 0 to 100 items"),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"currency": "JPY"},
            [("/line_items/0/unit_price", "has more decimals than JPY has (0)")],
        ),
        (
            {"currency": "XXX"},
            [("/currency", "XXX is not an active ISO 4217 currency with a minor unit")],
        ),
        (
            {"adjustments": [{"kind": "discount", "amount": "-39.99"}]},
            [("/adjustments", "make the total negative (-0.01 USD); lower the discounts")],
        ),
        (
            {"line_items": [LINE | {"quantity": 1_000_000, "unit_price": "9999999999999"}]},
            [("/line_items", "add up to a total of more than 15 digits")],
        ),
        (
            {"currency": "XXX", "channel": ""},
            [
                ("/channel", "must not be empty"),
                ("/currency", "XXX is not an active ISO 4217 currency with a minor unit"),
            ],
        ),
    ],
)
def test_what_only_the_fields_together_get_wrong_is_told_too(
    fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert mistakes_in(a_document(**fields)) == expected


def test_a_total_is_judged_only_when_all_that_adds_up_to_it_could_be_read() -> None:
    """The line that is wrong may be the dear one: what is left is not the total."""
    discount = {"kind": "discount", "amount": "-50.00"}
    spoilt = LINE | {"quantity": 0, "unit_price": "100"}

    assert mistakes_in(a_document(line_items=[LINE, spoilt], adjustments=[discount])) == [
        ("/line_items/1/quantity", "must be from 1 to 1 000 000")
    ]
    assert mistakes_in(a_document(line_items=None, adjustments=[discount])) == [
        ("/line_items", "must be an array")
    ]
    assert mistakes_in(a_document(line_items=[], adjustments=[discount])) == [
        ("/line_items", "must have 1 to 500 items")
    ]
    too_much = {"kind": "fee", "amount": "9999999999999.99"}
    assert mistakes_in(a_document(adjustments=[too_much, None])) == [
        ("/adjustments/1", "must be an object")
    ]


@pytest.mark.parametrize("total", ["0.00", "0"])
def test_a_total_of_zero_is_an_order(total: str) -> None:
    request = read(PlaceOrder, a_document(line_items=[LINE | {"unit_price": total}]))

    assert not request.lines[0].unit_price


@pytest.mark.parametrize("amount", ["-5.00", "-0.01", "0", "-0", "0.00", -5, 0, Decimal(-5)])
def test_a_discount_is_negative_or_nothing(amount: object) -> None:
    adjustment = {"kind": "discount", "amount": amount}

    request = read(PlaceOrder, a_document(adjustments=[adjustment]))

    assert request.priced_adjustments[0].amount.minor <= 0


@pytest.mark.parametrize("amount", ["5.00", "0.01", 5, Decimal("0.01"), "10", "100"])
def test_a_discount_that_raises_the_price_is_refused(amount: object) -> None:
    adjustment = {"kind": "discount", "amount": amount}

    assert mistakes_in(a_document(adjustments=[adjustment])) == [
        ("/adjustments/0/amount", 'must not be positive for a discount; write it as "-5.00"')
    ]


# -- other classes -----------------------------------------------------------------------------


@frozen
class Cellar:
    """A request of one field."""

    depth_m: int = ruled(Whole(1, 9), says="How deep.")

    def __attrs_post_init__(self) -> None:
        require(check(self))


def test_a_class_without_nested_ones_is_read_the_same_way() -> None:
    document: dict[str, Any] = {"sku": "SILENT-DRUM", "quantity_delta": 5, "reason": "delivery"}

    assert read(AdjustStock, document) == AdjustStock(**document)
    assert mistakes_in(document | {"quantity_delta": 0}, AdjustStock) == [
        ("/quantity_delta", "must not be 0")
    ]
    assert mistakes_in({"quantity_delta": "5", "where": "?"}, AdjustStock) == [
        ("/sku", "is required"),
        ("/reason", "is required"),
        ("/where", "is not a known field"),
        ("/quantity_delta", "must be a whole number"),
    ]
    assert mistakes_in({"depth_m": 10}, Cellar) == [("/depth_m", "must be from 1 to 9")]


def test_an_amount_is_judged_even_in_a_line_that_is_wrong_otherwise() -> None:
    """Whoever corrects the quantity should not learn of the decimals only then."""
    document = a_document(
        line_items=[{"sku": "CRUNCHY-ARMCHAIR", "quantity": 0, "unit_price": "19.999"}],
        adjustments=[{"amount": "1.234"}],
    )

    found = dict(mistakes_in(document))

    assert found == {
        "/line_items/0/quantity": "must be from 1 to 1 000 000",
        "/line_items/0/unit_price": "has more decimals than USD has (2)",
        "/adjustments/0/kind": "is required",
        "/adjustments/0/amount": "has more decimals than USD has (2)",
    }
