"""Moments as SQLite keeps them: integer microseconds since 1970, exact and sortable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Count the microseconds from 1970 to *moment*, which carries its time zone."""
    return (moment - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the moment in UTC; the exact inverse of :func:`to_microseconds`."""
    return EPOCH + microseconds * _MICROSECOND
