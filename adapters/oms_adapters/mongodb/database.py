"""One MongoDB database, shared by every adapter that keeps its collections in it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import SystemRandom
from time import monotonic
from types import TracebackType
from typing import Final, Self, TypeAlias, TypeVar

from pymongo import ReadPreference
from pymongo.client_session import ClientSession
from pymongo.collection import Collection as DriverCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from oms_adapters.mongodb import connection, schema
from oms_adapters.mongodb.connection import (
    CODEC,
    COMMITTED,
    DURABLE,
    NOT_PERMITTED,
    Document,
)
from oms_adapters.mongodb.schema import Index, Schema
from oms_adapters.mongodb.server_time import GivenTime, ServerTime, Timekeeper
from oms_adapters.mongodb.verdict import is_transient, verdict, violated_index
from oms_core.errors import ConfigurationError, StoreUnavailable, StoreUnusable
from oms_core.ports.clock import Clock

T = TypeVar("T")
Documents: TypeAlias = "DriverCollection[Document]"

RETRY_FOR_S: Final = 5.0
"""How long after its beginning a call may be tried again; then the caller hears of it."""
_FIRST_PAUSE_S: Final = 0.005
_LONGEST_PAUSE_S: Final = 0.25

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,38}", re.ASCII)
"""38 characters: what fits every service that sells MongoDB."""

_PROBE: Final = "oms_probe"


class MongoDatabase:
    """A database of a replica set that any number of threads and processes may use at once.

    Every write is durable on a majority when it returns, whatever the URI or the server's
    defaults say; every read that decides something is one of committed data on the primary.

    Raises:
        ConfigurationError: the URI cannot be read or weakens a promise, or the name is none.
        StoreUnusable: the server cannot be reached, refuses us, or is no replica set.
    """

    def __init__(self, uri: str, name: str = "oms") -> None:
        if not _NAME.fullmatch(name):
            sentence = (
                "The name of the MongoDB database must have 1 to 38 letters, digits, - and _; "
                "name another."
            )
            raise ConfigurationError([sentence])
        self.name = name
        self.hosts = connection.hosts_of(uri)
        self._process = os.getpid()
        self._closed = threading.Event()
        self._random = SystemRandom()
        self._client = connection.connect(uri)
        self._database: Database[Document] = self._client.get_database(
            name,
            codec_options=CODEC,
            read_preference=ReadPreference.PRIMARY,
            write_concern=DURABLE,
            read_concern=COMMITTED,
        )
        self._server_time = ServerTime(self._ask_the_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- collections -----------------------------------------------------------------------

    def collection(self, name: str) -> Documents:
        """Return a collection that writes durably and reads what is committed."""
        return self._database.get_collection(
            name,
            codec_options=CODEC,
            read_preference=ReadPreference.PRIMARY,
            write_concern=DURABLE,
            read_concern=COMMITTED,
        )

    def migrate(self, wanted: Schema, *, again: bool = False) -> None:
        """Make *wanted* if it is not there, or see that it is whole; repeatable.

        Safe from several processes at once. *again*: make indexes that somebody dropped.

        Raises:
            StoreUnusable: a newer version of this program has changed the collections, or an
                index is missing: without it an order might be accepted twice. Or a store is
                being carried into the database.
        """
        with self.permitted("readWrite", "read and write there, and make indexes"):
            self.make(wanted, again=again)
        # Afterwards: whoever carries a store looks for collections after he wrote it down, so
        # that one of the two sees the other.
        if self.run(lambda: schema.is_arriving(self._database)):
            raise StoreUnusable(
                f"A store is being carried over into the MongoDB database {self.name} at "
                f"{self.hosts} and is not all there yet; wait for oms migrate, or run it again."
            )

    def make(self, wanted: Schema, *, again: bool = False) -> None:
        """Do what ``migrate`` does, also while a store is being carried into the database."""
        seen = self.run(lambda: schema.version_of(self._database, wanted.name))
        if seen > wanted.version:
            raise StoreUnusable(
                f"The MongoDB database {self.name} at {self.hosts} was written by a newer version "
                "of this program; install that version again, or name another database."
            )
        if seen < wanted.version or again:
            self._make(wanted)
        flaws = self.run(lambda: schema.flaws(self._database, wanted))
        if flaws:
            raise StoreUnusable(f"In the MongoDB database {self.name}: " + " ".join(flaws))

    @contextmanager
    def permitted(self, role: str, deed: str) -> Iterator[None]:
        """Tell a person who starts us which role is missing: nobody else can mend that."""
        try:
            yield
        except StoreUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, OperationFailure) and cause.code == NOT_PERMITTED:
                raise StoreUnusable(
                    f"The user of the MongoDB URI may not {deed}; grant it the role {role} on the "
                    f"database {self.name} at {self.hosts}, or name a user who has it."
                ) from None
            raise

    def _make(self, wanted: Schema) -> None:
        try:
            self.run(lambda: schema.make(self._database, wanted))
        except DuplicateKeyError as error:
            # The server's own text quotes the entries.
            fields = ", ".join(violated_index(error)) or "the same unique index"
            raise StoreUnusable(
                f"In the MongoDB database {self.name} a unique index of the schema {wanted.name} "
                f"cannot be made, because two entries are alike in {fields}; end every program "
                "that uses the database, and mend the entries first."
            ) from None

    # -- calls -----------------------------------------------------------------------------

    def has(self, wanted: Schema) -> bool:
        """Tell whether *wanted* was made here, in any version."""
        return self.run(lambda: schema.version_of(self._database, wanted.name)) > 0

    def require(self, collection: str, rule: Document) -> None:
        """Let the server refuse new documents of *collection* that are not as *rule* says.

        Raises:
            StoreUnusable: the user may not.
        """
        with self.permitted("dbAdmin", f"change the rules of {collection}"):
            self.run(
                lambda: self._database.command(
                    "collMod",
                    collection,
                    validator=rule,
                    validationLevel="moderate",
                    writeConcern=DURABLE.document,
                )
            )

    def drop_index(self, collection: str, index: Index) -> None:
        """Drop an index that nobody wants any more; repeatable."""
        there = self.collection(collection)
        if index.name in self.run(there.index_information):
            self.run(lambda: there.drop_index(index.name))

    def collection_names(self) -> list[str]:
        """Name every collection that is there."""
        return self.run(self._database.list_collection_names)

    def run(self, call: Callable[[], T]) -> T:
        """Make a call of the driver that may be repeated, and repeat it while that helps.

        *call* must be one that has one effect however often it is made: after a lost answer
        nobody knows whether it happened. A duplicate key is raised as it is.

        Raises:
            StoreUnavailable: no answer within a few seconds. A write may have happened.
            StoreUnusable: MongoDB refuses the call for good.
        """
        self.require_own_process()
        started, pause_s = monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return call()
            except DuplicateKeyError:
                raise
            except PyMongoError as error:
                if not is_transient(error) or monotonic() - started + pause_s > RETRY_FOR_S:
                    raise verdict(error) from error
            # Full jitter: those who were turned away together do not come back together.
            self._closed.wait(self._random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def transact(self, change: Callable[[ClientSession], T]) -> T:
        """Run *change* in a transaction; return its result once that is durable.

        *change* may be run again, from its beginning, and even after it was committed if the
        answer to the commit was lost: so it looks first whether its effect is there already.
        An exception from it undoes what it wrote, and is raised here.

        Raises:
            StoreUnavailable: nothing was acknowledged; it may have happened.
            StoreUnusable: MongoDB refuses the transaction for good.
        """

        def attempt() -> T:
            with self._client.start_session(causal_consistency=False) as session:
                with session.start_transaction(
                    write_concern=DURABLE,
                    read_concern=connection.SNAPSHOT,
                    read_preference=ReadPreference.PRIMARY,
                ):
                    result = change(session)
                    self._commit(session)
                return result

        return self.run(attempt)

    def _commit(self, session: ClientSession) -> None:
        """Commit, again after a lost answer: however often, it has one effect.

        Not so after an answer which says that the transaction is gone: that one begins anew.
        """
        started, pause_s = monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return session.commit_transaction()
            except PyMongoError as error:
                is_open = error.has_error_label("UnknownTransactionCommitResult")
                if not is_open or monotonic() - started + pause_s > RETRY_FOR_S:
                    raise
            self._closed.wait(self._random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    # -- time ------------------------------------------------------------------------------

    def timekeeper(self, clock: Clock | None) -> Timekeeper:
        """Return the server's clock, or *clock* if one is given (for simulations)."""
        return self._server_time if clock is None else GivenTime(clock)

    def _ask_the_time(self) -> datetime:
        told: datetime = self.run(lambda: self._client.admin.command("hello"))["localTime"]
        return told.replace(tzinfo=UTC)

    # -- the database itself ---------------------------------------------------------------

    def ping(self) -> None:
        """Write a little, durably.

        Raises:
            StoreUnavailable: the database cannot be written now.
        """
        probe = self.collection(_PROBE)
        self.run(lambda: probe.update_one({"_id": 1}, {"$inc": {"count": 1}}, upsert=True))

    def close(self) -> None:
        """Close every connection, for everybody who shares them. Repeatable.

        Afterwards calls raise ``StoreUnavailable``.
        """
        if self._process != os.getpid():
            return  # the connections are the parent's
        self._closed.set()
        self._client.close()

    def require_own_process(self) -> None:
        """See that we are not in a forked child, where locks may never be let go of.

        Raises:
            StoreUnusable: we are.
        """
        if self._process != os.getpid():
            raise StoreUnusable(
                f"The MongoDB database {self.name} was opened before this process was forked; "
                "open it again in the child process."
            )
