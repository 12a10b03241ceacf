"""The work signal: how a worker hears of orders that others brought, before its next poll."""

from __future__ import annotations

from typing import Protocol


class WorkSignal(Protocol):
    """One listener's ear at the store; ``OrderStorage.listen`` hands it out.

    It tells only *that* there may be work, never which: what is due is asked of the store, by
    whoever heard. So a signal that comes for nothing costs a look, and one that is lost costs a
    poll. Nothing rests on it.

    Promises every adapter keeps:

    * An order that became due and free after ``listen`` returned is soon told of, from
      whichever process it came: it was added without a holder, saved without a lease, or
      released.
    * Between two calls nothing is missed.
    * What a worker does to orders in its hands is no news: busy workers do not wake one another.
    """

    def wait(self, timeout_s: float) -> bool:
        """Wait for news up to *timeout_s* seconds; ``True``: look now.

        Also ``True`` after the connection to the store was lost and is there again, because
        something may have been missed. Called by one thread at a time.

        Raises:
            StoreUnavailable: the store cannot be heard now: wait a little, call again.
        """
        ...

    def close(self) -> None:
        """Stop listening. Repeatable; a ``wait`` under way ends by itself."""
        ...
