"""A shop whose payment provider answers what the test says, and what its orders come to."""

from attrs import evolve

from oms_core import Change, Order
from oms_core.domain.payment import PaymentState
from oms_core.errors import OutcomeUnknown
from tests.support.scripted_payments import ScriptedPayments, a_snapshot
from tests.support.shop import DRUM, Shop

TOTAL = 5_997
CONFIRMABLE = a_snapshot(PaymentState.CONFIRMABLE)
AUTHORIZED = a_snapshot(PaymentState.AUTHORIZED, authorized=TOTAL)
ACTION = evolve(a_snapshot(PaymentState.REQUIRES_ACTION), next_action="https://3ds.example")
CANCELLED = a_snapshot(PaymentState.CANCELLED)
LOST = OutcomeUnknown("read_timeout")


def a_shop(payments: ScriptedPayments, **more: object) -> Shop:
    return Shop(providers={"simulated": payments}, **more)  # type: ignore[arg-type]


def changes(order: Order) -> list[Change]:
    return [entry.change for entry in order.history]


def nothing_is_held(shop: Shop) -> bool:
    """I7: no piece is reserved and no money is held or kept."""
    audit = shop.audit()
    return (shop.level().reserved, shop.level(DRUM).reserved) == (0, 0) and (
        audit is None or (not audit.live_authorizations and audit.captured == audit.refunded)
    )
