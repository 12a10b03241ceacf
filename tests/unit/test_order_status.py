"""The table of statuses is the design's, and nothing else."""

import pytest

from oms_core import OrderStatus
from oms_core.domain.order_status import TRANSITIONS

DESIGN = """
pending_payment     -> payment_authorized cancelled failed
payment_authorized  -> confirmed cancelled failed
confirmed           -> processing cancelled
processing          -> partially_fulfilled fulfilled cancelled
partially_fulfilled -> fulfilled
fulfilled           -> delivered
delivered           -> completed return_requested
completed           -> return_requested refunded partially_refunded
return_requested    -> partially_returned returned completed
partially_returned  -> returned partially_refunded refunded
returned            -> refunded partially_refunded
partially_refunded  -> refunded
cancelled           ->
failed              ->
refunded            ->
"""


def as_designed() -> dict[str, set[str]]:
    rows = (line.split("->") for line in DESIGN.strip().splitlines())
    return {before.strip(): set(after.split()) for before, after in rows}


def test_the_table_is_the_designs() -> None:
    table = {str(before): {str(s) for s in after} for before, after in TRANSITIONS.items()}

    assert as_designed() == table
    assert len(table) == 15


def test_every_status_has_a_row() -> None:
    assert set(OrderStatus) == set(TRANSITIONS)


def test_final_is_what_nothing_leads_out_of() -> None:
    final = {status for status in OrderStatus if status.is_final}

    assert final == {OrderStatus.CANCELLED, OrderStatus.FAILED, OrderStatus.REFUNDED}


def test_dead_is_final_without_goods_or_money() -> None:
    dead = {status for status in OrderStatus if status.is_dead}

    assert dead == {OrderStatus.CANCELLED, OrderStatus.FAILED}


def test_no_status_leads_to_itself_and_every_status_can_be_reached() -> None:
    reached = {OrderStatus.PENDING_PAYMENT}
    for _ in OrderStatus:
        reached |= {after for before in reached for after in TRANSITIONS[before]}

    assert reached == set(OrderStatus)
    assert all(status not in after for status, after in TRANSITIONS.items())


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[OrderStatus.FAILED] = frozenset()  # type: ignore[index]
