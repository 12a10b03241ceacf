"""Requests that mean the same have one fingerprint; any other request has another."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms_core import PlaceOrder
from oms_core.application.request_reader import read
from oms_core.domain.rules import fields_of
from tests.support.requests import DOCUMENTS, a_document, paths_of, replaced, value_at

CUSTOMER = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
ADDRESS = {"name": "Pat", "line1": "Main St 1", "city": "Berlin", "country": "DE"}
LINE = {"sku": "CRUNCHY-ARMCHAIR", "quantity": 2, "unit_price": "19.99"}


def fingerprint(document: dict[str, Any]) -> str:
    return read(PlaceOrder, document).fingerprint


def respelled(value: Any, data: st.DataObject) -> Any:
    """Say the same in another way: other key order, other spellings of a number."""
    if isinstance(value, dict):
        names = data.draw(st.permutations(list(value)))
        return {
            name: _other_amount(value[name], data)
            if name in {"unit_price", "amount"}
            else respelled(value[name], data)
            for name in names
        }
    if isinstance(value, list):
        return [respelled(item, data) for item in value]
    return value


def _other_amount(amount: str, data: st.DataObject) -> object:
    exact = Decimal(amount)
    ways: list[object] = [amount, exact, amount + "0", f"{exact.normalize():f}", "00" + amount]
    if exact == int(exact):
        ways.append(int(exact))
    return data.draw(st.sampled_from(ways))


def with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Write out every default that may be left out."""
    full = {f.name: f.default for f in fields_of(PlaceOrder) if not f.required} | document
    full["adjustments"] = [{"label": None} | item for item in full["adjustments"]]
    full["line_items"] = [{"name": None, "location": None} | i for i in full["line_items"]]
    full["line_items"] = [
        item | {"location": item["location"] or "default"} for item in full["line_items"]
    ]
    return full


@given(document=DOCUMENTS, data=st.data())
def test_the_same_request_in_other_words_has_the_same_fingerprint(
    document: dict[str, Any], data: st.DataObject
) -> None:
    assert fingerprint(document) == fingerprint(respelled(document, data))


@given(document=DOCUMENTS)
def test_a_default_may_be_left_out_or_written_out(document: dict[str, Any]) -> None:
    assert fingerprint(document) == fingerprint(with_defaults(document))


@given(document=DOCUMENTS, data=st.data())
def test_any_single_change_of_meaning_changes_the_fingerprint(
    document: dict[str, Any], data: st.DataObject
) -> None:
    full = json.loads(json.dumps(document))
    path = data.draw(
        st.sampled_from([p for p in paths_of(full) if p and p[0] != "idempotency_key"])
    )
    changed = _changed(full, path)
    assume(changed != full)

    assert fingerprint(full) != fingerprint(changed)


CHANGES: dict[str, Callable[[Any], Any]] = {
    # A currency with more decimals takes every amount of one with fewer.
    "currency": lambda code: "CLF" if code != "CLF" else code,
    "unit_price": lambda amount: f"{Decimal(amount) + Decimal('0.01'):f}",
    "amount": lambda amount: f"{Decimal(amount) + Decimal('0.01'):f}",
    "quantity": lambda quantity: quantity - 1 if quantity > 1 else 2,
    "kind": lambda kind: "tax" if kind != "tax" else "fee",
    "country": lambda _: "CH",
    "customer_id": lambda customer: CUSTOMER if customer != CUSTOMER else None,
    "metadata": lambda table: (table or {}) | {"a name nobody uses": "x"},
    "shipping_address": lambda address: None if address else ADDRESS,
}


def _changed(document: Any, path: tuple[str | int, ...]) -> Any:
    """Mean something else at *path*."""
    value = value_at(document, path)
    change = CHANGES.get(str(path[-1])) if path[0] != "metadata" or len(path) == 1 else None
    if change is not None:
        return replaced(document, path, change(value))
    if isinstance(value, list):
        return replaced(document, path, [*value, *value[:1]])
    if isinstance(value, dict):
        return replaced(document, path, value | {"sku": "x"} if "sku" in value else value)
    return replaced(document, path, (value or "") + "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"line_items": [LINE | {"unit_price": "5"}]}, {"line_items": [LINE | {"unit_price": 5}]}),
        (
            {"line_items": [LINE | {"unit_price": "5.00"}]},
            {"line_items": [LINE | {"unit_price": Decimal("5E0")}]},
        ),
        ({"customer_id": CUSTOMER}, {"customer_id": CUSTOMER.upper()}),
        ({}, {"currency": "USD"}),
        ({}, {"adjustments": [], "metadata": {}, "shipping_address": None}),
        ({"line_items": [LINE]}, {"line_items": [LINE | {"location": "default"}]}),
        ({"shipping_address": ADDRESS}, {"shipping_address": ADDRESS | {"line2": None}}),
        ({"idempotency_key": "one"}, {"idempotency_key": "other"}),
    ],
)
def test_these_mean_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert fingerprint(a_document(**one)) == fingerprint(a_document(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"line_items": [LINE, LINE]}, {"line_items": [LINE | {"quantity": 4}]}),
        ({"line_items": [LINE]}, {"line_items": [LINE | {"name": "Armchair"}]}),
        ({"platform": "ios"}, {"channel": "ios"}),
        ({"metadata": {"a": ""}}, {}),
        ({"metadata": {"a": "b"}}, {"metadata": {"b": "a"}}),
        (
            {"payment_provider": "a", "payment_reference": "bc"},
            {"payment_provider": "ab", "payment_reference": "c"},
        ),
        ({"currency": "USD"}, {"currency": "EUR"}),
        ({"shipping_address": ADDRESS}, {"shipping_address": ADDRESS | {"line2": "x"}}),
        (
            {"shipping_address": ADDRESS | {"line2": "x"}},
            {"shipping_address": ADDRESS | {"region": "x"}},
        ),
        ({"adjustments": [{"kind": "tax", "amount": "0"}]}, {}),
    ],
)
def test_these_do_not_mean_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert fingerprint(a_document(**one)) != fingerprint(a_document(**other))


def test_a_program_that_has_values_in_hand_gets_the_same_fingerprint() -> None:
    request = read(PlaceOrder, a_document(customer_id=CUSTOMER))
    made = PlaceOrder(
        idempotency_key="checkout-4711",
        payment_provider="simulated",
        payment_reference="good_card",
        channel="web",
        line_items=request.line_items,
        customer_id=UUID(CUSTOMER),
    )

    assert made.fingerprint == request.fingerprint


def test_fingerprints_of_released_requests_never_change() -> None:
    """A changed fingerprint turns every retry of an order from before into a refusal."""
    full = a_document(
        platform="ios",
        customer_id=CUSTOMER,
        adjustments=[{"kind": "discount", "amount": "-5", "label": "spring"}],
        shipping_address=ADDRESS,
        metadata={"cart": "🪑"},
    )

    assert [fingerprint(a_document()), fingerprint(full)] == [
        "39da7dc1f01e417647c126fda822fde2db2d96af76f812fa346c863318280ca6",
        "0c944a96ba7db0e0d347905c5e9292f8ca0c9755637a1f3e8e15d272a69ab771",
    ]
