"""Amounts as Adyen counts them: whole numbers of its own minor units.

Source: Adyen, "Currency codes and minor units", where they differ from ISO 4217.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

DIFFERING: Final[Mapping[str, int]] = MappingProxyType({"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2})
"""Decimals at Adyen of the currencies for which it does not follow the standard."""

DECIMALS: Final[Mapping[str, int]] = MappingProxyType({**MINOR_UNIT_EXPONENTS, **DIFFERING})
"""Decimals of every currency, as Adyen counts."""


def value_of(amount: Money) -> int:
    """Return *amount* in Adyen's minor units.

    Raises:
        InvalidRequest: nothing or less, too large, or not a whole number of Adyen's minor
            units (0.50 IDR): it would have to be rounded.
    """
    decimals = DECIMALS.get(amount.currency)
    if decimals is None:
        raise InvalidRequest(reason="unknown_currency")
    if not 0 < amount.minor <= MINOR_UNITS_MAX:
        raise InvalidRequest(reason="amount_out_of_range")
    value, rest = _scaled(amount.minor, decimals - MINOR_UNIT_EXPONENTS[amount.currency])
    if rest:
        raise InvalidRequest(reason="amount_not_representable")
    return value


def from_adyen(value: int, currency: str) -> Money:
    """Read an amount that Adyen tells.

    Raises:
        ValueError: not an amount that the standard can express (10.50 CLP), or not an active
            currency of it.
    """
    decimals = DECIMALS.get(currency)
    if decimals is None:
        raise ValueError("not an active currency")
    minor, rest = _scaled(value, MINOR_UNIT_EXPONENTS[currency] - decimals)
    if rest or not 0 <= minor <= MINOR_UNITS_MAX:
        raise ValueError("not a whole number of minor units")
    return Money(minor, currency)


def _scaled(number: int, places: int) -> tuple[int, int]:
    """Move the decimal point by *places*; return what is whole, and what would be lost."""
    return (number * 10**places, 0) if places >= 0 else divmod(number, int(10**-places))
