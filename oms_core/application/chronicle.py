"""Everything that is known of an order's life, in one list, for whoever asks what happened.

Its history holds the changes; its sagas know what was tried, its operations what was asked, and
the inbox what the payment provider notified.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from oms_core.domain.events import Change
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from oms_core.domain.events import Fact, HistoryEntry
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order
    from oms_core.domain.order_status import OrderStatus
    from oms_core.domain.saga_position import SagaPosition
    from oms_core.ports.inbox import ReceivedEvent

PROVIDER: Final = "payment_provider"
"""The actor of what the payment provider notified."""


class ChronicleKind(StrEnum):
    """Where an entry comes from."""

    CHANGE = "change"
    """The order changed by itself."""
    ACTION = "action"
    """Somebody asked for something or decided something."""
    PROVIDER = "provider"
    """The payment provider answered, and the order changed."""
    ATTEMPT = "attempt"
    """All attempts at one step of a saga, folded together; it stands where the last one ended."""
    NOTIFICATION = "notification"
    """The payment provider notified something."""


@frozen
class ChronicleEntry:
    """One thing that happened."""

    at: datetime
    kind: ChronicleKind
    what: str
    """The change, the operation, the step, or the provider's word for it."""
    actor: str
    """``system``, ``payment_provider``, or who called."""
    status_before: OrderStatus | None = None
    status_after: OrderStatus | None = None
    facts: Mapping[str, Fact] = field(factory=dict)
    """Codes and ids, never secrets."""


_ANSWERS: Final = frozenset(
    {
        Change.CUSTOMER_ACTION_REQUIRED,
        Change.PAYMENT_PENDING,
        Change.PAYMENT_AUTHORIZED,
        Change.PAYMENT_REFUSED,
        Change.PAYMENT_RELEASED,
        Change.PAYMENT_CAPTURED,
        Change.CAPTURE_REJECTED,
        Change.PAYMENT_REFUNDED,
        Change.REFUND_PENDING,
        Change.REFUND_REJECTED,
        Change.PAYMENT_CORRECTED,
        Change.AUTHORIZATION_RENEWED,
        Change.AUTHORIZATION_LAPSED,
    }
)
"""Changes that record what the payment provider said."""
_WITHOUT_A_CHANGE: Final = frozenset({OperationKind.CAPTURE, OperationKind.RECEIVE_RETURN})
"""To ask for these changes nothing yet, so the history does not tell who asked, and when."""


def chronicle_of(order: Order, notified: Sequence[ReceivedEvent]) -> tuple[ChronicleEntry, ...]:
    """Return all entries, oldest first.

    Changes keep the order of the history, whatever the clocks of the machines that made them
    say: one that seems older than the one before stands where that one stands.
    """
    entries: list[tuple[datetime, ChronicleEntry]] = []
    latest = order.created_at
    for change in order.history:
        latest = max(latest, change.at)
        entries.append((latest, _of_history(change)))
    others = [
        *(entry for one in order.operations for entry in _of_operation(one)),
        *(entry for saga in (*order.past_sagas, order.saga) for entry in _of_saga(saga)),
        *(_of_notification(one) for one in notified),
    ]
    entries += [(entry.at, entry) for entry in others]
    # Stable: of one moment, changes come first.
    return tuple(entry for _, entry in sorted(entries, key=lambda pair: pair[0]))


def _of_history(entry: HistoryEntry) -> ChronicleEntry:
    kind = ChronicleKind.CHANGE
    if entry.actor != SYSTEM:
        kind = ChronicleKind.ACTION
    elif entry.change in _ANSWERS:
        kind = ChronicleKind.PROVIDER
    return ChronicleEntry(
        entry.at,
        kind,
        entry.change.value,
        entry.actor,
        entry.status_before,
        entry.status_after,
        entry.facts,
    )


def _of_operation(operation: Operation) -> Iterator[ChronicleEntry]:
    facts: dict[str, Fact] = {"operation_id": str(operation.id)}
    if operation.actor != SYSTEM and operation.kind in _WITHOUT_A_CHANGE:
        about = {"return_id": str(operation.subject)} if operation.subject else {}
        yield ChronicleEntry(
            operation.requested_at,
            ChronicleKind.ACTION,
            f"{operation.kind}_requested",
            operation.actor,
            facts={**facts, **about},
        )
    if operation.state is OperationState.REFUSED and operation.ended_at is not None:
        if operation.refusal is not None:
            facts["code"] = operation.refusal.code
            facts["message"] = operation.refusal.message
        yield ChronicleEntry(
            operation.ended_at,
            ChronicleKind.CHANGE,
            f"{operation.kind}_refused",
            SYSTEM,
            facts=facts,
        )


def _of_saga(saga: SagaPosition) -> Iterator[ChronicleEntry]:
    for journal in saga.journal:
        facts: dict[str, Fact] = {
            "saga": saga.name,
            "action": journal.action,
            "outcome": journal.outcome,
            "attempts": journal.attempts,
            "first_at": journal.first_at.isoformat(),
        }
        if journal.error is not None:
            facts["error"] = journal.error
        if saga.operation is not None:
            facts["operation_id"] = str(saga.operation)
        yield ChronicleEntry(
            journal.last_at, ChronicleKind.ATTEMPT, journal.step, SYSTEM, facts=facts
        )


def _of_notification(received: ReceivedEvent) -> ChronicleEntry:
    facts: dict[str, Fact] = {
        "provider": received.provider,
        "event_id": received.event.event_id,
        "state": received.state.value,
    }
    if received.event.occurred_at is not None:
        facts["occurred_at"] = received.event.occurred_at.isoformat()
    return ChronicleEntry(
        received.received_at,
        ChronicleKind.NOTIFICATION,
        received.event.kind,
        PROVIDER,
        facts=facts,
    )
