"""How long something may take before a checker speaks of it."""

from __future__ import annotations

from attrs import frozen


@frozen
class Patience:
    """All in seconds; longer than anything takes while workers run."""

    overdue_s: float = 900.0
    """A saga that is due, and that nobody has claimed."""
    lease_s: float = 900.0
    """A lease that ran out, and that nobody has taken over."""
    stuck_s: float = 86_400.0
    """An order that waits for a person."""
    notification_s: float = 900.0
    """A provider's notification that nobody has applied."""
    event_s: float = 900.0
    """An event that has not left."""
