"""Turns are taken in rotation, and a tenant never has all threads or places."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import count
from time import sleep
from uuid import UUID

import pytest

from oms_core.application.fair_queue import FairQueue
from oms_core.testing.at_once import at_once

ACME, RIVAL, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def nobody() -> None:
    """Begin no thread."""


def filled(queue: FairQueue[str], tenant: UUID, turns: int) -> FairQueue[str]:
    for number in range(turns):
        assert queue.put(tenant, f"{tenant.int}-{number}", nobody)
    return queue


def taken(queue: FairQueue[str], turns: int) -> list[str]:
    found = []
    for _ in range(turns):
        turn = queue.take()
        assert turn is not None
        found.append(turn[1])
    return found


def test_tenants_take_turns_whoever_came_first() -> None:
    queue = filled(FairQueue(threads=8, places=8), ACME, 4)
    filled(queue, RIVAL, 2)

    assert taken(queue, 5) == ["1-0", "2-0", "1-1", "2-1", "1-2"]


def test_a_tenant_that_is_alone_has_all_threads_and_places_that_were_asked_for() -> None:
    queue = FairQueue[str](threads=3, places=5)

    places = 0
    while queue.wait_for_place(ACME, 0):
        filled(queue, ACME, 1)
        places += 1

    assert places == 5
    assert len(taken(queue, 3)) == 3
    assert queue.full() == {ACME}


def test_whoever_comes_late_finds_a_place_and_a_thread() -> None:
    queue = filled(FairQueue(threads=3, places=3), ACME, 3)
    taken(queue, 3)

    assert queue.wait_for_place(RIVAL, 0)
    filled(queue, RIVAL, 1)

    assert taken(queue, 1) == ["2-0"]
    assert queue.full() == {ACME}
    assert queue.wait_for_place(THIRD, 0)


def test_what_is_done_makes_room_again_and_is_forgotten() -> None:
    queue = filled(FairQueue(threads=1, places=1), ACME, 1)
    taken(queue, 1)
    assert not queue.wait_for_place(ACME, 0)

    queue.done(ACME, nobody)

    assert queue.wait_for_place(ACME, 0)
    assert queue.full() == frozenset()
    assert queue.room() == 2


def test_a_thread_begins_only_for_a_turn_that_may_be_taken_and_that_nobody_waits_for() -> None:
    queue = FairQueue[str](threads=2, places=9)
    begun = count()

    def begin() -> None:
        next(begun)
        taken(queue, 1)

    for number in range(5):
        queue.put(ACME, str(number), begin)
    assert next(begun) == 2

    queue.put(RIVAL, "other", begin)
    assert next(begun) == 4


def test_closing_returns_what_waited_and_lets_everybody_go() -> None:
    queue = filled(FairQueue(threads=4, places=4), ACME, 2)
    filled(queue, RIVAL, 1)
    taken(queue, 1)

    left = queue.close()

    assert sorted(left) == ["1-1", "2-0"]
    assert queue.take() is None
    assert not queue.put(ACME, "late", nobody)
    assert not queue.wait_for_place(THIRD, 60)


def test_threads_that_bring_and_take_at_once_lose_nothing() -> None:
    queue = FairQueue[int](threads=4, places=1_000)

    def bring_or_take(number: int) -> list[int]:
        if number < 4:
            for turn in range(100):
                queue.put(UUID(int=number % 3), 100 * number + turn, nobody)
            return []
        found = []
        for _ in range(100):
            taken = queue.take()
            assert taken is not None
            found.append(taken[1])
            queue.done(taken[0], nobody)
        return found

    found = [turn for each in at_once(bring_or_take, range(8)) for turn in each]

    assert sorted(found) == list(range(400))
    assert queue.full() == frozenset()


def test_a_turn_wakes_one_of_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that wakes in vain takes Python's lock from somebody who works."""
    looks = count()
    look = FairQueue._next

    def counted(queue: FairQueue[str]) -> UUID | None:
        next(looks)
        return look(queue)

    monkeypatch.setattr(FairQueue, "_next", counted)
    queue, waiting = FairQueue[str](threads=8, places=8), 8
    with ThreadPoolExecutor(waiting) as threads:
        takers = [threads.submit(queue.take) for _ in range(waiting)]
        while queue._idle < waiting:
            sleep(0.001)
        before = next(looks)

        filled(queue, ACME, 1)
        wait(takers, return_when=FIRST_COMPLETED)
        queue.done(ACME, nobody)
        sleep(0.05)  # for those who were woken in vain
        woken = next(looks) - before - 1
        queue.close()

    assert woken == 1
