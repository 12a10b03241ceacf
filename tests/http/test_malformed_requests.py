"""Hundreds of malformed requests: each gets its 4xx, changes nothing, and is not logged (I10)."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.api import ADJUST, ORDERS, Api, a_full_order_request

MARK: Final = "UNMISTAKABLE-BODY"
KEY: Final = {"Idempotency-Key": "delivery-4711"}
LONG: Final = "x" * 256

# -- values that are wrong, by what a field takes ----------------------------------------------

NO_TEXT: Final[dict[str, Any]] = {
    "a number": 7,
    "a fraction": 1.5,
    "true": True,
    "a list": [MARK],
    "an object": {"$gt": ""},
    "an empty object": {},
}
BAD_TEXT: Final[dict[str, Any]] = {
    **NO_TEXT,
    "empty": "",
    "too long": LONG,
    "NUL": f"{MARK}\0",
    "an escape character": f"{MARK}\x1b[2J",
    "DEL": f"{MARK}\x7f",
    "half a surrogate pair": f"{MARK}\ud800",
}
BAD_LINE: Final = {**BAD_TEXT, "a line break": f"{MARK}\r\nX: y", "a zero-width": f"a\u200b{MARK}"}
BAD_UUID: Final[dict[str, Any]] = {
    **NO_TEXT,
    "empty": "",
    "a name": MARK,
    "braces": "{7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69}",
    "a URN": "urn:uuid:7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
    "no hyphens": "7d9f6b1e3c5a4f0b9a571f2d3c4b5a69",
    "odd hyphens": "7d9f-6b1e3c5a-4f0b-9a57-1f2d3c4b5a69",
    "a line break": "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69\n",
    "other digits": "٣d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
}
BAD_WHOLE: Final[dict[str, Any]] = {
    "text": "7",
    "a fraction": 1.5,
    "a whole fraction": 1.0,
    "true": True,
    "false": False,
    "null": None,
    "a list": [1],
    "an object": {"$gt": 0},
    "beyond 64 bits": 2**63,
    "beyond all bits": 10**400,
    "below 64 bits": -(2**63) - 1,
}
BAD_AMOUNT: Final[dict[str, Any]] = {
    "null": None,
    "true": True,
    "a list": ["1.00"],
    "an object": {"amount": "1.00"},
    "empty": "",
    "a word": MARK,
    "a comma": "1,50",
    "a thousands separator": "1 000.00",
    "an underscore": "1_0",
    "an exponent": "1e3",
    "hexadecimal": "0x10",
    "no whole part": ".50",
    "no decimals": "5.",
    "a plus": "+5",
    "two signs": "--5",
    "spaces": " 5 ",
    "a line break": "5\n",
    "a currency": "5 EUR",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "other digits": "٣",
    "too many digits": "9" * 16,
    "too many decimals": "1.001",
    "too many decimals as a number": 1.001,
    "a huge number": 10**30,
}
BAD_CHOICE: Final[dict[str, Any]] = {**NO_TEXT, "empty": "", "another": MARK, "capitals": "TAX"}
BAD_CURRENCY: Final[dict[str, Any]] = {
    **BAD_TEXT,
    "small letters": "usd",
    "no such currency": "QQQ",
    "a number": "840",
    "two letters": "US",
    "four letters": "USDX",
    "look-alike letters": "\uff35\uff33\uff24",
}
BAD_COUNTRY: Final[dict[str, Any]] = {
    **BAD_TEXT,
    "small letters": "de",
    "three letters": "DEU",
    "one letter": "D",
}
REQUIRED: Final[dict[str, Any]] = {"null": None, "left out": ...}


def each(place: str, wrong: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, value in wrong.items():
        yield f"{place}: {name}", place, value


def order_table() -> Iterator[tuple[str, str, Any]]:
    """Each field of an order with each value that it must not take."""
    for place in ("/idempotency_key", "/payment_reference", "/channel", "/line_items/0/sku"):
        yield from each(place, {**BAD_LINE, **REQUIRED})
    yield from each("/payment_provider", {**BAD_LINE, **REQUIRED, "unknown": MARK})
    yield from each("/platform", BAD_LINE)
    yield from each("/line_items/0/location", BAD_LINE)
    yield from each("/line_items/0/name", BAD_TEXT)
    yield from each("/adjustments/0/label", BAD_TEXT)
    yield from each("/customer_id", BAD_UUID)
    yield from each("/currency", {**BAD_CURRENCY, "null": None})
    yield from each("/line_items/0/quantity", {**BAD_WHOLE, "left out": ..., "zero": 0, "-1": -1})
    yield from each("/line_items/0/quantity", {"a million and one": 1_000_001})
    yield from each("/line_items/0/unit_price", {**BAD_AMOUNT, "left out": ...})
    yield from each("/line_items/0/unit_price", {"negative": "-1.00", "negative number": -1})
    yield from each("/adjustments/0/amount", {**BAD_AMOUNT, "left out": ...})
    yield from each("/adjustments/1/amount", {"a discount that adds": "5.00"})
    yield from each("/adjustments/0/kind", {**BAD_CHOICE, **REQUIRED})
    lists: dict[str, Any] = {
        "null": None,
        "text": MARK,
        "an object": {},
        "a number": 7,
        "true": True,
    }
    for place in ("/line_items", "/adjustments"):
        yield from each(place, lists)
        yield from each(f"{place}/0", {"null": None, "text": MARK, "a list": [], "empty": {}})
    yield from each("/line_items", {"none": [], "left out": ..., "501": [{}] * 501})
    yield from each("/adjustments", {"101": [{"kind": "fee", "amount": "1"}] * 101})
    yield from each("/adjustments", {"below zero": [{"kind": "discount", "amount": "-999"}]})
    for name in ("name", "line1", "city"):
        yield from each(f"/shipping_address/{name}", {**BAD_TEXT, **REQUIRED})
    for name in ("line2", "region", "postal_code"):
        yield from each(f"/shipping_address/{name}", BAD_TEXT)
    yield from each("/shipping_address/phone", BAD_LINE)
    yield from each("/shipping_address/country", {**BAD_COUNTRY, **REQUIRED})
    yield from each("/shipping_address", {"text": MARK, "a list": [], "true": True, "empty": {}})
    yield from each("/metadata", {"text": MARK, "a list": [], "a number": 7})
    yield from each("/metadata", {"51": {f"k{n}": "v" for n in range(51)}})
    yield from each("/metadata", {"a long value": {"k": "x" * 501}, "a long key": {"k" * 65: "v"}})
    yield from each("/metadata", {"an empty key": {"": MARK}, "a key with NUL": {"a\0": MARK}})
    yield from each("/metadata", {"a number inside": {"k": 7}, "null inside": {"k": None}})
    yield from each("/metadata", {"a list inside": {"k": []}, "depth": {"k": {"k": {}}}})
    yield from each("/metadata", {"half a pair as key": {"\udfff": MARK}})
    for place in ("", "/line_items/0", "/adjustments/0", "/shipping_address"):
        for name in ("status", "total", "tenant_id", "_id", "$where", "", "__class__", "a/b~c"):
            yield f"{place}: unknown {name!r}", f"{place}/{name}", MARK


def adjust_table() -> Iterator[tuple[str, str, Any]]:
    """The same for a ledger entry."""
    yield from each("/sku", {**BAD_LINE, **REQUIRED})
    yield from each("/location", {**BAD_LINE, "null": None})
    yield from each("/reason", {**BAD_TEXT, **REQUIRED})
    yield from each("/quantity_delta", {**BAD_WHOLE, "left out": ..., "zero": 0})
    yield from each("/quantity_delta", {"too many": 1_000_000_001, "too few": -1_000_000_001})
    for name in ("on_hand", "tenant_id", "movement_id", "at"):
        yield f"unknown {name}", f"/{name}", MARK


ORDER_TABLE: Final = list(order_table())
ADJUST_TABLE: Final = list(adjust_table())

# -- bodies that are wrong ------------------------------------------------------------------------

GOOD: Final = json.dumps(a_full_order_request()).encode()
RAW_BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a string": b'"text"',
    "an array": b"[]",
    "an array around it": b"[" + GOOD + b"]",
    "an empty object": b"{}",
    "cut off": GOOD[:-1],
    "cut in half": GOOD[: len(GOOD) // 2],
    "something behind it": GOOD + b"{}",
    "twice": GOOD + GOOD,
    "NUL behind it": GOOD + b"\0",
    "a comma at the end": GOOD[:-1] + b",}",
    "a comment": b"/* hello */" + GOOD,
    "single quotes": GOOD.replace(b'"', b"'"),
    "no quotes": b"{idempotency_key: 1}",
    "NaN": GOOD.replace(b'"19.99"', b"NaN"),
    "Infinity": GOOD.replace(b'"19.99"', b"Infinity"),
    "-Infinity": GOOD.replace(b'"19.99"', b"-Infinity"),
    "1e400": GOOD.replace(b'"19.99"', b"1e400"),
    "1e-400": GOOD.replace(b'"19.99"', b"1e-400"),
    "1e999999999": GOOD.replace(b'"19.99"', b"1e999999999"),
    "an exponent beyond all": GOOD.replace(b'"19.99"', b"1e99999999999999999999999999"),
    "an exponent below all": GOOD.replace(b'"19.99"', b"1e-99999999999999999999999999"),
    "a number of 5000 digits": GOOD.replace(b'"19.99"', b"9" * 5_000),
    "a quantity of 5000 digits": GOOD.replace(b'"quantity": 2', b'"quantity": ' + b"9" * 5_000),
    "a fraction of 100000 digits": GOOD.replace(b'"19.99"', b"1." + b"0" * 100_000 + b"1"),
    "a leading zero": GOOD.replace(b'"19.99"', b"019"),
    "a plus": GOOD.replace(b'"19.99"', b"+19"),
    "a hexadecimal number": GOOD.replace(b'"19.99"', b"0x13"),
    "a key twice": GOOD[:-1] + b', "channel": "phone"}',
    "the same key and value twice": GOOD[:-1] + b', "channel": "web"}',
    "a key twice inside": GOOD.replace(b'"quantity": 2', b'"quantity": 1, "quantity": 2'),
    "a key twice by an escape": GOOD[:-1] + b', "\\u0063hannel": "phone"}',
    "a BOM": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a BOM": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin-1": GOOD.replace(b"Hamburg", b"M\xfcnchen"),
    "an overlong NUL": GOOD.replace(b"Hamburg", b"\xc0\x80"),
    "a surrogate in UTF-8": GOOD.replace(b"Hamburg", b"\xed\xa0\x80"),
    "half a surrogate pair": GOOD.replace(b"Hamburg", b"\\ud800"),
    "the other half": GOOD.replace(b"Hamburg", b"\\udfff"),
    "a pair the wrong way round": GOOD.replace(b"Hamburg", b"\\udc00\\ud800"),
    "half a pair as a name": GOOD[:-1] + b', "\\ud800": 1}',
    "NUL escaped": GOOD.replace(b"Hamburg", b"Ham\\u0000burg"),
    "NUL raw": GOOD.replace(b"Hamburg", b"Ham\0burg"),
    "a line break raw": GOOD.replace(b"Hamburg", b"Ham\nburg"),
    "a bad escape": GOOD.replace(b"Hamburg", b"\\x41"),
    "a short escape": GOOD.replace(b"Hamburg", b"\\u12"),
    "100000 brackets": b"[" * 100_000,
    "100000 nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "100000 nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "depth in metadata": GOOD.replace(b'"autumn"', b"[" * 50_000 + b"]" * 50_000),
    "a form": b"idempotency_key=k&channel=web",
    "XML": b"<?xml version='1.0'?><order/>",
    "compressed": b"\x1f\x8b\x08\x00" + b"\0" * 64,
    "random bytes": bytes(range(256)),
}
CONTENT_TYPES: Final = [
    "",
    "text/plain",
    "text/json",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "application/problem+json",
    "application/merge-patch+json",
    "application/json, text/plain",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=utf-8; x=y",
    "application",
    "*/*",
    "json",
]


@pytest.fixture(scope="module")
def server() -> Api:
    """One server for all: none of these requests may leave a trace."""
    return Api()


def test_the_table_is_long_and_what_it_alters_is_good() -> None:
    assert len(ORDER_TABLE) + len(ADJUST_TABLE) + len(RAW_BODIES) + len(CONTENT_TYPES) > 400
    assert Api().post_raw(ORDERS, GOOD).status_code == 201
    assert all(body != GOOD for body in RAW_BODIES.values())


@pytest.mark.parametrize(
    ("place", "value"), [row[1:] for row in ORDER_TABLE], ids=[row[0] for row in ORDER_TABLE]
)
def test_an_order_with_a_wrong_field_is_refused_at_its_place(
    server: Api, place: str, value: Any
) -> None:
    document = altered(a_full_order_request(idempotency_key=MARK), place, value)

    result = server.post_raw(ORDERS, json.dumps(document).encode())

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert any(is_at_or_in(m["pointer"], place) for m in result.json["errors"]), result.text
    assert server.nothing_happened()


@pytest.mark.parametrize(
    ("place", "value"), [row[1:] for row in ADJUST_TABLE], ids=[row[0] for row in ADJUST_TABLE]
)
def test_a_ledger_entry_with_a_wrong_field_is_refused_at_its_place(
    server: Api, place: str, value: Any
) -> None:
    entry = {"sku": MARK, "quantity_delta": 7, "reason": MARK, "location": "default"}

    result = server.post_raw(ADJUST, json.dumps(altered(entry, place, value)).encode(), headers=KEY)

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert any(is_at_or_in(m["pointer"], place) for m in result.json["errors"]), result.text
    assert server.nothing_happened()


@pytest.mark.parametrize("path", [ORDERS, ADJUST])
@pytest.mark.parametrize("body", RAW_BODIES.values(), ids=RAW_BODIES)
def test_a_body_that_is_no_request_is_refused(server: Api, path: str, body: bytes) -> None:
    result = server.post_raw(path, body, headers=KEY if path == ADJUST else {})

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert server.nothing_happened()


@pytest.mark.parametrize("path", [ORDERS, ADJUST])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_body_that_is_not_declared_as_json_is_refused(
    server: Api, path: str, content_type: str
) -> None:
    result = server.post_raw(path, GOOD, headers={**KEY, "Content-Type": content_type})

    assert (result.status_code, result.json["code"]) == (415, "unsupported_media_type")
    assert server.nothing_happened()


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_compressed_body_is_refused(server: Api, encoding: str) -> None:
    result = server.post_raw(ORDERS, GOOD, headers={"Content-Encoding": encoding})

    assert result.status_code == 415
    assert server.nothing_happened()


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'],
)
def test_json_may_be_declared_in_every_way_that_http_knows(content_type: str) -> None:
    api = Api()

    assert api.post_raw(ORDERS, GOOD, headers={"Content-Type": content_type}).status_code == 201


@pytest.mark.parametrize(("size", "status"), [(1_048_576, 400), (1_048_577, 413), (5_000_000, 413)])
@pytest.mark.parametrize("path", [ORDERS, ADJUST])
def test_a_body_over_the_limit_is_refused(server: Api, path: str, size: int, status: int) -> None:
    body = b'{"metadata": "' + b"x" * (size - 16) + b'"}'
    assert len(body) == size

    result = server.post_raw(path, body, headers=KEY)

    assert result.status_code == status
    assert server.nothing_happened()


def test_a_mistake_in_every_line_of_a_large_order_is_answered_in_bounds(server: Api) -> None:
    lines = [{"sku": "", "quantity": 0, "unit_price": "x", LONG: 1} for _ in range(500)]

    result = server.post(ORDERS, a_full_order_request(line_items=lines))

    assert result.status_code == 400
    assert len(result.json["errors"]) == 500
    assert len(result.json["error"]) < 2_000


def test_nothing_of_all_these_bodies_is_in_the_log(server: Api) -> None:
    """Runs last in this file, over everything that was refused before it."""
    server.post(ORDERS, {"channel": MARK})
    logged = server.log.getvalue()

    assert '"status":400' in logged
    assert MARK not in logged
    assert "Secret Lane" not in logged
    assert all(json.loads(line)["event"] == "request" for line in logged.splitlines())


def altered(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Put *value* at the JSON pointer *place*; ``...`` takes away what is there."""
    *path, last = _tokens(place)
    inner: Any = document
    for token in path:
        inner = inner[int(token)] if isinstance(inner, list) else inner[token]
    key: Any = int(last) if isinstance(inner, list) else last
    if value is ...:
        del inner[key]
    else:
        inner[key] = value
    return document


def is_at_or_in(pointer: str, place: str) -> bool:
    written = place
    if "a/b~c" in place:
        written = place.replace("a/b~c", "a~1b~0c")
    return pointer == written or pointer.startswith(written + "/")


def _tokens(place: str) -> list[str]:
    """Split a pointer; the one name of the table that holds a slash is left whole."""
    tokens = place.replace("a/b~c", "a\1b~c").removeprefix("/").split("/")
    return [token.replace("\1", "/") for token in tokens]
