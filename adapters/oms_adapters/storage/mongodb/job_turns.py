"""Turns at scheduled jobs, among the processes and machines that use one MongoDB database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

from pymongo.errors import DuplicateKeyError

from oms_adapters.mongodb import Collection, MongoDatabase, Schema
from oms_adapters.storage.mongodb.changes import ABSENT, BEGINNING_US, MICROSECOND, after
from oms_adapters.storage.mongodb.record import Document
from oms_core.errors import StoreUnavailable
from oms_core.ports.clock import Clock
from oms_core.ports.job_turns import LastRun, NotNow, Turn
from oms_core.ports.order_document import from_microseconds, to_microseconds

NAME: Final = "job_turns"

JOB_TURNS: Final = Schema(NAME, version=1, collections=(Collection(NAME),))


class MongoJobTurns:
    """Implements ``JobTurns`` in *database*, a document a job; goes by the server's clock.

    Every turn carries a mark of its own: after an answer that was lost, whoever took it sees
    by the mark that it has it.

    Raises:
        StoreUnusable: a newer version of this program has changed the collection.
    """

    def __init__(self, database: MongoDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._time = database.timekeeper(clock)
        database.migrate(JOB_TURNS)
        self._jobs = database.collection(NAME)

    def take(self, job: str, *, every_s: float, lease_s: float) -> Turn | NotNow:
        """Take the turn; see ``JobTurns.take``."""
        if self._find(job) is None:
            self._make(job)
        now, mark = self._time.expression(), uuid4()
        condition = {
            "_id": job,
            "$expr": {
                "$and": [
                    {"$lte": [{"$ifNull": ["$leased_until_us", now]}, now]},
                    {"$lte": [after("$done_from_us", every_s), now]},
                ]
            },
        }
        taken = {
            "token": {"$add": ["$token", 1]},
            "leased_until_us": after(now, lease_s),
            "began_us": now,
            "taken_by": mark,
        }
        self._database.run(lambda: self._jobs.update_one(condition, [{"$set": taken}]))
        # Read it in either case: whose turn it is, is seen by the mark.
        there = self._find(job)
        if there is None:
            raise StoreUnavailable(f"MongoDB: the job {job} was there and is gone; a failover?")
        if there.get("taken_by") == mark:
            return Turn(job, int(there["token"]))
        moment_us = to_microseconds(self._time.now())
        due_us = int(there["done_from_us"]) + timedelta(seconds=every_s) // MICROSECOND
        free_from_us = max(int(there.get("leased_until_us", moment_us)), due_us)
        return NotNow(max(0, free_from_us - moment_us) / 1_000_000)

    def keep(self, turn: Turn, *, lease_s: float) -> bool:
        """Let the turn last; see ``JobTurns.keep``."""
        longer = {"leased_until_us": after(self._time.expression(), lease_s)}
        return self._change(turn, longer)

    def end(self, turn: Turn, counts: Mapping[str, int] | None) -> None:
        """End the run; see ``JobTurns.end``."""
        ended: Document = {"leased_until_us": ABSENT, "done_from_us": "$began_us"}
        if counts is not None:
            ended |= {"ended_us": self._time.expression(), "counts": {"$literal": dict(counts)}}
        self._change(turn, ended)

    def give_back(self, turn: Turn) -> None:
        """Leave the run to others; see ``JobTurns.give_back``."""
        self._change(turn, {"leased_until_us": ABSENT})

    def last_run(self, job: str) -> LastRun | None:
        """Tell of the last whole run; see ``JobTurns.last_run``."""
        there = self._find(job)
        if there is None or "ended_us" not in there:
            return None
        return LastRun(from_microseconds(int(there["ended_us"])), there["counts"])

    def _find(self, job: str) -> Document | None:
        return self._database.run(lambda: self._jobs.find_one({"_id": job}))

    def _make(self, job: str) -> None:
        """Make a job known that is due; another process may do so at the same moment."""
        unknown = {"_id": job, "token": 0, "done_from_us": BEGINNING_US}
        with suppress(DuplicateKeyError):
            self._database.run(lambda: self._jobs.insert_one(unknown))

    def _change(self, turn: Turn, changes: Document) -> bool:
        """Change the job if the turn is still its holder's. A repeat changes nothing more."""
        held = {"_id": turn.job, "leased_until_us": {"$exists": True}, "token": turn.token}
        done = self._database.run(lambda: self._jobs.update_one(held, [{"$set": changes}]))
        return done.matched_count > 0
