"""How far a long command is: one line on standard error, while a person looks on."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_EVERY_S: Final = 0.2


class Progress:
    """Shows a text in place of the one before; wiped away at the end, silent in a pipe."""

    def __init__(self) -> None:
        self._is_watched = sys.stderr.isatty()
        self._next_at = time.monotonic() + _EVERY_S
        self._is_shown = False

    def tell(self, text: str) -> None:
        """Show how far it is by now, if some time has passed since."""
        now = time.monotonic()
        if self._is_watched and now >= self._next_at:
            self._next_at = now + _EVERY_S
            self._is_shown = True
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Give the line to whoever has something to say."""
        if self._is_shown:
            self._is_shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        """Show nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wipe it away."""
        self.clear()
