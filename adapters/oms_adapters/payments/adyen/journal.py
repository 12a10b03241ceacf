"""What the adapter itself sent to Adyen, kept beside what Adyen notified.

Adyen cannot be asked what became of a request. So a modification is written down before it is
sent, with its key, and again when Adyen received it: after a crash or a lost answer the same
request is found and sent again under the same key, and what was never written down was never
sent.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import evolve, field, frozen

from oms_core.ports.payments import ProviderEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from oms_core.ports.inbox import ReceivedEvent
    from oms_core.ports.payments import PaymentRef

REFERENCE_CHARACTERS_MAX: Final = 80
"""How long a ``reference`` may be at Adyen."""
_PREFIX: Final = "oms."


class Modification(StrEnum):
    """What can be asked of Adyen for a payment."""

    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"


class Step(StrEnum):
    """How far a request got."""

    SENT = "sent"
    """It may have reached Adyen."""
    ACCEPTED = "accepted"
    """Adyen has received it, and named it."""
    REFUSED = "refused"
    """Adyen has refused it: it had no effect and never will."""


@frozen
class Request:
    """A modification that was, or is about to be, sent to Adyen."""

    modification: Modification
    operation_id: str
    key: str = field(repr=False)
    value: int
    """In Adyen's minor units; 0 for a cancellation, which has no amount."""
    currency: str
    number: int = 1
    """Counts the requests of the operation under this key; another follows a refused one."""
    sent_at: datetime | None = None
    psp: str | None = None
    """Adyen's name for it, once it is known to be accepted."""
    refused: bool = False
    final: bool = True
    """No capture is to follow this one. Only a capture can be followed by another."""

    @property
    def reference(self) -> str:
        """What the request carries, and its notification tells."""
        return reference_of(self.operation_id)

    def event(self, ref: PaymentRef, step: Step, psp: str | None = None) -> ProviderEvent:
        """Write down that the request got as far as *step*."""
        name = "\0".join((ref.reference, self.operation_id, self.key, str(self.number)))
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        facts = {
            "operation_id": self.operation_id,
            "key": self.key,
            "value": str(self.value),
            "currency": self.currency,
            "number": str(self.number),
        }
        if psp is not None:
            facts["psp"] = psp
        if not self.final:
            facts["final"] = "false"
        kind = f"{_PREFIX}{self.modification}.{step}"
        return ProviderEvent(f"{kind}/{digest}", ref, kind, facts=facts)


def reference_of(operation_id: str) -> str:
    """Return the operation's name as Adyen takes it: as it is, unless it is too long."""
    if len(operation_id) <= REFERENCE_CHARACTERS_MAX:
        return operation_id
    return "sha256-" + hashlib.sha256(operation_id.encode()).hexdigest()


def is_ours(event: ProviderEvent) -> bool:
    """Tell what this module wrote from what Adyen notified: no event code has a dot."""
    return event.kind.startswith(_PREFIX)


def requests_in(events: Iterable[ReceivedEvent]) -> tuple[Request, ...]:
    """Read back every request, each as far as it got, in the order of sending."""
    known: dict[tuple[str, str, str, str], Request] = {}
    for received in events:
        event = received.event
        if not is_ours(event):
            continue
        _, modification, step = event.kind.split(".")
        facts = event.facts
        name = (modification, facts["operation_id"], facts["key"], facts["number"])
        request = known.get(name) or Request(
            Modification(modification),
            facts["operation_id"],
            facts["key"],
            int(facts["value"]),
            facts["currency"],
            int(facts["number"]),
            final=facts.get("final") != "false",
        )
        match Step(step):
            case Step.SENT:
                request = evolve(request, sent_at=received.received_at)
            case Step.ACCEPTED:
                request = evolve(request, psp=facts["psp"])
            case Step.REFUSED:
                request = evolve(request, refused=True)
        known[name] = request
    return tuple(known.values())
