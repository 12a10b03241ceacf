"""What a checker found, in words for a person, and what may be done about it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope


class Kind(StrEnum):
    """What can be wrong; stable, for scripts and metrics."""

    ORDER_UNREADABLE = "order_unreadable"
    HISTORY_BROKEN = "history_broken"
    """A gap in the numbers, or an illegal move."""
    STATUS_CONTRADICTS_HISTORY = "status_contradicts_history"
    QUANTITIES_CONTRADICT = "quantities_contradict"
    PAYMENT_CONTRADICTS = "payment_contradicts"
    PAYMENT_DIFFERS = "payment_differs"
    """Order and provider say different things."""
    PAYMENT_NOT_COMPARED = "payment_not_compared"
    PAYMENT_CLAIM_MISSING = "payment_claim_missing"
    PAYMENT_CLAIM_OF_ANOTHER = "payment_claim_of_another"
    """A live order's payment reference is kept for another order, dead, live or gone."""
    PAYMENT_CLAIM_OF_NO_ORDER = "payment_claim_of_no_order"
    DEAD_ORDER_HOLDS_MONEY = "dead_order_holds_money"
    DEAD_ORDER_HOLDS_STOCK = "dead_order_holds_stock"
    STOCK_NOT_PROMISED = "stock_not_promised"
    """A live order whose pieces nobody keeps for it."""
    STOCK_PROMISED_TOO_MUCH = "stock_promised_too_much"
    STOCK_PROMISED_TO_NOBODY = "stock_promised_to_nobody"
    LEDGER_CONTRADICTS_STOCK = "ledger_contradicts_stock"
    RESERVED_CONTRADICTS_PROMISES = "reserved_contradicts_promises"
    STOCK_OVERSOLD = "stock_oversold"
    STOCK_NOT_AUDITED = "stock_not_audited"
    SAGA_OVERDUE = "saga_overdue"
    SAGA_STUCK = "saga_stuck"
    SAGA_UNKNOWN = "saga_unknown"
    LEASE_EXPIRED = "lease_expired"
    OPERATION_FORGOTTEN = "operation_forgotten"
    OPERATION_ABANDONED = "operation_abandoned"
    NOTIFICATIONS_WAITING = "notifications_waiting"
    NOTIFICATION_UNMATCHED = "notification_unmatched"
    EVENTS_LATE = "events_late"
    EVENTS_MISSING = "events_missing"


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something that must always hold does not."""
    WARNING = "warning"
    """It may be about to go wrong, or somebody waits."""


@frozen
class Fix:
    """Something that is safe to do about it, whatever others do meanwhile."""

    says: str
    """What it does, as an infinitive: ``release the stock``."""
    apply: Callable[[], object] = field(repr=False, eq=False)


@frozen
class Finding:
    """One thing that is wrong."""

    kind: Kind
    severity: Severity
    sentence: str
    """What is wrong, and what to do."""
    scope: Scope | None = None
    order_id: UUID | None = None
    subject: str | None = None
    """What it is about if not an order: a stock item, an event, a reservation."""
    fix: Fix | None = None


def about(
    order: Order, kind: Kind, severity: Severity, sentence: str, fix: Fix | None = None
) -> Finding:
    """Make a finding about an order."""
    return Finding(kind, severity, sentence, order.scope, order.id, fix=fix)
