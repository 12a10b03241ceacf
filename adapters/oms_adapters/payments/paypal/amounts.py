"""Amounts as PayPal writes them: decimal strings, with decimals of its own.

PayPal: currency codes of the REST API. Its forint and its Taiwan dollar have no decimals,
those of ISO 4217 have two; so an amount that has some is refused, never rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.money import Money
from oms_core.errors import InvalidInput, InvalidRequest

_WITH_CENTS: Final = (
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN RUB SEK SGD THB USD"
)
_WITHOUT: Final = "HUF JPY TWD"

DECIMALS: Final[Mapping[str, int]] = MappingProxyType(
    {**dict.fromkeys(_WITH_CENTS.split(), 2), **dict.fromkeys(_WITHOUT.split(), 0)}
)
"""The currencies that PayPal takes, and how many decimals it writes."""


def write_amount(amount: Money) -> dict[str, str]:
    """Write a positive amount as PayPal's ``money`` object, worth exactly the same.

    Raises:
        InvalidRequest: PayPal has no such currency or no such fraction, or it is nothing.
    """
    decimals = DECIMALS.get(amount.currency)
    if decimals is None:
        raise InvalidRequest(reason="currency_not_supported")
    if amount.minor <= 0:
        raise InvalidRequest(reason="amount_out_of_range")
    surplus = 10 ** (MINOR_UNIT_EXPONENTS[amount.currency] - decimals)
    units, rest = divmod(amount.minor, surplus)
    if rest:
        raise InvalidRequest(reason="decimals_not_supported")
    whole, fraction = divmod(units, 10**decimals)
    value = f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole)
    return {"currency_code": amount.currency, "value": value}


def read_amount(document: object) -> Money:
    """Read PayPal's ``money`` object.

    Raises:
        ValueError: it is none, or not exact in a currency of ISO 4217.
    """
    if not isinstance(document, Mapping):
        raise ValueError("an amount is no object")  # noqa: TRY004 - all that is unreadable is one
    value, currency = document.get("value"), document.get("currency_code")
    if not isinstance(value, str) or not isinstance(currency, str):
        raise ValueError("an amount without value or currency")  # noqa: TRY004 - likewise
    try:
        return Money.of(value, currency)
    except InvalidInput as unknown:
        raise ValueError("an amount in an unknown currency") from unknown
