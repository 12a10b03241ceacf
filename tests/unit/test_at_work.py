"""Few work at once, and whoever waits for somebody outside is not one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier, Lock, Thread
from time import sleep

import pytest

from oms_core.application.at_work import AtWork, away
from oms_core.testing.at_once import at_once


class Crowd:
    """Counts how many are in it at once."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        yield
        with self._lock:
            self._now -= 1


def test_no_more_work_at_once_than_there_are_places() -> None:
    at_work, crowd = AtWork(3), Crowd()

    def work(_: int) -> None:
        with at_work.place(), crowd.one():
            sleep(0.002)

    at_once(work, range(12))

    assert crowd.most == 3


def test_all_may_be_away_at_once_and_come_back_to_a_place() -> None:
    at_work, crowd, outside = AtWork(2), Crowd(), Barrier(12)

    def work(_: int) -> None:
        with at_work.place():
            with away():
                outside.wait(30)
            with crowd.one():
                sleep(0.002)

    at_once(work, range(12))

    assert crowd.most == 2


def test_an_error_gives_the_place_to_others() -> None:
    at_work = AtWork(1)

    for _ in range(3):
        with pytest.raises(ConnectionError), at_work.place(), away():
            raise ConnectionError
        with pytest.raises(ValueError, match="at work"), at_work.place():
            raise ValueError("at work")

    with at_work.place():
        pass


def test_whoever_has_no_place_has_none_to_leave() -> None:
    at_work = AtWork(1)

    def ask() -> None:
        with away():
            pass

    with at_work.place():
        asking = Thread(target=ask)
        asking.start()
        asking.join(30)
        assert not asking.is_alive()

    with away():
        pass
    with at_work.place():
        pass


def test_whoever_is_away_leaves_nothing_more() -> None:
    at_work, crowd = AtWork(1), Crowd()

    def work(_: int) -> None:
        with at_work.place(), away(), away(), at_work.place(), crowd.one():
            sleep(0.002)

    at_once(work, range(6))

    assert crowd.most == 1
