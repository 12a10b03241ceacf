"""Alternated rounds: ours and its base take turns, so that a disturbance meets both."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


def alternated(count: int, sides: Mapping[str, Callable[[], T]]) -> dict[str, tuple[T, ...]]:
    """Measure every side once a round, *count* rounds; return what each side measured.

    Every other round goes backwards, so that nobody always comes first.
    """
    taken: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(1, count + 1):
        names = list(sides) if number % 2 else list(sides)[::-1]
        for name in names:
            tell(f"round {number} of {count}: {name}")
            taken[name].append(sides[name]())
    return {name: tuple(values) for name, values in taken.items()}


def tell(what: str) -> None:
    """Show what is being done, on standard error: standard output is for the figures."""
    print(f"  … {what}", file=sys.stderr, flush=True)
