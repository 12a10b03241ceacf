"""Whoever looks on hears of every step, holds nobody up, and does not wait in vain."""

import pytest
from attrs import evolve

from oms_core import Order
from oms_core.application.order_watch import OrderWatch
from oms_core.testing import an_order

FAR_AWAY_S = 3600.0


def settled() -> Order:
    order = an_order()
    return evolve(order, saga=evolve(order.saga, paused=True))


def test_an_order_that_has_settled_is_not_waited_for() -> None:
    order = OrderWatch().until_settled(settled, timeout_s=FAR_AWAY_S)

    assert order == settled()


def test_an_order_that_another_process_drives_is_seen_to_settle() -> None:
    """Nobody tells this process: it has to look again by itself."""
    seen = iter([an_order(), an_order(), settled()])

    order = OrderWatch().until_settled(lambda: next(seen), timeout_s=FAR_AWAY_S)

    assert order == settled()


def test_an_order_that_does_not_settle_in_time_comes_as_it_is() -> None:
    order = OrderWatch().until_settled(an_order, timeout_s=0.0)

    assert not order.is_settled


def test_an_observer_that_fails_keeps_no_other_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch, heard = OrderWatch(), list[Order]()

    def fails(_: Order) -> None:
        raise ZeroDivisionError

    watch.add(fails)
    watch.add(heard.append)

    order = an_order()
    watch.tell(order)

    assert heard == [order]
    assert caplog.messages == ["observer failed"]
