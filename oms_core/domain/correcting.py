"""Taking over what the payment provider says where the order says something else.

Provider truth wins: money moved by hand, a notification that was lost, a hold that lapsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from oms_core.domain.capturing import status_of
from oms_core.domain.events import Change
from oms_core.domain.payment import PaymentState, PaymentStatus

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.domain.events import Fact
    from oms_core.domain.money import Money
    from oms_core.domain.order import Order

_HOLDS_NOTHING = frozenset({PaymentState.CANCELLED, PaymentState.EXPIRED, PaymentState.DECLINED})


@frozen
class Difference:
    """One thing that order and provider say differently."""

    what: str
    """``captured``, ``refunded`` or ``hold``."""
    order_says: str
    provider_says: str

    def __str__(self) -> str:
        return f"{self.what}: the order says {self.order_says}, the provider {self.provider_says}"


def differences(
    order: Order, state: PaymentState, captured: Money, refunded: Money
) -> tuple[Difference, ...]:
    """Compare a confirmed order with what its provider says.

    What the order has under way is not a difference: its end is recorded by whoever began it.
    """
    payment = order.payment
    found = []
    if any(one.state.is_open for one in payment.captures) or any(
        one.state.is_open for one in payment.refunds
    ):
        return ()
    if captured != payment.captured:
        found.append(Difference("captured", str(payment.captured), str(captured)))
    if refunded != payment.refunded:
        found.append(Difference("refunded", str(payment.refunded), str(refunded)))
    believes_held = payment.status is PaymentStatus.AUTHORIZED
    if believes_held and state in _HOLDS_NOTHING:
        found.append(Difference("hold", "authorized", state.value))
    return tuple(found)


def correct(
    order: Order, state: PaymentState, captured: Money, refunded: Money, *, at: datetime
) -> Order:
    """Record what the provider says, if it says something else than the order."""
    found = differences(order, state, captured, refunded)
    if not found:
        return order
    payment = evolve(order.payment, captured=captured, refunded=refunded)
    if captured or refunded:
        payment = evolve(payment, status=status_of(payment, order.total))
    if any(one.what == "hold" for one in found) and not captured:
        return order.with_change(
            Change.AUTHORIZATION_LAPSED,
            at=at,
            facts={"state": state.value},
            payment=evolve(payment, status=PaymentStatus.VOIDED, authorization=None),
        )
    facts: dict[str, Fact] = {
        "captured": captured.amount,
        "refunded": refunded.amount,
        "currency": order.currency,
    }
    return order.with_change(Change.PAYMENT_CORRECTED, at=at, facts=facts, payment=payment)
