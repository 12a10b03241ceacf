"""Words of Stripe's that may be repeated in journals and logs."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_DIGITS_MAX: Final = 8


def word(said: object, otherwise: str) -> str:
    """Return a code as Stripe *said* it, if it looks like one.

    Messages are never repeated: they quote keys, cards and names. A code is small letters and
    underscores, and has too few digits to be a card number.
    """
    if isinstance(said, str) and _WORD.fullmatch(said) and _digits(said) <= _DIGITS_MAX:
        return said
    return otherwise


def _digits(text: str) -> int:
    return sum(one.isdigit() for one in text)
