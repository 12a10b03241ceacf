"""Many callers, one commit: whoever comes first writes for everybody who waits.

A durable commit costs one flush of the disk, whatever is in it. So callers queue their
operations, the first becomes the leader, runs all that are queued in one transaction and
flushes once; everybody is answered after that flush. Then leadership passes on, so that
nobody works for others for ever. There is no thread of its own, and a caller who is alone
writes in its own thread without a hand-over.
"""

from __future__ import annotations

import copy
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

from oms_adapters.sqlite.verdict import is_contention
from oms_core.errors import StorageTrouble, StoreUnavailable

T = TypeVar("T")

BATCH_MAX: Final = 256
"""Operations in one transaction: bounds how long the first of them waits for the others."""

_RETRY_S: Final = 0.0005


class Operation(Generic[T]):
    """One caller's write, on its way through a batch."""

    __slots__ = ("committed", "error", "result", "run", "trouble", "undoable", "wakeup")

    def __init__(self, run: Callable[[sqlite3.Connection], T], *, undoable: bool = True) -> None:
        self.run = run
        self.undoable = undoable
        self.result: T | None = None
        self.error: Exception | None = None
        """Its own failure; its neighbours know nothing of it."""
        self.committed = False
        self.trouble: Exception | None = None
        """Why its batch was not committed."""
        # A bare lock is the cheapest way to wake exactly one thread.
        self.wakeup = threading.Lock()
        self.wakeup.acquire()

    def wake(self) -> None:
        """Let the waiting caller go on; waking it twice does nothing more."""
        if self.wakeup.locked():
            self.wakeup.release()

    def outcome(self) -> T:
        """Return the result or raise the error, in the caller's own thread.

        An outcome counts only once it is committed. That holds for errors too: they were
        decided on what the neighbours in the batch had written.
        """
        if self.committed:
            error = self.error
        else:
            error = self.trouble or StoreUnavailable("the write was interrupted")
        if error is None:
            return cast("T", self.result)
        try:
            raise error
        finally:
            # An error that is reachable from its own traceback would wait for the collector.
            self.error = self.trouble = error = None


class GroupCommit:
    """Runs operations in batches on one connection at a time.

    *opened* is the first connection; *connect* opens the next one after a transaction
    ended in a way that leaves the old one in doubt. *vouch* raises if the connection's file
    must not be written to any more. *translate* turns an SQLite error into the one the caller
    shall get. *wait_max_s* bounds, in seconds, how long a batch waits for the transactions of
    other processes.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        translate: Callable[[sqlite3.Error], Exception],
        opened: sqlite3.Connection,
        *,
        vouch: Callable[[], None],
        wait_max_s: float,
    ) -> None:
        self._connect = connect
        self._vouch = vouch
        self._translate = translate
        self._wait_max_s = wait_max_s
        self._mutex = threading.Lock()
        self._queue: deque[Operation[object]] = deque()
        self._leader: Operation[object] | None = None
        self._leader_thread: int | None = None
        self._closed = False
        # Only the leader touches these two.
        self._batch: list[Operation[object]] = []
        self._connection: sqlite3.Connection | None = opened

    def submit(self, run: Callable[[sqlite3.Connection], T], *, undoable: bool = True) -> T:
        """Run *run* in the next transaction; return after the commit that contains it.

        *undoable*: a failure undoes what *run* has changed. Without it, *run* changes nothing
        but with its last statement, which SQLite itself does whole or not at all.
        """
        if self._leader_thread == threading.get_ident():
            raise RuntimeError("A write inside a write would wait for itself; use one write.")
        operation = Operation(run, undoable=undoable)
        self._pass_through(cast("Operation[object]", operation), closing=False)
        return operation.outcome()

    @property
    def waiting(self) -> int:
        """How many operations wait for the transaction after the present one."""
        return len(self._queue)

    def close(self) -> None:
        """Refuse new operations, finish the queued ones, let go of the connection."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
        # Operations are done in order: after this one, nobody is left. It need not succeed.
        self._pass_through(Operation(lambda _connection: None), closing=True)
        self._drop_connection()

    def _pass_through(self, operation: Operation[object], *, closing: bool) -> None:
        try:
            with self._mutex:
                if self._closed and not closing:
                    raise StoreUnavailable("the store is closed")
                self._queue.append(operation)
                if self._leader is None:
                    self._leader = operation
            if self._leader is not operation:
                # Until its batch is committed, or until it is its turn to lead.
                operation.wakeup.acquire()
            if self._leader is operation:
                try:
                    self._leader_thread = threading.get_ident()
                    self._run_batch()
                finally:
                    self._hand_over()
        except BaseException:
            # For example Ctrl-C, at any line above: nobody else may hang because of it.
            self._withdraw(operation)
            raise

    def _hand_over(self) -> None:
        """End the leader's turn: answer its batch and let the next in the queue lead."""
        self._leader_thread = None
        batch, self._batch = self._batch, []
        with self._mutex:
            self._leader = successor = self._queue[0] if self._queue else None
        # The successor first: its transaction begins while the others are still waking up.
        if successor is not None:
            successor.wake()
        for operation in batch:
            operation.wake()

    def _withdraw(self, operation: Operation[object]) -> None:
        """Take *operation* out after its caller was interrupted, wherever it stands."""
        with self._mutex:
            leads = self._leader is operation
            if operation in self._queue:
                self._queue.remove(operation)
        if leads:
            self._hand_over()

    def _run_batch(self) -> None:
        try:
            connection = self._connection = self._connection or self._connect()
            self._run_queued(connection)
        except BaseException as error:
            # Whether the commit took effect is not known, so nobody is told that it did.
            self._fail_batch(error)
            self._drop_connection()
            if not isinstance(error, Exception):
                raise
        else:
            for operation in self._batch:
                operation.committed = True

    def _run_queued(self, connection: sqlite3.Connection) -> None:
        self._begin(connection)
        self._vouch()
        # Whoever comes while the batch runs still gets on.
        while len(self._batch) < BATCH_MAX and (operation := self._take()) is not None:
            self._run_one(connection, operation)
        connection.execute("COMMIT")

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction as soon as no other process writes.

        SQLite's own waiting sleeps longer the longer it has waited, up to 100 ms, so that
        under load one process starves the others for seconds. Short, even sleeps share the
        file out.
        """
        deadline = time.monotonic() + self._wait_max_s
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_contention(error) or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(_RETRY_S)

    def _take(self) -> Operation[object] | None:
        with self._mutex:
            if not self._queue:
                return None
            # In this order, an interruption between the two leaves it in both, not in none.
            operation = self._queue[0]
            self._batch.append(operation)
            self._queue.popleft()
            return operation

    def _run_one(self, connection: sqlite3.Connection, operation: Operation[object]) -> None:
        """Run one operation so that its failure undoes its own changes and no others."""
        # Every statement costs a turn of the interpreter's lock, so none is made in vain.
        if operation.undoable:
            connection.execute("SAVEPOINT operation")
        try:
            operation.result = operation.run(connection)
            if not connection.in_transaction:
                raise RuntimeError("A write must not end the transaction: others share it.")
        except Exception as error:
            if not connection.in_transaction:
                # A full disk, too, may roll the whole transaction back: with the operations
                # before this one, which had seemed to succeed.
                operation.trouble = self._translated(error)
                raise
            operation.error = self._translated(error)
            if operation.undoable:
                connection.execute("ROLLBACK TO operation")
        if operation.undoable:
            connection.execute("RELEASE operation")

    def _fail_batch(self, error: BaseException) -> None:
        if not self._batch and isinstance(error, Exception):
            # The transaction did not even begin: nobody who waits would fare better. (Were
            # it Ctrl-C, they would: the next of them leads.)
            while self._take() is not None:
                pass
        for operation in self._batch:
            operation.trouble = operation.trouble or self._shared(error)

    def _shared(self, error: BaseException) -> Exception:
        """Turn what broke the transaction into an error for one of those who were in it."""
        if not isinstance(error, Exception):
            return StoreUnavailable("the write was interrupted")
        translated = self._translated(error)
        if isinstance(translated, StorageTrouble):
            # One each: a shared one would collect the tracebacks of all threads.
            return copy.copy(translated)
        return StoreUnavailable(f"the shared transaction was rolled back: {error!r}")

    def _translated(self, error: Exception) -> Exception:
        return self._translate(error) if isinstance(error, sqlite3.Error) else error

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()  # rolls back what was not committed
