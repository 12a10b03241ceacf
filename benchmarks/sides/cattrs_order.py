"""The base of P10: the same request as attrs classes, read by cattrs from orjson.

Written as one would write it without ``oms_core.domain.rules``, and as fast as that gets: cattrs
stops at the first mistake (``detailed_validation=False``), each rule is one plain function, and
strings and integers are read by cattrs' generated code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs
from cattrs.preconf.orjson import make_converter

if TYPE_CHECKING:
    from attrs import Attribute

_AMOUNT: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_SIGNED: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_EXPONENTS: Final = {"EUR": 2, "JPY": 0, "KWD": 3, "USD": 2}
_KINDS: Final = frozenset({"shipping", "tax", "fee", "discount"})

_Validator = Callable[[Any, "Attribute[Any]", Any], None]


def _text(longest: int = 255, shortest: int = 1) -> _Validator:
    def check(_instance: object, attribute: Attribute[Any], value: str | None) -> None:
        if value is None and attribute.default is None:
            return
        if (
            not isinstance(value, str)
            or not shortest <= len(value) <= longest
            or not value.isprintable()
        ):
            message = f"{attribute.name} must have {shortest} to {longest} printable characters"
            raise ValueError(message)

    return check


def _matching(pattern: re.Pattern[str]) -> _Validator:
    def check(_instance: object, attribute: Attribute[Any], value: str | None) -> None:
        if value is None and attribute.default is None:
            return
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            message = f"{attribute.name} must match {pattern.pattern}"
            raise ValueError(message)

    return check


def _quantity(_instance: object, _attribute: Attribute[Any], value: int) -> None:
    if type(value) is not int or not 1 <= value <= 1_000_000:
        message = "quantity must be from 1 to 1,000,000"
        raise ValueError(message)


def _kind(_instance: object, _attribute: Attribute[Any], value: str) -> None:
    if value not in _KINDS:
        message = f"kind must be one of {', '.join(sorted(_KINDS))}"
        raise ValueError(message)


def _metadata(_instance: object, _attribute: Attribute[Any], value: dict[str, str] | None) -> None:
    if value is None:
        return
    if len(value) > 50 or any(
        not 1 <= len(name) <= 64 or not name.isprintable() or len(text) > 500
        for name, text in value.items()
    ):
        message = "metadata must have at most 50 entries of 64 and 500 characters"
        raise ValueError(message)


@attrs.frozen
class Line:
    """One line."""

    sku: str = attrs.field(validator=_text())
    quantity: int = attrs.field(validator=_quantity)
    unit_price: str = attrs.field(validator=_matching(_AMOUNT))
    name: str | None = attrs.field(default=None, validator=_text())
    location: str | None = attrs.field(default=None, validator=_text())


@attrs.frozen
class Adjustment:
    """Shipping, tax, a fee or a discount."""

    kind: str = attrs.field(validator=_kind)
    amount: str = attrs.field(validator=_matching(_SIGNED))
    label: str | None = attrs.field(default=None, validator=_text())


@attrs.frozen
class Address:
    """Where the goods go."""

    name: str = attrs.field(validator=_text())
    line1: str = attrs.field(validator=_text())
    city: str = attrs.field(validator=_text())
    country: str = attrs.field(validator=_text(2, 2))
    line2: str | None = attrs.field(default=None, validator=_text())
    region: str | None = attrs.field(default=None, validator=_text())
    postal_code: str | None = attrs.field(default=None, validator=_text())
    phone: str | None = attrs.field(default=None, validator=_text(50))


@attrs.frozen
class OrderRequest:
    """The whole request; ``total_minor`` adds it up exactly, as ours does."""

    idempotency_key: str = attrs.field(validator=_text())
    payment_provider: str = attrs.field(validator=_text(64))
    payment_reference: str = attrs.field(validator=_text())
    channel: str = attrs.field(validator=_text())
    line_items: list[Line]
    platform: str | None = attrs.field(default=None, validator=_text())
    customer_id: str | None = attrs.field(default=None, validator=_matching(_UUID))
    currency: str = attrs.field(default="USD", validator=_text(3, 3))
    adjustments: list[Adjustment] = attrs.field(factory=list)
    shipping_address: Address | None = None
    metadata: dict[str, str] | None = attrs.field(default=None, validator=_metadata)
    total_minor: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Check what no field can check alone: the currency's decimals and the total."""
        if not 1 <= len(self.line_items) <= 500 or len(self.adjustments) > 100:
            message = "line_items must have 1 to 500 items, adjustments at most 100"
            raise ValueError(message)
        exponent = _EXPONENTS[self.currency]
        total = sum(line.quantity * _minor(line.unit_price, exponent) for line in self.line_items)
        total += sum(_minor(item.amount, exponent) for item in self.adjustments)
        if total < 0:
            message = "the total is negative"
            raise ValueError(message)
        object.__setattr__(self, "total_minor", total)


def _minor(amount: str, exponent: int) -> int:
    whole, _, decimals = amount.partition(".")
    if len(decimals) > exponent:
        message = f"{amount} has more than {exponent} decimals"
        raise ValueError(message)
    return int(whole + decimals.ljust(exponent, "0"))


for _cls in (Line, Adjustment, Address, OrderRequest):
    attrs.resolve_types(_cls)

_CONVERTER: Final = make_converter(detailed_validation=False, forbid_extra_keys=True)


def read_order(body: bytes) -> OrderRequest:
    """Turn the bytes of a body into a validated order."""
    return _CONVERTER.loads(body, OrderRequest)
