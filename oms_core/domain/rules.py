"""Rules of request fields: one home for what validates and what the API document says.

A request class declares its fields with ``ruled(...)``. Constructing it checks every rule
and reports all mistakes at once; the OpenAPI document is generated from the same rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from uuid import UUID

import attrs
from attrs import frozen

from oms_core.domain.plain_check import plain_check
from oms_core.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from enum import StrEnum

_RULE: Final = "oms_core.rule"
_Mistaken: TypeAlias = "Callable[[Any], str | None]"
_Checks: TypeAlias = (
    "tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[_Mistaken, ...]]"
)
"""The ruled fields of a class: their names, how to get their values, how to check each."""
_UUID = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", re.ASCII
)
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_AMOUNT_MAX: Final = 999_999_999_999_999
_DIGITS: Final = ", with at most 15 digits"
_AMOUNT_SENTENCE: Final = 'must be a decimal string such as "19.99", or an exact number'


class Rule(Protocol):
    """What one field accepts."""

    def mistake(self, value: Any) -> str | None:
        """Say what is wrong with *value*, as the end of a sentence; ``None``: nothing."""
        ...


# A rule may also have ``plain``: a Python expression about ``v`` that only right values fulfil,
# for ``oms_core.domain.plain_check``. What it does not fulfil is judged by ``mistake``.


@frozen
class Text:
    """A string of ``chars_min`` to ``chars_max`` characters, without control characters.

    ``printable`` also refuses line breaks and invisible separators; ``pattern`` must match
    the whole string, ``says`` explains it.
    """

    chars_max: int = 255
    chars_min: int = 1
    printable: bool = True
    pattern: str | None = None
    says: str = ""
    example: str = ""

    @property
    def plain(self) -> str | None:
        """A string of an allowed length that shows in full, if there is no pattern."""
        if self.pattern is not None:
            return None
        length = f"{self.chars_min} <= len(v) <= {self.chars_max}"
        return f"type(v) is str and {length} and v.isprintable()"

    def mistake(self, value: Any) -> str | None:
        """Check type, length, characters and pattern."""
        if not isinstance(value, str):
            return "must be a string"
        if not self.chars_min <= len(value) <= self.chars_max:
            return (
                f"must have {self.chars_min} to {self.chars_max} characters"
                if value
                else "must not be empty"
            )
        if not value.isprintable() and (self.printable or _has_control_characters(value)):
            return "must not contain control or other unprintable characters"
        if self.pattern is not None and re.fullmatch(self.pattern, value, re.ASCII) is None:
            return self.says
        return None


@frozen
class Whole:
    """An integer from ``least`` to ``most``; a boolean or 1.0 is none."""

    least: int
    most: int
    example: int = 1

    @property
    def plain(self) -> str:
        """All that is right."""
        return f"type(v) is int and {self.least} <= v <= {self.most}"

    def mistake(self, value: Any) -> str | None:
        """Check type and range."""
        if type(value) is not int:
            return "must be a whole number"
        if not self.least <= value <= self.most:
            return f"must be from {self.least:,} to {self.most:,}".replace(",", " ")
        return None


@frozen
class Flag:
    """Yes or no; a number or a string is none."""

    example: bool = True

    def mistake(self, value: Any) -> str | None:
        """Check the type."""
        return None if isinstance(value, bool) else "must be true or false"


@frozen
class UuidText:
    """A UUID in the canonical 8-4-4-4-12 form (RFC 9562), or a ``UUID``."""

    example: str = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"

    def mistake(self, value: Any) -> str | None:
        """Check the form; ``uuid.UUID`` alone would accept braces, URNs and odd hyphens."""
        if isinstance(value, UUID) or (isinstance(value, str) and _UUID.fullmatch(value)):
            return None
        return f"must be a UUID such as {self.example}"


@frozen
class Amount:
    """An amount in major units: a decimal string, or an exact number. Never a float."""

    signed: bool = False
    example: str = "19.99"

    @property
    def plain(self) -> str:
        """At most 15 characters: digits, with one point between them or none."""
        return (
            "type(v) is str and len(v) <= 15 and v.isascii() and v[:1].isdecimal() "
            "and v[-1:].isdecimal() and v.replace('.', '', 1).isdecimal()"
        )

    def mistake(self, value: Any) -> str | None:
        """Check the form; how many decimals are allowed depends on the currency."""
        if isinstance(value, str):
            if _DECIMAL.fullmatch(value) is None:
                return _AMOUNT_SENTENCE + _DIGITS
            return None if self.signed or value[0] != "-" else "must not be negative"
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return _AMOUNT_SENTENCE
        if isinstance(value, Decimal) and not value.is_finite():
            return _AMOUNT_SENTENCE  # to compare a NaN would raise
        if not self.signed and value < 0:
            return "must not be negative"
        # Not abs(): of a Decimal with a huge exponent it overflows.
        if not -_AMOUNT_MAX <= value <= _AMOUNT_MAX:
            return _AMOUNT_SENTENCE + _DIGITS
        return None


@frozen
class OneOf:
    """A member of an enumeration, by its value."""

    choices: type[StrEnum]

    def mistake(self, value: Any) -> str | None:
        """Name the choices if it is none of them."""
        if isinstance(value, str) and value in self.choices.__members__.values():
            return None
        return f"must be one of {', '.join(self.choices)}"


@frozen
class TextTable:
    """An object of at most ``entries_max`` strings."""

    entries_max: int = 50
    key: Text = Text(chars_max=64)
    value: Text = Text(chars_min=0, chars_max=500, printable=False)

    def mistake(self, value: Any) -> str | None:
        """Check the size, every key and every value."""
        if not isinstance(value, Mapping):
            return "must be an object of strings"
        if len(value) > self.entries_max:
            return f"must have at most {self.entries_max} entries"
        for key, text in value.items():
            wrong = self.key.mistake(key)
            if wrong:
                return f"has a key that {wrong}"
            wrong = self.value.mistake(text)
            if wrong:
                return f'has a value, at "{key}", that {wrong}'
        return None


@frozen
class SomeOf:
    """An array of some of a few words, none twice."""

    words: tuple[str, ...]

    def mistake(self, value: Any) -> str | None:
        """Name the words if there is another."""
        if not isinstance(value, list | tuple):
            return "must be an array"
        if not all(isinstance(word, str) and word in self.words for word in value):
            return f"must hold only {', '.join(self.words)}"
        return "must not name one twice" if len(set(value)) < len(value) else None


@frozen
class Nested:
    """One object of another request class."""

    cls: type

    def mistake(self, value: Any) -> str | None:
        """Check the type; its own fields were checked when it was made."""
        return None if isinstance(value, self.cls) else f"must be a {self.cls.__name__}"


@frozen
class ListOf:
    """An array of ``items_min`` to ``items_max`` objects of another request class."""

    cls: type
    items_min: int = 0
    items_max: int = 500

    def mistake(self, value: Any) -> str | None:
        """Check the type and the number of items."""
        if not isinstance(value, list | tuple):
            return "must be an array"
        if not self.items_min <= len(value) <= self.items_max:
            return f"must have {self.items_min} to {self.items_max} items"
        if not all(isinstance(item, self.cls) for item in value):
            return f"must hold only {self.cls.__name__}"
        return None


def ruled(rule: Rule, *, says: str, default: Any = attrs.NOTHING) -> Any:
    """Declare a field under *rule*; *says* describes it in the API document.

    A field with a default is optional; with the default ``None`` it may be null.
    """
    return attrs.field(default=default, metadata={_RULE: rule, "says": says})


@frozen
class RuledField:
    """A request field as readers and documents need it."""

    name: str
    rule: Rule
    required: bool
    nullable: bool
    default: Any
    says: str


def fields_of(cls: type) -> tuple[RuledField, ...]:
    """List the fields of a request class, in order."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple(
            RuledField(
                name=attribute.name,
                rule=attribute.metadata[_RULE],
                required=attribute.default is attrs.NOTHING,
                nullable=attribute.default is None,
                default=attribute.default,
                says=attribute.metadata["says"],
            )
            for attribute in attrs.fields(cls)
            if _RULE in attribute.metadata
        )
    return known


def check(instance: Any) -> list[Mistake]:
    """Return every mistake in the ruled fields of *instance*."""
    cls = type(instance)
    is_plain = _PLAIN_CHECKS.get(cls)
    if is_plain is None:
        fields = [(field.name, field.rule, field.nullable) for field in fields_of(cls)]
        is_plain = _PLAIN_CHECKS[cls] = plain_check(fields)
    if is_plain(instance):
        return []  # nearly always: this is on the path of every order
    names, values_of, mistakes = _checks_of(cls)
    found = [mistake(value) for mistake, value in zip(mistakes, values_of(instance), strict=True)]
    return [
        Mistake(f"/{name}", wrong)
        for name, wrong in zip(names, found, strict=True)
        if wrong is not None
    ]


def check_values(cls: type, values: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield every mistake in *values*, some fields of a *cls* that cannot be made."""
    names, _, mistakes = _checks_of(cls)
    for name, mistake in zip(names, mistakes, strict=True):
        if name in values:
            wrong = mistake(values[name])
            if wrong is not None:
                yield Mistake(f"/{name}", wrong)


def require(mistakes: list[Mistake]) -> None:
    """Raise ``InvalidInput`` with all *mistakes*, if there are any."""
    if mistakes:
        raise InvalidInput(tuple(mistakes))


def _checks_of(cls: type) -> _Checks:
    """Prepare what every check of a *cls* needs, once."""
    checks = _CHECKS.get(cls)
    if checks is None:
        fields = fields_of(cls)
        names = tuple(field.name for field in fields)
        checks = _CHECKS[cls] = (
            names,
            _values_getter(names),
            tuple(_or_null(f.rule.mistake) if f.nullable else f.rule.mistake for f in fields),
        )
    return checks


def _values_getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Get all values in one call; ``attrgetter`` gives a tuple only for two names or more."""
    if not names:
        return lambda _: ()
    getter = attrgetter(*names)
    return getter if len(names) > 1 else lambda instance: (getter(instance),)


def _or_null(mistake: _Mistaken) -> _Mistaken:
    """Let ``None`` pass."""
    return lambda value: None if value is None else mistake(value)


def _has_control_characters(text: str) -> bool:
    """Tell whether there is a character that databases or terminals choke on.

    NUL and other control characters, except tab and line breaks, and lone surrogates.
    """
    return any(
        unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\n\r"
        for character in text
    )


_FIELDS: dict[type, tuple[RuledField, ...]] = {}
_CHECKS: dict[type, _Checks] = {}
_PLAIN_CHECKS: dict[type, Callable[[Any], bool]] = {}
