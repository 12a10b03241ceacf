"""Those who write at the same moment share a command, and nobody depends on another."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from threading import Event
from time import sleep

import pytest

from oms_adapters.storage.mongodb import shared_writes
from oms_adapters.storage.mongodb.shared_writes import AT_ONCE, TOGETHER_MAX, SharedWrites
from oms_core.testing.at_once import at_once
from tests.support.eventually import eventually


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a second is soon over."""
    monkeypatch.setattr(shared_writes, "PATIENCE_S", 30)


class Server:
    """Does what it is sent, and remembers it."""

    def __init__(self) -> None:
        self.commands: list[list[int]] = []
        self.effects: Counter[int] = Counter()
        self.answers: Callable[[Sequence[int]], Iterable[int]] = lambda writes: range(len(writes))

    def send(self, writes: Sequence[int]) -> Iterable[int]:
        self.commands.append(list(writes))
        certain = self.answers(writes)
        self.effects.update(writes)
        return certain

    def alone(self, write: int) -> str:
        """Have one effect however often it is asked."""
        sleep(0.0005)
        self.commands.append([write])
        self.effects[write] |= 1
        return f"alone: {write}"


@contextmanager
def crowd(server: Server, writes: Iterable[int]) -> Iterator[list[Future[str | None]]]:
    """Let so many callers come while all turns are taken; one turn is free when the block ends."""
    shared, one_is_over, all_are_over = SharedWrites(server.send), Event(), Event()
    with ThreadPoolExecutor(64) as threads:
        over = [one_is_over, *([all_are_over] * (AT_ONCE - 1))]
        first = [threads.submit(shared.make, 0, partial(each.wait, 30)) for each in over]
        eventually(lambda: shared._under_way == AT_ONCE)
        others: list[Future[str | None]] = []
        for write in writes:
            others.append(threads.submit(shared.make, write, partial(server.alone, write)))
            eventually(lambda: len(shared._queue) == len(others) or others[-1].done())
        try:
            yield others
        finally:
            one_is_over.set()
            wait(others, 30)
            all_are_over.set()
        assert all(each.result(30) for each in first)
    assert shared._under_way == len(shared._queue) == 0


def test_whoever_is_alone_writes_at_once_and_alone() -> None:
    server = Server()

    assert SharedWrites(server.send).make(1, lambda: server.alone(1)) == "alone: 1"
    assert server.commands == [[1]]


def test_those_who_wait_share_a_command() -> None:
    server = Server()

    with crowd(server, range(1, 6)) as callers:
        pass

    assert [caller.result() for caller in callers] == [None] * 5
    assert server.commands == [[1, 2, 3, 4, 5]]


def test_a_command_is_not_endless() -> None:
    server = Server()
    shared = SharedWrites(server.send)
    shared._queue.extend(shared_writes._Caller(write) for write in range(2 * TOGETHER_MAX))

    shared.make(-1, lambda: None)

    assert [len(command) for command in server.commands] == [TOGETHER_MAX]


def test_what_is_not_certain_is_done_again_alone() -> None:
    server = Server()
    server.answers = lambda writes: [place for place, write in enumerate(writes) if write != 2]

    with crowd(server, range(1, 5)) as callers:
        pass

    assert [caller.result() for caller in callers] == [None, "alone: 2", None, None]
    assert server.commands == [[1, 2, 3, 4], [2]]


def test_when_a_command_fails_each_finds_out_for_itself() -> None:
    server = Server()

    def fail(_: Sequence[int]) -> Iterable[int]:
        raise ConnectionError

    server.answers = fail

    with crowd(server, range(1, 4)) as callers:
        pass

    assert [caller.result() for caller in callers] == ["alone: 1", "alone: 2", "alone: 3"]


def test_an_error_is_told_to_its_own_caller_only() -> None:
    server = Server()

    def refuse() -> None:
        raise ValueError("refused")

    shared = SharedWrites(server.send)
    with pytest.raises(ValueError, match="refused"):
        shared.make(1, refuse)

    assert shared.make(2, lambda: server.alone(2)) == "alone: 2"


def test_nobody_waits_long_for_a_server_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_writes, "PATIENCE_S", 0.01)
    server = Server()

    with crowd(server, [1]) as (caller,):
        # While those before it still wait for their answers.
        assert caller.result(30) == "alone: 1"

    assert server.commands == [[1]]


class Interrupted(BaseException):
    """Ctrl-C."""


def test_whoever_is_interrupted_holds_nobody_up() -> None:
    server = Server()
    shared = SharedWrites(server.send)

    def interrupt() -> None:
        raise Interrupted

    for _ in range(AT_ONCE + 1):
        with pytest.raises(Interrupted):
            shared.make(1, interrupt)

    assert shared.make(2, lambda: server.alone(2)) == "alone: 2"


def test_a_sender_who_is_interrupted_leaves_the_others_to_themselves() -> None:
    server = Server()

    def interrupt(_: Sequence[int]) -> Iterable[int]:
        raise Interrupted

    server.answers = interrupt

    with crowd(server, range(1, 4)) as callers:
        pass

    with pytest.raises(Interrupted):
        callers[0].result()
    assert [caller.result() for caller in callers[1:]] == ["alone: 2", "alone: 3"]


def test_under_load_every_write_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_writes, "PATIENCE_S", 0.01)
    server = Server()

    def now_and_then(writes: Sequence[int]) -> Iterable[int]:
        sleep(0.0005)
        if writes[0] % 7 == 0:
            raise ConnectionError
        return [place for place, write in enumerate(writes) if write % 5]

    server.answers = now_and_then
    shared = SharedWrites(server.send)

    def write_many(caller: int) -> None:
        for number in range(50):
            write = 50 * caller + number
            shared.make(write, partial(server.alone, write))

    at_once(write_many, range(16))

    assert set(server.effects) == set(range(800))
    assert any(len(command) > 1 for command in server.commands)
    assert shared._under_way == len(shared._queue) == 0
