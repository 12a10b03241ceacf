"""Writes share a flush, and nobody is answered before it."""

import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from oms_adapters.sqlite import Schema, SqliteDatabase
from oms_core.errors import StoreUnavailable, StoreUnusable
from tests.support.eventually import eventually

resource = pytest.importorskip("resource")

LETTERS = Schema(
    "letters", (("CREATE TABLE letters (id INTEGER PRIMARY KEY, word TEXT UNIQUE) STRICT",),)
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(tmp_path / "oms.db", busy_timeout_s=1.0) as database:
        database.migrate(LETTERS)
        yield database


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=16) as threads:
        yield threads


def keep(word: str) -> Callable[[sqlite3.Connection], str]:
    def run(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO letters (word) VALUES (?)", (word,))
        return word

    return run


def words_in(database: SqliteDatabase) -> list[str]:
    """Read by another connection: only what is committed."""
    rows = database.read(
        lambda connection: connection.execute("SELECT word FROM letters ORDER BY id").fetchall()
    )
    return [word for (word,) in rows]


class Batch:
    """Puts operations into one transaction, for certain.

    Its first operation leads, and returns only when all the others stand in the queue.
    """

    def __init__(self, database: SqliteDatabase, threads: ThreadPoolExecutor) -> None:
        self._database = database
        self._threads = threads
        self._leading = threading.Event()
        self._complete = threading.Event()
        self.answers: list[object] = []

    def of(self, *runs: Callable[[sqlite3.Connection], object]) -> list[Future[object]]:
        def lead(connection: sqlite3.Connection) -> object:
            self._leading.set()
            assert self._complete.wait(timeout=30)
            return runs[0](connection)

        futures = [self._threads.submit(self._write, lead)]
        assert self._leading.wait(timeout=30)
        for place, run in enumerate(runs[1:], start=1):
            futures.append(self._threads.submit(self._write, run))
            eventually(lambda place=place: self._database.writes_waiting == place)  # type: ignore[misc]
        self._complete.set()
        return futures

    def _write(self, run: Callable[[sqlite3.Connection], object]) -> object:
        answer = self._database.write(run)
        self.answers.append(answer)
        return answer


def commits_in(write_ahead_log: Path) -> int:
    """Count the transactions in the log, as SQLite's file format tells them.

    A frame's header says in bytes 4-7 how large the database is after a commit, and 0 in
    every frame that is not a transaction's last (sqlite.org/fileformat2.html#walformat).
    """
    content = write_ahead_log.read_bytes()
    (page_size,) = struct.unpack_from(">I", content, 8)
    frames = range(32, len(content), 24 + page_size)
    return sum(struct.unpack_from(">I", content, frame + 4) != (0,) for frame in frames)


def test_concurrent_writes_share_commits(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    log = database.path.with_name("oms.db-wal")
    before = commits_in(log)

    list(threads.map(lambda n: database.write(keep(str(n))), range(400)))

    assert sorted(map(str, range(400))) == sorted(words_in(database))
    assert commits_in(log) - before < 400


def test_writes_that_wait_for_another_process_share_one_commit(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    log = database.path.with_name("oms.db-wal")
    before = commits_in(log)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    futures = [threads.submit(database.write, keep(str(n))) for n in range(16)]
    eventually(lambda: database.writes_waiting == 16)
    other.execute("COMMIT")

    assert [str(n) for n in range(16)] == [future.result() for future in futures]
    assert commits_in(log) - before == 1
    other.close()


def test_a_batch_is_one_commit(database: SqliteDatabase, threads: ThreadPoolExecutor) -> None:
    log = database.path.with_name("oms.db-wal")
    before = commits_in(log)

    futures = Batch(database, threads).of(*(keep(str(n)) for n in range(16)))

    assert [str(n) for n in range(16)] == [future.result() for future in futures]
    assert commits_in(log) - before == 1


def test_a_lonely_write_stays_in_its_own_thread(database: SqliteDatabase) -> None:
    assert database.write(lambda _: threading.get_ident()) == threading.get_ident()


def test_nobody_is_answered_before_the_commit(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    batch = Batch(database, threads)

    def look(_: sqlite3.Connection) -> tuple[int, list[str]]:
        """Runs after its neighbour, in the same transaction."""
        return len(batch.answers), words_in(database)

    kept, seen = batch.of(keep("crunchy"), look)

    assert kept.result() == "crunchy"
    assert seen.result() == (0, [])
    assert words_in(database) == ["crunchy"]


def test_a_failing_write_harms_no_neighbour(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        keep("never")(connection)
        raise LookupError("gone")

    first, failing, repeated, last = Batch(database, threads).of(
        keep("first"), fail, keep("first"), keep("last")
    )

    assert first.result() == "first"
    with pytest.raises(LookupError, match="gone"):
        failing.result()
    with pytest.raises(sqlite3.IntegrityError):
        repeated.result()
    assert last.result() == "last"
    assert words_in(database) == ["first", "last"]


def test_writes_of_a_batch_see_one_another_in_order(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    def count(connection: sqlite3.Connection) -> int:
        (count,) = connection.execute("SELECT count(*) FROM letters").fetchone()
        return int(count)

    futures = Batch(database, threads).of(count, keep("a"), count, keep("b"), count)

    assert [future.result() for future in futures] == [0, "a", 1, "b", 2]


def test_a_commit_that_fails_fails_everybody_in_it(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    """The disk is full at the one moment that counts: when the batch is flushed."""
    log = database.path.with_name("oms.db-wal")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk(connection: sqlite3.Connection) -> None:
        keep("last drop")(connection)
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, unlimited[1]))

    def refuse(_: sqlite3.Connection) -> None:
        raise LookupError("decided on writes that never happened")

    try:
        futures = Batch(database, threads).of(keep("a"), fill_the_disk, refuse, keep("b"))
        errors = [future.exception(timeout=30) for future in futures]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)

    assert [type(error) for error in errors] == [StoreUnavailable] * 4
    assert len({id(error) for error in errors}) == 4
    assert words_in(database) == []
    assert database.write(keep("space again")) == "space again"
    assert words_in(database) == ["space again"]


def test_a_transaction_lost_in_the_middle_fails_everybody_in_it(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    """SQLite may roll all of it back by itself, such as when a statement fills the disk."""

    def lose(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR ROLLBACK INTO letters (word) VALUES ('a')")

    first, lost, late = Batch(database, threads).of(keep("a"), lose, keep("b"))

    assert type(first.exception()) is StoreUnavailable
    assert type(lost.exception()) is sqlite3.IntegrityError
    assert late.result() == "b"
    assert words_in(database) == ["b"]


def test_an_operation_that_ends_the_transaction_is_refused(database: SqliteDatabase) -> None:
    def meddle(connection: sqlite3.Connection) -> None:
        keep("half")(connection)
        connection.execute("ROLLBACK")

    with pytest.raises(RuntimeError, match="must not end the transaction"):
        database.write(meddle)

    assert database.write(keep("whole")) == "whole"
    assert words_in(database) == ["whole"]


def test_a_locked_file_makes_a_write_wait_and_then_give_up(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "oms.db", busy_timeout_s=0.05) as database:
        database.migrate(LETTERS)
        other = sqlite3.connect(database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailable) as refused:
            database.write(keep("patience"))

        assert "locked" in refused.value.reason
        other.execute("ROLLBACK")
        other.close()
        assert database.write(keep("patience")) == "patience"


def test_a_write_waits_for_another_process_to_finish(database: SqliteDatabase) -> None:
    other = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=database.write, args=(keep("after you"),))

    waiting.start()
    eventually(lambda: database.writes_waiting == 1)
    other.execute("COMMIT")
    waiting.join(timeout=30)

    other.close()
    assert words_in(database) == ["after you"]


def test_a_cursor_that_a_write_left_open_does_not_block_the_writer(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    """It holds on to an old state of the file, on which nothing can be written, ever."""
    with SqliteDatabase(tmp_path / "oms.db", busy_timeout_s=120.0) as database:
        database.migrate(LETTERS)
        for word in ("a", "b"):
            database.write(keep(word))
        unread = database.write(lambda connection: connection.execute("SELECT * FROM letters"))
        assert unread.fetchone() == (1, "a")
        other = sqlite3.connect(database.path, isolation_level=None)
        other.execute("INSERT INTO letters (word) VALUES ('c')")
        other.close()

        refused = threads.submit(database.write, keep("d")).exception(timeout=30)

        assert type(refused) is StoreUnavailable
        assert database.write(keep("d")) == "d"
        assert words_in(database) == ["a", "b", "c", "d"]


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_itself(
    database: SqliteDatabase,
) -> None:
    with pytest.raises(RuntimeError, match="write inside a write"):
        database.write(lambda _: database.write(keep("nested")))

    assert database.write(keep("after")) == "after"


def test_a_leader_that_is_interrupted_leaves_nobody_hanging(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    """As when Ctrl-C strikes while the main thread writes for everybody."""

    def interrupted(connection: sqlite3.Connection) -> None:
        keep("half")(connection)
        raise KeyboardInterrupt

    waiting = threading.Event()
    follower: list[Future[object]] = []

    def lead(connection: sqlite3.Connection) -> None:
        follower.append(threads.submit(database.write, keep("follower")))
        eventually(lambda: database.writes_waiting == 1)
        waiting.set()
        interrupted(connection)

    with pytest.raises(KeyboardInterrupt):
        database.write(lead)

    # It was not part of the interrupted transaction yet, so it goes on by itself.
    assert follower[0].result(timeout=30) == "follower"
    assert words_in(database) == ["follower"]


def test_those_who_share_an_interrupted_transaction_are_told_to_repeat(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    def interrupted(_: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    leader, follower, late = Batch(database, threads).of(keep("a"), interrupted, keep("b"))

    with pytest.raises(KeyboardInterrupt):
        leader.result(timeout=30)
    with pytest.raises(StoreUnavailable):
        follower.result(timeout=30)
    assert late.result(timeout=30) == "b"
    assert words_in(database) == ["b"]


INTERRUPT_A_WAITING_WRITER = """
import signal, sys, threading, time
from oms_adapters.sqlite import SqliteDatabase

database = SqliteDatabase(sys.argv[1])
leading, go_on = threading.Event(), threading.Event()
log = []

def lead(connection):
    leading.set()
    go_on.wait(30)

def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0)

leader = threading.Thread(target=database.write, args=(lead,))
leader.start()
leading.wait(30)

def interrupt_then_follow():
    until(lambda: database.writes_waiting == 1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    until(lambda: database.writes_waiting == 0)
    threading.Thread(target=database.write, args=(lambda _: log.append("follower"),)).start()
    until(lambda: database.writes_waiting == 1)
    go_on.set()

helper = threading.Thread(target=interrupt_then_follow)
helper.start()
try:
    database.write(lambda _: log.append("interrupted"))
except KeyboardInterrupt:
    log.append("KeyboardInterrupt")
helper.join(30)
leader.join(30)
database.close()
print(log)
"""


INTERRUPT_A_LEADER_THAT_WAITS = """
import signal, sqlite3, sys, threading, time
from oms_adapters.sqlite import SqliteDatabase

database = SqliteDatabase(sys.argv[1], busy_timeout_s=60.0)
other = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
other.execute("BEGIN IMMEDIATE")
log = []

def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0)

def interrupt_the_leader():
    until(lambda: database.writes_waiting == 1)
    follower.start()
    until(lambda: database.writes_waiting == 2)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    until(lambda: database.writes_waiting == 1)
    other.execute("COMMIT")

follower = threading.Thread(target=database.write, args=(lambda _: log.append("follower"),))
helper = threading.Thread(target=interrupt_the_leader)
helper.start()
try:
    database.write(lambda _: log.append("interrupted"))
except KeyboardInterrupt:
    log.append("KeyboardInterrupt")
helper.join(30)
follower.join(30)
database.close()
other.close()
print(log)
"""


@pytest.mark.parametrize("script", [INTERRUPT_A_WAITING_WRITER, INTERRUPT_A_LEADER_THAT_WAITS])
def test_a_writer_interrupted_while_it_waits_makes_way(tmp_path: Path, script: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "oms.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout == "['KeyboardInterrupt', 'follower']\n"


def test_closing_finishes_the_writes_under_way(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    leading, go_on = threading.Event(), threading.Event()

    def lead(connection: sqlite3.Connection) -> str:
        leading.set()
        assert go_on.wait(timeout=30)
        return keep("first")(connection)

    first = threads.submit(database.write, lead)
    assert leading.wait(timeout=30)
    second = threads.submit(database.write, keep("second"))
    eventually(lambda: database.writes_waiting == 1)
    closing = threads.submit(database.close)
    eventually(lambda: database.writes_waiting == 2)
    go_on.set()

    assert (first.result(), second.result(), closing.result()) == ("first", "second", None)
    with pytest.raises(StoreUnavailable):
        database.write(keep("third"))
    with pytest.raises(StoreUnavailable):
        words_in(database)
    database.close()
    with SqliteDatabase(database.path) as again:
        assert words_in(again) == ["first", "second"]


def test_every_commit_is_flushed_to_the_disk(database: SqliteDatabase) -> None:
    """A process killed loses nothing either way; only a power cut tells the difference."""
    full, wal = 2, "wal"

    def settings(connection: sqlite3.Connection) -> tuple[object, ...]:
        return tuple(
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode")
        )

    assert database.write(settings) == (full, wal)


ACKNOWLEDGE_FOR_EVER = """
import itertools, os, sys, threading
from oms_adapters.sqlite import SqliteDatabase

database = SqliteDatabase(sys.argv[1])
numbers = itertools.count()

def work():
    for number in numbers:
        database.write(
            lambda connection: connection.execute(
                "INSERT INTO letters (word) VALUES (?)", (str(number),)
            ).rowcount
        )
        os.write(1, b"%d\\n" % number)

for _ in range(8):
    threading.Thread(target=work).start()
"""


@pytest.mark.parametrize("acknowledged_min", [1, 100, 700])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, acknowledged_min: int) -> None:
    path = tmp_path / "oms.db"
    with SqliteDatabase(path) as database:
        database.migrate(LETTERS)

    with subprocess.Popen(
        [sys.executable, "-c", ACKNOWLEDGE_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledged_min)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()

    acknowledged = {line.strip() for line in lines if line.endswith("\n")}
    with SqliteDatabase(path) as database:
        stored = set(words_in(database))
    assert len(acknowledged) >= acknowledged_min
    assert acknowledged - stored == set()


def test_a_forked_child_is_told_to_open_the_file_itself(tmp_path: Path) -> None:
    """It would share the parent's locks and connections, which ruins the file."""
    script = """
import os, sys
from oms_adapters.sqlite import SqliteDatabase
from oms_core.errors import StoreUnusable

database = SqliteDatabase(sys.argv[1])
child = os.fork()
if child == 0:
    for use in (database.read, database.write):
        try:
            use(lambda connection: None)
        except StoreUnusable as error:
            os.write(1, str(error).encode() + b"\\n")
    database.close()
    os._exit(0)
os.waitpid(child, 0)
database.write(lambda connection: None)
database.close()
"""
    path = tmp_path / "oms.db"

    parent = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    sentence = (
        f"The database file {path} was opened before this process was forked; "
        "open it again in the child process.\n"
    )
    assert parent.stdout == 2 * sentence


def test_a_file_that_was_replaced_while_in_use_is_noticed(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    database.ping()
    database.path.replace(tmp_path / "moved.db")

    with pytest.raises(StoreUnavailable) as noticed:
        database.ping()

    assert "was moved, removed or replaced" in noticed.value.reason
    (tmp_path / "moved.db").replace(database.path)
    database.ping()


def test_nothing_is_acknowledged_into_a_file_that_was_replaced(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    database.write(keep("before"))
    database.path.replace(tmp_path / "moved.db")

    with pytest.raises(StoreUnavailable) as refusal:
        database.write(keep("after"))

    assert "was moved, removed or replaced" in refusal.value.reason
    (tmp_path / "moved.db").replace(database.path)
    database.write(keep("back again"))
    assert words_in(database) == ["before", "back again"]


def test_everybody_who_waits_for_a_file_that_went_away_is_told(
    database: SqliteDatabase, threads: ThreadPoolExecutor, tmp_path: Path
) -> None:
    def lose_the_connection(connection: sqlite3.Connection) -> None:
        database.path.replace(tmp_path / "moved.db")
        raise KeyboardInterrupt

    leader, *waiting = Batch(database, threads).of(
        lose_the_connection, keep("a"), keep("b"), keep("c")
    )

    with pytest.raises(KeyboardInterrupt):
        leader.result(timeout=30)
    errors = [future.exception(timeout=30) for future in waiting]
    assert [type(error) for error in errors] == [StoreUnavailable] * 3
    assert len({id(error) for error in errors}) == 3


def test_damage_met_while_running_asks_for_a_person(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    with SqliteDatabase(path) as database:
        database.migrate(LETTERS)
        for number in range(200):
            database.write(keep(str(number) * 100))
    with SqliteDatabase(path) as database:
        root = database.read(
            lambda connection: connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'letters'"
            ).fetchone()[0]
        )
        with path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\xaa" * 4096)

        with pytest.raises(StoreUnusable, match="is damaged; restore it from a backup"):
            words_in(database)


def test_a_write_that_need_not_be_undone_harms_no_neighbour_when_it_fails(
    database: SqliteDatabase, threads: ThreadPoolExecutor
) -> None:
    """Without a savepoint of its own: SQLite undoes its one statement itself."""

    def collide(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO letters (id, word) VALUES (1, 'taken'), (1, 'taken')")

    before = threads.submit(database.write, keep("before"))
    failing = threads.submit(database.write, collide, undoable=False)
    after = threads.submit(database.write, keep("after"), undoable=False)

    assert isinstance(failing.exception(timeout=30), sqlite3.IntegrityError)
    assert {before.result(timeout=30), after.result(timeout=30)} == {"before", "after"}
    assert sorted(words_in(database)) == ["after", "before"]
