"""A database into which a store of another kind is carried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from attrs import field, frozen
from bson.binary import Binary
from bson.errors import BSONError
from bson.objectid import ObjectId
from pymongo import ReplaceOne
from pymongo.errors import DuplicateKeyError

from oms_adapters.mongodb import schema
from oms_adapters.mongodb.connection import Document
from oms_adapters.mongodb.database import MongoDatabase
from oms_adapters.mongodb.schema import Schema
from oms_core.errors import StoreUnusable
from oms_core.ports.carrying import Arrived, CarriedDocument, CarriedEntry, Place

_OWN: Final = frozenset({schema.ARRIVAL})


@frozen
class CollectionShelf:
    """A collection as a shelf: how a document that is carried is stored, and written again."""

    name: str
    collection: str
    store: Callable[[CarriedDocument], Document]
    """Make the stored document, with its ``_id`` and what else follows."""
    write: Callable[[Mapping[str, Any]], CarriedDocument]
    key: tuple[str, ...] = ("_id",)
    """The fields that name a document, those of a shard key among them."""
    read_id: Callable[[bytes], Binary | ObjectId] = Binary
    """Make an ``_id`` of its bytes: a search finds only values of the very same type."""
    among: Mapping[str, Any] = field(factory=dict)
    """Tells its documents from those of another shelf in the same collection."""


class ArrivingDatabase:
    """Fills *database*, which nobody else may use meanwhile; implements ``ArrivingStore``.

    The database may hold nothing when it begins: a program that has it open has made its
    collections, so an empty one is nobody's.
    """

    def __init__(
        self,
        database: MongoDatabase,
        schemas: Iterable[Schema],
        shelves: Iterable[CollectionShelf],
    ) -> None:
        self._database = database
        self._schemas = list(schemas)
        self._shelves = {shelf.name: shelf for shelf in shelves}
        self._mark = database.collection(schema.ARRIVAL)

    @property
    def shown(self) -> str:
        """Name the database and its hosts."""
        return f"the MongoDB database {self._database.name} at {self._database.hosts}"

    def begin(self, source: str) -> bool:
        """Take entries of the store *source* from now on; see ``ArrivingStore.begin``."""
        with self._database.permitted("readWrite", "read and write there, and make indexes"):
            return self._begin(source)

    def _begin(self, source: str) -> bool:
        mark = self._read_mark()
        if mark is None:
            self._require_nothing_there()
            mark = self._begun(source)
        if mark["source"] != source:
            raise StoreUnusable(
                f"Another store was carried over, or is being carried over, into {self.shown}; "
                "it was left as it is. Name another database with --database."
            )
        if mark["is_complete"]:
            return False
        if not mark["is_ours"]:
            # Again, with the mark in place: from now on no program begins to use it.
            try:
                self._require_nothing_there()
            except StoreUnusable:
                self._database.run(lambda: self._mark.delete_one({"_id": 1, "source": source}))
                raise
            self._note({"is_ours": True})
        for wanted in self._schemas:
            self._database.make(wanted)
        return True

    def arrived(self, shelf: str) -> Arrived:
        """Tell how far *shelf* has been filled."""
        noted = (self._read_mark() or {"shelves": {}})["shelves"].get(shelf)
        return Arrived() if noted is None else Arrived(tuple(noted["place"]), noted["entries"])

    def enter(self, shelf: str, documents: Sequence[CarriedDocument], arrived: Arrived) -> None:
        """Keep *documents* durably; see ``ArrivingStore.enter``."""
        known = self._shelves[shelf]
        stored = [known.store(document) for document in documents]
        writes = [
            ReplaceOne({name: each[name] for name in known.key}, each, upsert=True)
            for each in stored
        ]
        collection = self._database.collection(known.collection)
        try:
            self._database.run(lambda: collection.bulk_write(writes, ordered=False))
        except (BSONError, OverflowError, UnicodeEncodeError) as error:
            raise StoreUnusable(
                f"An entry of {shelf} cannot be kept in MongoDB ({type(error).__name__}); the "
                "store that was to be carried over is as it was."
            ) from error
        place = None if arrived.place is None else list(arrived.place)
        self._note({f"shelves.{shelf}": {"place": place, "entries": arrived.entries}})

    def entries(self, shelf: str, after: Place | None, limit: int) -> Sequence[CarriedEntry]:
        """Read some documents in the order of ``_id``; see ``Shelves.entries``."""
        known = self._shelves[shelf]
        collection = self._database.collection(known.collection)
        wanted = dict(known.among)
        if after is not None:
            wanted["_id"] = {"$gt": known.read_id(bytes.fromhex(after[0]))}
        found = self._database.run(
            lambda: list(collection.find(wanted).sort("_id", 1).limit(limit).hint("_id_"))
        )
        return [CarriedEntry((_bytes_of(each["_id"]).hex(),), known.write(each)) for each in found]

    def count(self, shelf: str) -> int:
        """Count the documents of a shelf."""
        known = self._shelves[shelf]
        collection = self._database.collection(known.collection)
        return self._database.run(lambda: collection.count_documents(known.among, hint="_id_"))

    def finish(self) -> None:
        """Let programs use it. Repeatable."""
        self._note({"is_complete": True})

    def close(self) -> None:
        """Close the database. Repeatable."""
        self._database.close()

    def _begun(self, source: str) -> Document:
        """Write down that *source* comes in here, unless somebody was faster; return what is."""
        new = {"_id": 1, "source": source, "is_ours": False, "is_complete": False, "shelves": {}}
        with suppress(DuplicateKeyError):
            self._database.run(lambda: self._mark.insert_one(new))
        return self._read_mark() or new

    def _require_nothing_there(self) -> None:
        if any(name not in _OWN for name in self._database.collection_names()):
            raise StoreUnusable(
                f"There is something in {self.shown} already, and it was left as it is; name "
                "another database with --database, or drop that one if nothing in it matters."
            )

    def _read_mark(self) -> Document | None:
        return self._database.run(lambda: self._mark.find_one({"_id": 1}))

    def _note(self, changes: Document) -> None:
        self._database.run(lambda: self._mark.update_one({"_id": 1}, {"$set": changes}))


def _bytes_of(stored_id: bytes | ObjectId) -> bytes:
    return stored_id.binary if isinstance(stored_id, ObjectId) else bytes(stored_id)
