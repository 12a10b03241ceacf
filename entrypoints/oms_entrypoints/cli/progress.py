"""How far a long walk is: one line at a terminal, and nothing in a pipe."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_EVERY_S: Final = 0.2


class Progress:
    """Shows a count on standard error while a person looks on; wiped away at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_watched = sys.stderr.isatty()
        self._next_at = time.monotonic() + _EVERY_S
        self._is_shown = False

    def show(self, count: int) -> None:
        """Show how many there are by now."""
        now = time.monotonic()
        if self._is_watched and now >= self._next_at:
            self._next_at = now + _EVERY_S
            self._is_shown = True
            print(f"\r{count} {self._what} ", end="", file=sys.stderr, flush=True)  # noqa: T201 - this is where it is printed

    def clear(self) -> None:
        """Give the line to whoever has something to say."""
        if self._is_shown:
            self._is_shown = False
            print("\r\033[K", end="", file=sys.stderr, flush=True)  # noqa: T201 - likewise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
