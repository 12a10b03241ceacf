"""Which collections and indexes stand in the database, and of which version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen
from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from oms_adapters.mongodb.connection import Document

REGISTRY: Final = "oms_schemas"
"""The collection that tells the version of each schema."""

ARRIVAL: Final = "oms_carry_over"
"""The collection that tells which store is being carried into the database, and how far."""

_NAMESPACE_EXISTS: Final = 48
_OTHER_OPTIONS: Final = frozenset({85, 86})
"""IndexOptionsConflict and IndexKeySpecsConflict: the name stands for another index."""


@frozen
class Index:
    """One index; *present* limits it to the documents that have that field.

    *unless*: it is not wanted where the schema of that name is there.
    """

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    present: str | None = None
    unless: str | None = None

    def model(self) -> IndexModel:
        """Say it to the driver."""
        return IndexModel(list(self.keys), **self._options())

    def is_like(self, there: Mapping[str, Any]) -> bool:
        """Tell whether the index that is *there* does what this one must do."""
        return (
            list(there["key"].items()) == list(self.keys)
            and bool(there.get("unique", False)) == self.unique
            and there.get("partialFilterExpression") == self._filter()
        )

    def command(self, collection: str) -> str:
        """Write what an operator types in mongosh to make it again."""
        keys = ", ".join(f'"{field}": {direction}' for field, direction in self.keys)
        options = [f'name: "{self.name}"']
        if self.unique:
            options.append("unique: true")
        if self.present is not None:
            options.append(f'partialFilterExpression: {{"{self.present}": {{$exists: true}}}}')
        return f"db.{collection}.createIndex({{{keys}}}, {{{', '.join(options)}}})"

    def _filter(self) -> Document | None:
        return None if self.present is None else {self.present: {"$exists": True}}

    def _options(self) -> Document:
        options: Document = {"name": self.name}
        if self.unique:
            options["unique"] = True
        if self.present is not None:
            options["partialFilterExpression"] = self._filter()
        return options


@frozen
class Collection:
    """A collection and its indexes, beside the one by ``_id`` that every collection has."""

    name: str
    indexes: tuple[Index, ...] = ()


@frozen
class Addition:
    """Fields that documents of an earlier version lack: what they are made of.

    Filled in wherever *field* is missing, so that it may be done any number of times.
    """

    collection: str
    field: str
    values: Mapping[str, Any]


@frozen
class Schema:
    """One adapter's collections. A change of them raises the version."""

    name: str
    version: int
    collections: tuple[Collection, ...]
    additions: tuple[Addition, ...] = ()


def version_of(database: Any, schema: str) -> int:
    """Return the version that the database has of *schema*; 0 if it does not know it."""
    row = database[REGISTRY].find_one({"_id": schema})
    return 0 if row is None else int(row["version"])


def is_arriving(database: Any) -> bool:
    """Tell whether a store is being carried into the database and is not all there yet."""
    return database[ARRIVAL].find_one({"_id": 1, "is_complete": False}) is not None


def make(database: Any, schema: Schema) -> None:
    """Make the collections and indexes of *schema*, and then write down its version.

    Any number of processes may do so at once, and one that died on the way is no matter:
    every step is repeatable, and the version comes last.
    """
    for collection in schema.collections:
        try:
            database.create_collection(collection.name)
        except CollectionInvalid:
            pass
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:
                raise
        wanted = _wanted(database, collection)
        if wanted:
            try:
                database[collection.name].create_indexes([index.model() for index in wanted])
            except OperationFailure as error:
                # What is there under the same name is told by ``flaws``.
                if error.code not in _OTHER_OPTIONS:
                    raise
    for addition in schema.additions:
        missing = {addition.field: {"$exists": False}}
        database[addition.collection].update_many(missing, [{"$set": dict(addition.values)}])
    database[REGISTRY].update_one(
        {"_id": schema.name}, {"$max": {"version": schema.version}}, upsert=True
    )


def flaws(database: Any, schema: Schema) -> list[str]:
    """Name each index that is missing or another one, with what to do about it."""
    sentences = []
    for collection in schema.collections:
        there = {index["name"]: index for index in database[collection.name].list_indexes()}
        for index in _wanted(database, collection):
            found = there.get(index.name)
            if found is None:
                sentences.append(
                    f"The collection {collection.name} lacks the index {index.name}; run oms "
                    f"migrate, or make it again in mongosh: {index.command(collection.name)}"
                )
            elif not index.is_like(found):
                sentences.append(
                    f"The index {index.name} of the collection {collection.name} is not the one "
                    f"this program made; drop it, then make it again in mongosh: "
                    f"{index.command(collection.name)}"
                )
    return sentences


def _wanted(database: Any, collection: Collection) -> list[Index]:
    return [
        index
        for index in collection.indexes
        if index.unless is None or not version_of(database, index.unless)
    ]
