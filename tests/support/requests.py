"""Documents of requests to place an order, for tests that read and compare them."""

from typing import Any

from hypothesis import strategies as st

PRINTABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12
)
# A million pieces each, of four lines, in a currency of four decimals: still 15 digits.
PRICES = st.decimals(0, 10**4, places=2).map(lambda price: f"{price:f}")
LINES = st.fixed_dictionaries(
    {"sku": PRINTABLE, "quantity": st.integers(1, 10_000), "unit_price": PRICES},
    optional={"name": PRINTABLE | st.none(), "location": PRINTABLE | st.none()},
)
ADJUSTMENTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["shipping", "tax", "fee"]), "amount": PRICES},
    optional={"label": PRINTABLE | st.none()},
)
ADDRESSES = st.fixed_dictionaries(
    {"name": PRINTABLE, "line1": PRINTABLE, "city": PRINTABLE, "country": st.just("DE")},
    optional={
        "line2": PRINTABLE | st.none(),
        "region": PRINTABLE | st.none(),
        "postal_code": PRINTABLE | st.none(),
        "phone": st.just("+49 30 555 01 23") | st.none(),
    },
)
DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "idempotency_key": PRINTABLE,
        "payment_provider": PRINTABLE,
        "payment_reference": PRINTABLE,
        "channel": PRINTABLE,
        "line_items": st.lists(LINES, min_size=1, max_size=4),
    },
    optional={
        "platform": PRINTABLE | st.none(),
        "customer_id": st.uuids().map(str) | st.none(),
        "currency": st.sampled_from(["USD", "EUR", "KWD", "CLF"]),
        "adjustments": st.lists(ADJUSTMENTS, max_size=3),
        "shipping_address": ADDRESSES | st.none(),
        "metadata": st.dictionaries(PRINTABLE, st.text(max_size=0) | PRINTABLE, max_size=3)
        | st.none(),
    },
)
"""Valid requests to place an order, as parsed JSON."""


def a_document(**fields: Any) -> dict[str, Any]:
    """Make a valid request with other *fields*."""
    return {
        "idempotency_key": "checkout-4711",
        "payment_provider": "simulated",
        "payment_reference": "good_card",
        "channel": "web",
        "line_items": [{"sku": "CRUNCHY-ARMCHAIR", "quantity": 2, "unit_price": "19.99"}],
    } | fields


def paths_of(document: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List where every value of a JSON document stands, the whole of it first."""
    found = [at]
    if isinstance(document, dict):
        for name, value in document.items():
            found += paths_of(value, (*at, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += paths_of(value, (*at, index))
    return found


def replaced(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Copy a JSON document with *value* at *path*."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    copy: Any = list(document) if isinstance(document, list) else dict(document)
    copy[step] = replaced(copy[step], rest, value)
    return copy


def value_at(document: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at *path*."""
    for step in path:
        document = document[step]
    return document
