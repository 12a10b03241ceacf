"""Many callers, one command: those who write at the same moment send their writes together.

A command costs the driver, the server and its journal much the same whatever is in it. So while
commands are under way callers queue; whoever gets a turn next sends everything that has come
together. There is no thread of its own, and a caller who finds nobody there sends its own write,
alone and at once.

A shared command tells of a write only that it certainly had its effect. Whenever that is not
certain (the server refused it, an answer was lost, it takes too long) the caller makes its write
again, alone. So a write must be one that has one effect however often it is made, and
everything that can go wrong is judged in one place, which is not here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from pymongo.errors import BulkWriteError

from oms_adapters.mongodb.database import Documents
from oms_adapters.storage.mongodb.record import Document

T = TypeVar("T")
Write = TypeVar("Write")

AT_ONCE: Final = 2
"""Commands under way at once: while one waits for the journal, the next is on its way."""
TOGETHER_MAX: Final = 64
"""Writes in one command: bounds how long the first of them waits for the others."""
PATIENCE_S: Final = 1.0
"""How long a caller waits for others before it goes alone: their server may be in trouble."""


class SharedWrites(Generic[Write]):
    """Makes writes, those of several callers in one command.

    *send* makes all it is given, each for itself, and returns the places of those that
    certainly had their effect. What it raises means that nothing is certain.
    """

    def __init__(self, send: Callable[[Sequence[Write]], Iterable[int]]) -> None:
        self._send = send
        self._mutex = threading.Lock()
        self._queue: deque[_Caller[Write]] = deque()
        self._under_way = 0

    def make(self, write: Write, alone: Callable[[], T]) -> T | None:
        """Make *write*; return ``None`` if that certainly had its effect in a shared command.

        Otherwise return or raise what came of *alone*, which makes the same write.
        """
        caller = _Caller(write)
        try:
            if not self._has_turn(caller):
                # Until the command with its write is answered, or until it is its turn.
                caller.wakeup.acquire(timeout=PATIENCE_S)
            if caller.has_turn:
                together = self._gathered(caller)
                try:
                    if len(together) == 1:
                        return alone()
                    self._send_together(together)
                finally:
                    self._pass_on(caller)
                    for other in together[1:]:
                        other.wakeup.release()
        finally:
            # Whoever lost patience, or was interrupted at any line above: nobody waits for it.
            self._withdraw(caller)
        return None if caller.is_done else alone()

    def _has_turn(self, caller: _Caller[Write]) -> bool:
        with self._mutex:
            caller.has_turn = self._under_way < AT_ONCE
            if caller.has_turn:
                self._under_way += 1
            else:
                self._queue.append(caller)
            return caller.has_turn

    def _gathered(self, caller: _Caller[Write]) -> list[_Caller[Write]]:
        with self._mutex:
            others = min(len(self._queue), TOGETHER_MAX - 1)
            return [caller, *(self._queue.popleft() for _ in range(others))]

    def _send_together(self, together: list[_Caller[Write]]) -> None:
        try:
            for place in self._send([each.write for each in together]):
                together[place].is_done = True
        except Exception:  # noqa: BLE001, S110 - each finds out for itself, alone
            pass

    def _pass_on(self, caller: _Caller[Write]) -> None:
        """End a caller's turn: the next in the queue has it."""
        with self._mutex:
            if not caller.has_turn:
                return
            caller.has_turn = False
            if self._queue:
                successor = self._queue.popleft()
                successor.has_turn = True
                successor.wakeup.release()
            else:
                self._under_way -= 1

    def _withdraw(self, caller: _Caller[Write]) -> None:
        with self._mutex:
            if caller in self._queue:
                self._queue.remove(caller)
        self._pass_on(caller)


class _Caller(Generic[Write]):
    """One caller's write, on its way."""

    __slots__ = ("has_turn", "is_done", "wakeup", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.has_turn = False
        self.is_done = False
        # A bare lock is the cheapest way to wake exactly one thread.
        self.wakeup = threading.Lock()
        self.wakeup.acquire()


def insert_together(orders: Documents, documents: Sequence[Document]) -> Iterable[int]:
    """Insert what can be inserted; return the places of what certainly was."""
    places = range(len(documents))
    try:
        orders.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise
        refused = {each["index"] for each in error.details["writeErrors"]}
        return [place for place in places if place not in refused]
    return places
