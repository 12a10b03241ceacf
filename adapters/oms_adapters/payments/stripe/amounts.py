"""Stripe's numbers for amounts, which are not always ISO 4217's.

Stripe: "Supported currencies", with its lists of zero-decimal and three-decimal currencies and its
special cases. A number that is a hundred times too large is a valid request, so nothing is left
to a general rule: a currency that is not listed here is refused.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS, exponent_of
from oms_core.domain.money import Money
from oms_core.errors import InvalidRequest, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES_BY_DECIMALS: Final = {
    0: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF
        CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL
        HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT
        MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
        RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD UYU
        UZS WST XCD XCG YER ZAR ZMW
    """,
    3: "BHD JOD KWD OMR TND",
}

DECIMALS: Final[Mapping[str, int]] = MappingProxyType(
    {code: decimals for decimals, codes in _CODES_BY_DECIMALS.items() for code in codes.split()}
)
"""ISO code → how many decimals the whole number in a request stands for."""

STEPS: Final[Mapping[str, int]] = MappingProxyType(
    {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}
)
"""ISO code → what a number must be divisible by: no decimals in truth, or two of the three."""


def to_stripe(money: Money) -> int:
    """Return the number that is worth exactly *money* at Stripe.

    Raises:
        InvalidRequest: not more than nothing, a currency that Stripe does not take, or an
            amount for which Stripe has no number. Nothing is rounded.
    """
    if money.currency not in DECIMALS:
        raise InvalidRequest(reason="currency_not_supported")
    if money.minor <= 0:
        raise InvalidRequest(reason="amount_out_of_range")
    shift = DECIMALS[money.currency] - exponent_of(money.currency)
    number, rest = _shifted(money.minor, shift)
    if rest or number % STEPS.get(money.currency, 1):
        raise InvalidRequest(reason="amount_not_representable")
    return number


def from_stripe(number: int, currency: str) -> Money:
    """Return what Stripe's *number* is worth. *currency* is in small letters, as Stripe says it.

    Raises:
        InvalidRequest: a currency that is not ISO 4217's, so that the payment cannot be for
            any order.
        OutcomeUnknown: a worth that does not exist, such as half a crown of Iceland.
    """
    code = currency.upper()
    if code not in MINOR_UNIT_EXPONENTS:
        raise InvalidRequest(reason="currency_not_supported")
    shift = exponent_of(code) - DECIMALS.get(code, exponent_of(code))
    minor, rest = _shifted(number, shift)
    if rest:
        raise OutcomeUnknown(reason="unreadable_answer")
    return Money(minor, code)


def _shifted(number: int, decimals: int) -> tuple[int, int]:
    """Multiply by ten to the power of *decimals*; returns a whole number and what is left over."""
    factor: int = 10 ** abs(decimals)
    return (number * factor, 0) if decimals >= 0 else divmod(number, factor)
