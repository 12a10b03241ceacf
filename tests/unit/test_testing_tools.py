"""What embedders' tests are written with can itself fail."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from oms_core.errors import Conflict, OrderNotFound, PaymentReferenceInUse, StoreUnavailable
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, at_once, refusal


def test_a_simulated_clock_moves_only_when_told() -> None:
    clock = SimulatedClock()

    assert clock.now() == clock.now() == NOON
    assert clock.advance(1.5) == NOON + timedelta(seconds=1.5)
    assert clock.advance_to(NOON) == NOON + timedelta(seconds=1.5)
    assert clock.advance_to(NOON + timedelta(hours=1)) == NOON + timedelta(hours=1)
    assert clock.advance(-3_600) == NOON


def test_a_simulated_clock_tells_the_time_in_utc() -> None:
    east = timezone(timedelta(hours=9))

    clock = SimulatedClock(datetime(2031, 5, 4, 21, 0, tzinfo=east))

    assert clock.now() == datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
    assert clock.now().utcoffset() == timedelta(0)


def test_threads_set_off_together_and_answer_in_order() -> None:
    together = threading.Barrier(8)

    assert at_once(lambda number: (together.wait(30), number)[1], range(8)) == list(range(8))


def test_an_error_in_a_thread_reaches_the_test() -> None:
    with pytest.raises(ZeroDivisionError):
        at_once(lambda number: 1 // number, range(4))


def test_an_expected_refusal_is_returned() -> None:
    error = PaymentReferenceInUse()

    def refuse() -> None:
        raise error

    assert refusal(Conflict, refuse) is error


def test_a_call_that_succeeds_is_no_refusal() -> None:
    with pytest.raises(AssertionError, match="expected OrderNotFound, but the answer was 7"):
        refusal(OrderNotFound, lambda: 7)


def test_another_error_is_no_refusal() -> None:
    def fail() -> None:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        refusal(OrderNotFound, fail)


def test_the_same_names_make_the_same_order() -> None:
    assert a_scope() == a_scope()
    assert an_order() == an_order()
    assert an_order("a").id != an_order("b").id
    assert an_order(scope=a_scope("acme")).id != an_order(scope=a_scope("rival")).id
