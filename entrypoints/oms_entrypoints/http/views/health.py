"""What a server says of itself."""

from __future__ import annotations

from typing import Final, Literal, TypedDict


class HealthView(TypedDict):
    """All is well."""

    status: Literal["ok"]


def health_view() -> HealthView:
    """Show that all is well."""
    return _ALL_IS_WELL


_ALL_IS_WELL: Final[HealthView] = {"status": "ok"}
