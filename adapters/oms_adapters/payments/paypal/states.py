"""What an order's statuses mean in the port's words. One that we do not know is PENDING."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from oms_adapters.payments.paypal.names import order_in_mark
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.ports.payments import PaymentSnapshot

if TYPE_CHECKING:
    from datetime import datetime

    from oms_adapters.payments.paypal.order import Authorization, PaypalOrder

ORDER_STATES: Final[Mapping[str, PaymentState]] = MappingProxyType(
    {
        "CREATED": PaymentState.REQUIRES_ACTION,
        "SAVED": PaymentState.REQUIRES_ACTION,
        "PAYER_ACTION_REQUIRED": PaymentState.REQUIRES_ACTION,
        "APPROVED": PaymentState.CONFIRMABLE,
        "VOIDED": PaymentState.CANCELLED,
    }
)
"""Of an order that nothing was authorized for. A COMPLETED one without anything is PENDING."""

AUTHORIZATION_STATES: Final[Mapping[str, PaymentState]] = MappingProxyType(
    {
        "CREATED": PaymentState.AUTHORIZED,
        "PARTIALLY_CAPTURED": PaymentState.PARTIALLY_CAPTURED,
        "CAPTURED": PaymentState.CAPTURED,
        "VOIDED": PaymentState.CANCELLED,
        "DENIED": PaymentState.DECLINED,
    }
)
_HELD_NOTHING: Final = frozenset({PaymentState.PENDING, PaymentState.DECLINED})


def is_ours_alone(order: PaypalOrder) -> bool:
    """Tell whether the order can still be authorized: its intent is AUTHORIZE.

    We take that intent away from an order that is given up before anything is held.
    """
    return order.intent in {"AUTHORIZE", ""}


def was_given_up(order: PaypalOrder) -> bool:
    """Tell whether it was we who took the intent away, and not a shop that never gave it."""
    return not is_ours_alone(order) and order_in_mark(order.custom_id) is not None


def state_of(order: PaypalOrder, now: datetime) -> PaymentState:
    """Say where the payment stands."""
    held = order.authorization
    if held is not None:
        return _state_of_held(order, held, now)
    if order.captures:
        return _state_of_captured(order)
    state = ORDER_STATES.get(order.status, PaymentState.PENDING)
    if state is not PaymentState.PENDING and not is_ours_alone(order):
        return PaymentState.CANCELLED
    return state


def snapshot_of(order: PaypalOrder, now: datetime) -> PaymentSnapshot:
    """Tell all that the port wants to know."""
    state, held = state_of(order, now), order.authorization
    nothing = Money.zero(order.currency)
    if held is None:
        authorized = order.taken
    elif AUTHORIZATION_STATES.get(held.status, PaymentState.PENDING) in _HELD_NOTHING:
        authorized = nothing
    else:
        authorized = held.amount
    declined = state is PaymentState.DECLINED
    return PaymentSnapshot(
        state=state,
        authorized=authorized,
        captured=order.taken,
        refunded=order.given_back,
        order_id=order.owner,
        expires_at=held.expires_at if held else None,
        provider_id=held.id if held else None,
        reason=((held and held.reason) or "DENIED") if declined else None,
        next_action=order.action_url if state is PaymentState.REQUIRES_ACTION else None,
        raw_status=f"{order.status}/{held.status}" if held else order.status,
    )


def _state_of_held(order: PaypalOrder, held: Authorization, now: datetime) -> PaymentState:
    state = AUTHORIZATION_STATES.get(held.status, PaymentState.PENDING)
    if state in _HELD_NOTHING:
        return state
    if order.taken:
        is_over = (
            not held.is_open
            or held.has_lapsed(now)
            or order.taken >= held.amount
            or any(one.is_final for one in order.captures)
        )
        return PaymentState.CAPTURED if is_over else PaymentState.PARTIALLY_CAPTURED
    if order.being_taken:
        return PaymentState.PENDING
    if state is PaymentState.AUTHORIZED:
        return PaymentState.EXPIRED if held.has_lapsed(now) else state
    # Captured, it says, but by no capture that it shows: not to be guessed at.
    return state if state is PaymentState.CANCELLED else PaymentState.PENDING


def _state_of_captured(order: PaypalOrder) -> PaymentState:
    """Judge an order that the shop itself captured, without an authorization."""
    if order.being_taken:
        return PaymentState.PENDING
    return PaymentState.CAPTURED if order.taken else PaymentState.DECLINED
