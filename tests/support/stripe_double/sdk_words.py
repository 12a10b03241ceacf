"""The words that Stripe's SDK lists for a field."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any


def sdk_words(cls: type, name: str) -> set[str]:
    """Return the words that the SDK's class lists for its field."""
    return set(_literals(cls.__annotations__[name]))


def _literals(hint: Any) -> Iterator[str]:
    for inner in typing.get_args(hint):
        if isinstance(inner, str):
            yield inner
        else:
            yield from _literals(inner)
