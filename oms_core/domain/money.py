"""Money: an integer number of minor units and an ISO 4217 currency. Never a float."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS, exponent_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MINOR_UNITS_MAX: Final = 999_999_999_999_999
"""Largest amount, in minor units: 15 digits, exact in every client's number type."""

_DIGITS_MAX: Final = len(str(MINOR_UNITS_MAX))
_DECIMAL = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,15}))?", re.ASCII)


@frozen
class Money:
    """An exact amount. Arithmetic never rounds and refuses to mix currencies."""

    minor: int
    currency: str = field()

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in *currency*."""
        return cls(0, currency)

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Money:
        """Read an amount in major units, such as ``"19.99"``.

        Raises:
            ValueError: not a plain decimal number, more decimals than the currency has
                (ISO 4217), or too large; the sentence says which.
        """
        text = amount if isinstance(amount, str) else _plain(amount)
        whole, _, decimals = text.partition(".")
        if (
            whole.isdecimal()
            and decimals.isdecimal()
            and text.isascii()
            and len(text) <= _DIGITS_MAX
            and len(decimals) == MINOR_UNIT_EXPONENTS.get(currency)
        ):
            return cls(int(whole + decimals), currency)  # nearly every price: "19.99" in euros
        match = _DECIMAL.fullmatch(text)
        if match is None:
            message = 'must be a plain decimal number of at most 15 digits, such as "19.99"'
            raise ValueError(message)
        sign, whole, decimals = match.groups(default="")
        exponent = exponent_of(currency)
        if len(decimals) > exponent:
            if decimals[exponent:].strip("0"):
                message = f"has more decimals than {currency} has ({exponent})"
                raise ValueError(message)
            decimals = decimals[:exponent]
        minor = int(whole + decimals.ljust(exponent, "0"))
        if minor > MINOR_UNITS_MAX:
            message = "is too large: at most 15 digits, decimals included"
            raise ValueError(message)
        return cls(-minor if sign else minor, currency)

    @property
    def amount(self) -> str:
        """The amount in major units with all its decimals, as it goes on the wire."""
        exponent = exponent_of(self.currency)
        if exponent == 0:
            return str(self.minor)
        sign = "-" if self.minor < 0 else ""
        whole, part = divmod(abs(self.minor), 10**exponent)
        return f"{sign}{whole}.{part:0{exponent}d}"

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def __bool__(self) -> bool:
        return self.minor != 0

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same_currency(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same_currency(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __mul__(self, times: int) -> Money:
        if type(times) is not int:
            return NotImplemented
        return Money(self.minor * times, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same_currency(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same_currency(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same_currency(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same_currency(other)

    def allocate(self, weights: Sequence[int]) -> tuple[Money, ...]:
        """Split over parts in proportion to *weights*; the parts always add up.

        By largest remainder; between equal remainders the earlier part gets the unit.

        Raises:
            ValueError: no weights, a negative one, or all of them zero.
        """
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            message = "allocation needs weights that are not negative and not all zero"
            raise ValueError(message)
        sign = -1 if self.minor < 0 else 1
        shares = [divmod(abs(self.minor) * weight, whole) for weight in weights]
        parts = [quotient for quotient, _ in shares]
        by_remainder = sorted(range(len(parts)), key=lambda i: -shares[i][1])
        for i in by_remainder[: abs(self.minor) - sum(parts)]:
            parts[i] += 1
        return tuple(Money(sign * part, self.currency) for part in parts)

    def _same_currency(self, other: Money) -> int:
        if other.currency != self.currency:
            message = f"cannot mix {self.currency} and {other.currency}"
            raise ValueError(message)
        return other.minor


def _plain(number: int | Decimal) -> str:
    """Write a number without an exponent, refusing what no amount can be.

    A huge exponent is refused before it is written out: ``Decimal("1e999999999")`` would
    otherwise become a gigabyte of zeros.
    """
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        message = 'must be a decimal string such as "19.99", or an exact number'
        raise ValueError(message)  # noqa: TRY004 - the caller's data, not a bug in the caller
    exact = Decimal(number)
    if not exact.is_finite() or abs(exact.adjusted()) > 30:  # noqa: PLR2004 - far beyond any amount
        return "out of range"
    return f"{exact:f}"
