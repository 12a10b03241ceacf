"""A file whose store is carried over to another kind of store, and sealed in the end."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from attrs import frozen

from oms_adapters.sqlite import file, schema, verdict
from oms_adapters.sqlite.schema import Schema
from oms_core.errors import StoreUnusable
from oms_core.ports.carrying import CarriedDocument, CarriedEntry, Place

T = TypeVar("T")
Row = Mapping[str, Any]

_NOTE: Final = f"""
CREATE TABLE IF NOT EXISTS {schema.CARRIED_OVER} (
    source TEXT NOT NULL,
    target TEXT,
    sealed_at TEXT
) STRICT
"""

_BYTES: Final = "hex"


@frozen
class TableShelf:
    """A table as a shelf: which columns travel, and how a row is written as a document."""

    name: str
    table: str
    key: tuple[str, ...]
    """The columns that rows are read in the order of: a primary key, or ``rowid``."""
    columns: tuple[str, ...]
    """What travels."""
    write: Callable[[Row], CarriedDocument]
    follows: frozenset[str] = frozenset()
    """Columns that follow from those that travel, or mean nothing elsewhere."""

    def page(self, *, goes_on: bool) -> str:
        """Write the query of some rows, those behind a place if it *goes_on*."""
        key = ", ".join(self.key)
        named = ", ".join(dict.fromkeys((*self.key, *self.columns)))
        behind = f"WHERE ({key}) > ({', '.join('?' * len(self.key))})" if goes_on else ""
        return f"SELECT {named} FROM {self.table} {behind} ORDER BY {key} LIMIT ?"  # noqa: S608 - our own names


class DepartingFile:
    """Opens the database file at *path* for itself alone; implements ``DepartingStore``.

    Any other program that has the file open, were it idle, makes this fail; and while this is
    open, no other can open it. Both end with the process, however it ends.

    Raises:
        StoreUnusable: another program uses the file, or it is not there, damaged, foreign or
            written by a newer version.
    """

    def __init__(
        self, path: Path, schemas: Iterable[Schema], shelves: Iterable[TableShelf]
    ) -> None:
        self.path = path.absolute()
        self._shelves = {shelf.name: shelf for shelf in shelves}
        if not self.path.is_file():
            raise StoreUnusable(
                f"There is no database file {self.path}; name the one that oms serve used."
            )
        # What every start does: it makes sure that the file is ours, and whole.
        self._with_sentences(
            lambda: file.open_file(self.path, busy_timeout_s=0.0, may_be_sealed=True).close()
        )
        self._connection = self._with_sentences(
            lambda: file.connect(self.path, busy_timeout_s=0.0, writes=True, exclusive=True)
        )
        try:
            self._with_sentences(lambda: self._take(list(schemas)))
        except BaseException:
            self.close()
            raise

    @property
    def identity(self) -> str:
        """The random name that the file was given when it was first carried."""
        return str(self._note()["source"])

    @property
    def is_sealed(self) -> bool:
        """No program opens the file any more."""
        return schema.application_id(self._connection) == schema.SEALED_ID

    def entries(self, shelf: str, after: Place | None, limit: int) -> Sequence[CarriedEntry]:
        """Read some rows; see ``Shelves.entries``."""
        table = self._shelves[shelf]
        behind = () if after is None else tuple(_from_json(value) for value in after)
        rows = self._with_sentences(
            lambda: self._connection.execute(
                table.page(goes_on=after is not None), (*behind, limit)
            ).fetchall()
        )
        return [
            CarriedEntry(tuple(_to_json(row[name]) for name in table.key), table.write(row))
            for row in rows
        ]

    def count(self, shelf: str) -> int:
        """Count the rows of a table."""
        count = f"SELECT count(*) FROM {self._shelves[shelf].table}"  # noqa: S608 - our own name
        return int(self._with_sentences(lambda: self._connection.execute(count).fetchone()[0]))

    def seal(self, to: str) -> None:
        """Let no program open the file any more; see ``DepartingStore.seal``."""
        if self.is_sealed:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")

        def run() -> None:
            self._connection.execute("BEGIN IMMEDIATE")
            note = f"UPDATE {schema.CARRIED_OVER} SET target = ?, sealed_at = ?"  # noqa: S608 - our own name
            self._connection.execute(note, (to, now))
            self._connection.execute(f"PRAGMA application_id = {schema.SEALED_ID}")
            self._connection.execute("COMMIT")

        self._with_sentences(run)

    def close(self) -> None:
        """Let go of the file. Repeatable."""
        self._connection.close()

    def _take(self, schemas: list[Schema]) -> None:
        """Lock the file, and bring its tables to this program's version."""
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("BEGIN IMMEDIATE")
        for tables in schemas:
            if schema.version_of(self._connection, tables) > tables.version:
                raise verdict.newer(self.path)
            if not self.is_sealed:
                schema.upgrade(self._connection, tables)
        if not self.is_sealed:
            self._connection.execute(_NOTE)
            if self._note_or_none() is None:
                begin = f"INSERT INTO {schema.CARRIED_OVER} (source) VALUES (?)"  # noqa: S608 - our own name
                self._connection.execute(begin, (str(uuid4()),))
        self._connection.execute("COMMIT")

    def _note(self) -> Row:
        note = self._note_or_none()
        if note is None:
            raise verdict.damaged(self.path)
        return note

    def _note_or_none(self) -> Row | None:
        found: Row | None = self._connection.execute(
            f"SELECT source, target FROM {schema.CARRIED_OVER}"  # noqa: S608 - our own name
        ).fetchone()
        return found

    def _with_sentences(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except sqlite3.Error as error:
            if verdict.is_contention(error):
                raise verdict.in_use(self.path) from error
            raise verdict.at_start(error, self.path) from error
        except StoreUnusable as error:
            if isinstance(error.__cause__, sqlite3.Error) and verdict.is_contention(
                error.__cause__
            ):
                raise verdict.in_use(self.path) from error
            raise


def _to_json(value: Any) -> Any:
    return {_BYTES: value.hex()} if isinstance(value, bytes) else value


def _from_json(value: Any) -> Any:
    return bytes.fromhex(value[_BYTES]) if isinstance(value, Mapping) else value


def loaded(text: str | None) -> Any:
    """Read a column that holds JSON."""
    return None if text is None else json.loads(text)
