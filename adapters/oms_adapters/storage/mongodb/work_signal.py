"""How a worker hears of work that others bring: a change stream of the orders."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Final

from pymongo.change_stream import CollectionChangeStream
from pymongo.errors import PyMongoError

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.mongodb.database import Documents
from oms_adapters.mongodb.verdict import verdict
from oms_adapters.storage.mongodb.changes import Pipeline
from oms_adapters.storage.mongodb.record import Document
from oms_core.errors import StoreUnavailable

NEWS: Final[Pipeline] = [
    {
        "$match": {
            "$or": [
                # Accepted, and in nobody's hands.
                {"operationType": "insert", "fullDocument.holder": None},
                # Saved by somebody without a lease, so that it is due at another moment.
                {
                    "operationType": "update",
                    "updateDescription.updatedFields.due_us": {"$exists": True},
                    "updateDescription.updatedFields.leased_until_us": {"$exists": False},
                },
                # Given back untouched.
                {
                    "operationType": "update",
                    "updateDescription.updatedFields.leased_until_us": 0,
                    "updateDescription.updatedFields.version": {"$exists": False},
                },
            ]
        }
    },
    # Nothing of the order is sent: who heard asks the store.
    {"$project": {"_id": 1}},
]
"""What workers do to orders in their hands is left out by the server."""

_AWAIT_MS: Final = 500
_BATCH: Final = 100


class MongoSignal:
    """One listener's change stream; implements ``WorkSignal``.

    The stream is not resumed where it broke off: all that was missed is in the collection, due
    and free, so one look finds it. Nothing need be remembered, and an oplog that has moved on
    is no trouble.
    """

    def __init__(self, database: MongoDatabase, orders: Documents) -> None:
        self._database = database
        self._orders = orders
        self._closed = threading.Event()
        self._stream: CollectionChangeStream[Document] | None = self._open()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a change that leaves something to do; see ``WorkSignal.wait``."""
        if self._stream is None:
            self._stream = self._open()
            return True
        ends_at = monotonic() + timeout_s
        while not self._closed.is_set():
            if self._hears_something(self._stream):
                return True
            if monotonic() >= ends_at:
                break
        return False

    def close(self) -> None:
        """Close the stream; see ``WorkSignal.close``."""
        self._closed.set()
        self._hang_up()

    def _open(self) -> CollectionChangeStream[Document]:
        return self._database.run(
            lambda: self._orders.watch(NEWS, max_await_time_ms=_AWAIT_MS, batch_size=_BATCH)
        )

    def _hears_something(self, stream: CollectionChangeStream[Document]) -> bool:
        try:
            if stream.try_next() is not None:
                return True
        except PyMongoError as error:
            # The driver has tried to go on from there itself.
            self._hang_up()
            raise verdict(error) from error
        if not stream.alive:
            self._hang_up()
            raise StoreUnavailable("MongoDB ended the change stream")
        return False

    def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
