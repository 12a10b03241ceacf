"""An inbox in which the process ends at a chosen moment, or which stops answering then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from oms_adapters.inbox.memory import MemoryInbox
from oms_core.ports.inbox import InboxState, ReceivedEvent
from oms_core.ports.payments import PaymentRef, ProviderEvent


class Killed(BaseException):
    """The process ends here and now."""


class DyingInbox(MemoryInbox):
    """Ends the process, or answers nothing, at its *at*-th call: before it or after it."""

    def __init__(
        self, kept: MemoryInbox, at: int, end: type[BaseException], *, after: bool
    ) -> None:
        super().__init__()
        self.kept = kept
        self.left = at
        self.end = end
        self.after = after

    def store(self, provider: str, events: Sequence[ProviderEvent], *, at: datetime) -> int:
        self._die(after=False)
        stored = self.kept.store(provider, events, at=at)
        self._die(after=True)
        return stored

    def of_payment(self, provider: str, ref: PaymentRef) -> Sequence[ReceivedEvent]:
        self._die(after=False)
        found = self.kept.of_payment(provider, ref)
        self._die(after=True)
        return found

    def mark(self, events: Sequence[ReceivedEvent], state: InboxState) -> None:
        self._die(after=False)
        self.kept.mark(events, state)
        self._die(after=True)

    def _die(self, *, after: bool) -> None:
        self.left -= not after
        if self.left == 0 and after is self.after:
            raise self.end


INBOX_CALLS: Final = 5
"""How many a modification at Adyen takes.

Read, note the sending, mark it, note the acceptance, mark it.
"""
