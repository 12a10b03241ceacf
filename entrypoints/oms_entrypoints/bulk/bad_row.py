"""A line of a file that is imported, if it cannot be."""

from __future__ import annotations

from attrs import frozen


@frozen
class BadRow:
    """A line that cannot be imported, and all that is wrong with it."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
