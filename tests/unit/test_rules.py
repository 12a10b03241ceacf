from decimal import Decimal
from enum import StrEnum
from types import SimpleNamespace
from uuid import UUID

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from oms_core.domain.plain_check import plain_check
from oms_core.domain.rules import (
    Amount,
    ListOf,
    Nested,
    OneOf,
    Rule,
    Text,
    TextTable,
    UuidText,
    Whole,
    check,
    fields_of,
    require,
    ruled,
)
from oms_core.errors import InvalidInput, Mistake
from oms_core.testing import AWKWARD_STRINGS


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@frozen
class Chair:
    """A request class of one field."""

    sku: str = ruled(Text(chars_max=5), says="Which chair.")

    def __attrs_post_init__(self) -> None:
        require(check(self))


@frozen
class Room:
    """A request class with every kind of field."""

    name: str = ruled(Text(), says="What people call it.")
    chairs: int = ruled(Whole(0, 9), says="How many.", default=4)
    colour: str | None = ruled(OneOf(Colour), says="Of the walls.", default=None)

    def __attrs_post_init__(self) -> None:
        require(check(self))


AMOUNT = 'must be a decimal string such as "19.99", or an exact number'
EVERY_RULE: dict[str, tuple[Rule, list[object], dict[str, list[object]]]] = {
    "text": (
        Text(chars_max=5),
        ["a", "abcde", "🪑🪑🪑🪑🪑", " ", "é"],
        {
            "must be a string": [None, 1, 1.5, True, b"abc", ["a"], {}, Decimal(1)],
            "must not be empty": [""],
            "must have 1 to 5 characters": ["abcdef"],
            "must not contain control or other unprintable characters": [
                *("\n", "a\tb", "\x00", "\x7f", "\ud800", "\u202e", "\u00a0", "\u200b"),
            ],
        },
    ),
    "text with line breaks": (
        Text(printable=False),
        ["a\nb\tc\rd", "\u202e", "\u00a0", *(s for s in AWKWARD_STRINGS if s)],
        {
            "must not contain control or other unprintable characters": [
                *("\x00", "\x1b[31m", "a\x07", "\x7f", "\x85", "\ud800", "\udfff"),
            ],
        },
    ),
    "text with a pattern": (
        Text(2, 2, pattern="[A-Z]{2}", says="must be a country code such as DE"),
        ["DE", "CH"],
        {
            "must be a country code such as DE": ["de", "D1", "ÄÖ", "D "],
            "must have 2 to 2 characters": ["DEU", "D"],
        },
    ),
    "whole": (
        Whole(-1_000, 1_000_000),
        [-1_000, 0, 1, 1_000_000],
        {
            "must be a whole number": [None, "1", 1.0, True, False, Decimal(1), [1], "\u0661"],
            "must be from -1 000 to 1 000 000": [-1_001, 1_000_001, 10**5_000],
        },
    ),
    "uuid": (
        UuidText("7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"),
        [
            "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
            "7D9F6B1E-3C5A-4F0B-9A57-1F2D3C4B5A69",
            UUID(int=1),
        ],
        {
            "must be a UUID such as 7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69": [
                *("", 5, None, "7d9f6b1e3c5a4f0b9a571f2d3c4b5a69", "x" * 36),
                "{7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69}",
                "urn:uuid:7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
                "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69\n",
                "7d9f6b1-e3c5a-4f0b-9a57-1f2d3c4b5a69",
            ],
        },
    ),
    "amount": (
        Amount(),
        ["0", "19.99", "1", "999999999999999", "0.000000000000001", 5, 0, Decimal("1.5")],
        {
            AMOUNT: [
                *(1.5, None, True, [], {}, b"1"),
                *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity")),
            ],
            AMOUNT + ", with at most 15 digits": [
                *("", "x", "1e3", "1_0", "+1", " 1", "1\n", "\u0661", "1,5", ".5", "1.", "NaN"),
                *("1" * 16, "0." + "1" * 16),
                *(10**15, Decimal("1e15"), Decimal("1e999999999")),
            ],
            "must not be negative": ["-1", "-0.01", -1, Decimal("-0.5")],
        },
    ),
    "signed amount": (
        Amount(signed=True),
        ["-19.99", "19.99", -5, Decimal("-1.5")],
        {
            AMOUNT: [
                *(1.5, None, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")),
            ],
            AMOUNT + ", with at most 15 digits": [-(10**15), Decimal("-1e999999999")],
        },
    ),
    "one of": (
        OneOf(Colour),
        ["red", Colour.GREEN],
        {"must be one of red, green": ["RED", "blue", "", None, 1, ["red"], {}]},
    ),
    "text table": (
        TextTable(entries_max=2),
        [{}, {"a": "b"}, {"a": "", "b": "x" * 500}],
        {
            "must be an object of strings": [None, [], "a", 1],
            "must have at most 2 entries": [{"a": "", "b": "", "c": ""}],
            "has a key that must not be empty": [{"": "b"}],
            "has a key that must be a string": [{1: "b"}],
            "has a key that must have 1 to 64 characters": [{"x" * 65: "b"}],
            'has a value, at "a", that must be a string': [{"a": 1}, {"a": None}, {"a": {}}],
            'has a value, at "a", that must have 0 to 500 characters': [{"a": "x" * 501}],
        },
    ),
    "nested": (
        Nested(Chair),
        [Chair("oak")],
        {"must be a Chair": [{}, None, "oak", {"sku": "oak"}]},
    ),
    "list": (
        ListOf(Chair, 1, 2),
        [[Chair("oak")], (Chair("oak"), Chair("elm"))],
        {
            "must be an array": [None, "oak", {}, Chair("oak"), 1],
            "must have 1 to 2 items": [[], [Chair("oak")] * 3],
            "must hold only Chair": [[{}], [Chair("oak"), None]],
        },
    ),
}


@pytest.mark.parametrize("name", EVERY_RULE)
def test_a_rule_accepts_what_it_should(name: str) -> None:
    rule, good, _ = EVERY_RULE[name]

    assert [(value, None) for value in good] == [(value, rule.mistake(value)) for value in good]


@pytest.mark.parametrize("name", EVERY_RULE)
def test_a_rule_refuses_everything_else_with_a_sentence(name: str) -> None:
    rule, _, bad = EVERY_RULE[name]
    found = [
        (sentence, rule.mistake(value)) for sentence, values in bad.items() for value in values
    ]

    assert found
    assert [expected for expected, _ in found] == [sentence for _, sentence in found]


@given(value=st.from_type(type).flatmap(st.from_type) | st.text() | st.integers() | st.floats())
def test_no_rule_is_surprised_by_any_value(value: object) -> None:
    for rule, _, _ in EVERY_RULE.values():
        assert isinstance(rule.mistake(value), str | None)


@given(value=st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_what_is_found_plainly_right_is_right(value: object) -> None:
    """``plain`` only saves the call of ``mistake``: it may never let pass what that refuses."""
    rules = [rule for rule, _, _ in EVERY_RULE.values() if getattr(rule, "plain", None)]

    assert rules
    for rule in rules:
        is_plain = plain_check([("value", rule, False)])
        assert not is_plain(SimpleNamespace(value=value)) or rule.mistake(value) is None


@pytest.mark.parametrize("name", EVERY_RULE)
def test_nothing_that_a_rule_refuses_is_found_plainly_right(name: str) -> None:
    rule, _, bad = EVERY_RULE[name]
    is_plain = plain_check([("value", rule, False)])
    found = [is_plain(SimpleNamespace(value=value)) for values in bad.values() for value in values]

    assert found
    assert not any(found)


# -- request classes -------------------------------------------------------------------------


def test_making_one_tells_every_mistake_at_once() -> None:
    with pytest.raises(InvalidInput) as refusal:
        Room(name="", chairs=10, colour="blue")

    assert refusal.value.mistakes == (
        Mistake("/name", "must not be empty"),
        Mistake("/chairs", "must be from 0 to 9"),
        Mistake("/colour", "must be one of red, green"),
    )


def test_a_class_of_one_field_is_checked_as_any_other() -> None:
    assert Chair("oak").sku == "oak"
    with pytest.raises(InvalidInput) as refusal:
        Chair("mahogany")

    assert refusal.value.mistakes == (Mistake("/sku", "must have 1 to 5 characters"),)


def test_a_field_with_the_default_none_may_be_null_and_another_may_not() -> None:
    assert Room(name="hall", colour=None).colour is None
    with pytest.raises(InvalidInput) as refusal:
        Room(name="hall", chairs=None)  # type: ignore[arg-type]

    assert refusal.value.mistakes == (Mistake("/chairs", "must be a whole number"),)


def test_the_fields_are_listed_as_readers_and_documents_need_them() -> None:
    listed = [(f.name, type(f.rule), f.required, f.nullable, f.says) for f in fields_of(Room)]

    assert listed == [
        ("name", Text, True, False, "What people call it."),
        ("chairs", Whole, False, False, "How many."),
        ("colour", OneOf, False, True, "Of the walls."),
    ]
    assert fields_of(Room) is fields_of(Room)
