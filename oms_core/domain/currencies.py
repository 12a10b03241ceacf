"""The active currencies of ISO 4217 and their minor units, as published on 2026-01-01.

Metals, bond market units, the special drawing right and the codes for "test" and "none" have
no minor unit in the standard, so no amount can be given in them; they are left out.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from oms_core.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
        CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
        GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
        LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
        NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
        SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
        XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

MINOR_UNIT_EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()}
)
"""Alphabetic code → how many decimals an amount has: JPY 0, USD 2, KWD 3, CLF 4."""


def exponent_of(code: str) -> int:
    """Say how many decimals an amount in the currency *code* has, from 0 to 4.

    Raises:
        InvalidInput: not an active currency with a minor unit; codes are three capital letters.
    """
    exponent = MINOR_UNIT_EXPONENTS.get(code)
    if exponent is None:
        raise InvalidInput([Mistake("/currency", _unknown(code))])
    return exponent


def _unknown(code: str) -> str:
    """Name the remedy, and repeat the code only if it can be one: it may come from outside."""
    if len(code) == 3 and code.isascii() and code.isalpha():  # noqa: PLR2004 - ISO 4217 codes
        if code.upper() in MINOR_UNIT_EXPONENTS:
            return f"must be in capital letters: {code.upper()}"
        return f"{code} is not an active ISO 4217 currency with a minor unit"
    return "must be the three capital letters of an ISO 4217 currency, such as USD"
