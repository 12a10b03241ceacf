"""Which files the engine opens, which it refuses, and how tables grow."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from oms_adapters.sqlite import Schema, SqliteDatabase
from oms_core.errors import StoreUnavailable, StoreUnusable

FIRST = ("CREATE TABLE chairs (id INTEGER PRIMARY KEY, name TEXT) STRICT",)
SECOND = (
    "ALTER TABLE chairs ADD COLUMN legs INTEGER NOT NULL DEFAULT 4",
    "CREATE INDEX chairs_by_legs ON chairs (legs)",
)
CHAIRS_1 = Schema("chairs", (FIRST,))
CHAIRS_2 = Schema("chairs", (FIRST, SECOND))


def chairs_in(database: SqliteDatabase) -> list[tuple[object, ...]]:
    return database.read(lambda c: c.execute("SELECT * FROM chairs ORDER BY id").fetchall())


def add_chair(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO chairs (name) VALUES ('crunchy')")


def opening(path: Path) -> str:
    """Try to open *path*; return what the person who started us reads."""
    with pytest.raises(StoreUnusable) as refused:
        SqliteDatabase(path, busy_timeout_s=0.05)
    return str(refused.value)


def sqlite_file(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"

    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_1)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert modes == {"oms.db": 0o600, "oms.db-wal": 0o600, "oms.db-shm": 0o600}


def test_a_file_is_recognised_as_ours_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"

    SqliteDatabase(path).close()

    assert path.read_bytes()[68:72] == b"OMS1"


def test_an_empty_file_becomes_ours(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    path.touch()

    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_1)

        assert chairs_in(database) == []


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "#1.db", "Stühle 🪑.db", "-x"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    with SqliteDatabase(tmp_path / name) as database:
        database.ping()

    assert [name] == [file.name for file in tmp_path.iterdir()]


def test_a_relative_path_still_means_the_same_after_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with SqliteDatabase("oms.db") as database:
        monkeypatch.chdir("elsewhere")

        database.ping()
        database.read(lambda connection: connection.execute("SELECT 1").fetchone())

    assert (tmp_path / "oms.db").exists()


def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_1)
        database.write(add_chair)

    with SqliteDatabase(path) as again:
        assert chairs_in(again) == [(1, "crunchy")]


def test_tables_of_an_older_version_are_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_1)
        database.write(add_chair)

    with SqliteDatabase(path) as newer:
        newer.migrate(CHAIRS_2)
        newer.migrate(CHAIRS_2)

        assert chairs_in(newer) == [(1, "crunchy", 4)]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    broken = Schema("chairs", (FIRST, (*SECOND, "CREATE TABLE chairs (id INTEGER)")))
    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_1)
        database.write(add_chair)

        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            database.migrate(broken)

        assert chairs_in(database) == [(1, "crunchy")]
        database.migrate(CHAIRS_2)
        assert chairs_in(database) == [(1, "crunchy", 4)]


def test_tables_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_2)

    with SqliteDatabase(path) as older, pytest.raises(StoreUnusable) as refused:
        older.migrate(CHAIRS_1)

    assert str(refused.value) == (
        f"The database file {path} was written by a newer version of this program; "
        "install that version again, or name another file."
    )


def test_a_file_of_a_newer_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    SqliteDatabase(path).close()
    sqlite_file(path, "PRAGMA user_version = 99")

    assert "was written by a newer version" in opening(path)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("not a database\n" * 100),
    "a few bytes": lambda path: path.write_text("oms\n"),
    "tables of another program": lambda path: sqlite_file(path, "CREATE TABLE t (x)"),
    "application id of another program": lambda path: sqlite_file(
        path, "PRAGMA application_id = 4711", "CREATE TABLE t (x)"
    ),
    "empty, but another program's": lambda path: sqlite_file(path, "PRAGMA application_id = 4711"),
    "another program's in write-ahead mode": lambda path: sqlite_file(
        path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"
    ),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    path = tmp_path / "oms.db"
    make(path)
    before = path.read_bytes()

    sentence = opening(path)

    assert sentence == (
        f"{path} is not a database of this order system, or its beginning is damaged; it was "
        "left as it is. Name another file, or restore this one from a backup."
    )
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["oms.db"]


def full_file(path: Path) -> int:
    """Make a file of many pages; returns its size in bytes."""
    with SqliteDatabase(path) as database:
        database.migrate(CHAIRS_2)
        database.write(
            lambda connection: (
                connection.executemany(
                    "INSERT INTO chairs (name, legs) VALUES (?, ?)",
                    (("x" * 200, number) for number in range(2_000)),
                ).rowcount
            )
        )
    return path.stat().st_size


def cut_in_half(path: Path, size: int) -> None:
    os.truncate(path, size // 2)


def overwrite_the_middle(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xaa" * 4096)


def overwrite_the_first_page(path: Path, size: int) -> None:
    """Keeps the header, so that it still looks like ours."""
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xaa" * 3996)


@pytest.mark.parametrize("damage", [cut_in_half, overwrite_the_middle, overwrite_the_first_page])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Callable[[Path, int], None]) -> None:
    path = tmp_path / "oms.db"
    damage(path, full_file(path))

    assert opening(path) == (
        f"The database file {path} is damaged; restore it from a backup, "
        "or name another file to start with an empty store."
    )


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert opening(tmp_path) == f"{tmp_path} is a directory; name a file in it."


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "oms.db"

    assert opening(path) == (
        f"The database file {path} cannot be made because there is no folder "
        f"{path.parent}; create that folder or name another file."
    )


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "there is no folder" in opening(tmp_path / "file" / "oms.db")


@pytest.mark.parametrize("name", ["", "nul\0.db", "x" * 300])
def test_an_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreUnusable, match="name") as refused:
        SqliteDatabase(name and os.path.join(tmp_path, name))  # noqa: PTH118 - Path checks names

    assert "another file" in str(refused.value) or "such as oms.db" in str(refused.value)


def test_a_file_that_another_program_keeps_locked_is_named(tmp_path: Path) -> None:
    path = tmp_path / "oms.db"
    SqliteDatabase(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")

    sentence = opening(path)

    other.close()
    assert sentence == (
        f"The database file {path} is locked by another program; "
        "end that program or wait for it, then start again."
    )


NOBODY = 65534
OPEN_AS_NOBODY = """
import os, sys
from oms_adapters.sqlite import SqliteDatabase
from oms_core.errors import StoreUnusable

if os.getuid() == 0:
    os.setuid(int(sys.argv[2]))  # nothing is forbidden to root
try:
    SqliteDatabase(sys.argv[1]).close()
except StoreUnusable as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach, which pytest's own are not."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if os.getuid() == 0 and not all(p.stat().st_mode & stat.S_IXOTH for p in folder.parents):
            pytest.skip("nobody else reaches the folder for temporary files")
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize(
    ("file_mode", "folder_mode"), [(0o400, 0o777), (0o200, 0o777), (0o666, 0o555), (None, 0o555)]
)
def test_missing_permission_is_named(
    open_folder: Path, file_mode: int | None, folder_mode: int
) -> None:
    path = open_folder / "oms.db"
    if file_mode is not None:
        SqliteDatabase(path).close()
        path.chmod(file_mode)
        if os.getuid() == 0:
            os.chown(path, NOBODY, -1)
    open_folder.chmod(folder_mode)

    child = subprocess.run(
        [sys.executable, "-c", OPEN_AS_NOBODY, str(path), str(NOBODY)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    open_folder.chmod(0o755)
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout == (
        f"The database file {path} cannot be read and written here; give this user write "
        "permission for the file and for its folder, or name another file.\n"
    )


def test_a_store_that_was_closed_says_that_it_is_unavailable(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "oms.db")
    database.close()
    database.close()

    with pytest.raises(StoreUnavailable):
        database.ping()
    with pytest.raises(StoreUnavailable):
        database.read(lambda connection: None)


def test_a_statement_that_is_wrong_surfaces_as_the_bug_it_is(tmp_path: Path) -> None:
    """Calling it unavailable would have it retried for ever."""
    with SqliteDatabase(tmp_path / "oms.db") as database:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            database.read(lambda connection: connection.execute("SELECT * FROM missing"))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            database.write(lambda connection: connection.execute("DELETE FROM missing"))


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A write beside the one writer would escape the group commit and its flush."""
    with SqliteDatabase(tmp_path / "oms.db") as database:
        database.migrate(CHAIRS_1)

        with pytest.raises(StoreUnavailable, match="not available"):
            database.read(add_chair)

        assert chairs_in(database) == []


OPEN_AND_WRITE = """
import sys
from oms_adapters.sqlite import Schema, SqliteDatabase

chairs = Schema("chairs", (
    ("CREATE TABLE chairs (id INTEGER PRIMARY KEY, name TEXT) STRICT",),
    ("ALTER TABLE chairs ADD COLUMN legs INTEGER NOT NULL DEFAULT 4",),
))
print("ready", flush=True)
sys.stdin.readline()
with SqliteDatabase(sys.argv[1]) as database:
    database.migrate(chairs)
    database.write(lambda c: c.execute("INSERT INTO chairs (name) VALUES ('crunchy')").rowcount)
"""


@pytest.mark.parametrize("attempt", range(3))
def test_four_processes_may_start_at_once_on_a_file_that_is_not_there(
    tmp_path: Path, attempt: int
) -> None:
    path = tmp_path / "oms.db"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_WRITE, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    ends = [(*child.communicate(timeout=60), child.returncode) for child in children]

    assert ends == [("", "", 0)] * 4
    with SqliteDatabase(path) as database:
        assert [name for _, name, _ in chairs_in(database)] == ["crunchy"] * 4
