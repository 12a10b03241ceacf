"""One line on standard error that tells how far a long command is, while somebody watches."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EVERY_S: Final = 0.2


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give a function that shows a text in place of the one before; silent without a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    shown_at = 0.0

    def tell(text: str) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if now - shown_at >= _EVERY_S:
            shown_at = now
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
