"""What somebody probably meant to write."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(wrong: str, right: Iterable[str], *, within: str = "") -> str:
    """Return ``"; did you mean x?"`` if one of *right* is much like *wrong*, else nothing.

    *within* stands before the answer: the table that holds the name.
    """
    close = get_close_matches(wrong.lower(), list(right), n=1, cutoff=0.6)
    return f"; did you mean {within}{close[0]}?" if close else ""
