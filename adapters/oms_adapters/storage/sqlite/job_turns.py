"""Turns at scheduled jobs, among the processes that use one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from oms_adapters.sqlite import Schema, SqliteDatabase
from oms_core.ports.clock import Clock
from oms_core.ports.job_turns import LastRun, NotNow, Turn
from oms_core.ports.order_document import from_microseconds, to_microseconds

JOB_TURNS: Final = Schema(
    "job_turns",
    (
        (
            # leased_until_us: NULL while nobody has the turn. done_from_us: when the last run
            # that was ended had begun. ended_us, counts: the last whole run.
            """
            CREATE TABLE job_turns (
                job TEXT PRIMARY KEY,
                token INTEGER NOT NULL,
                leased_until_us INTEGER,
                began_us INTEGER NOT NULL,
                done_from_us INTEGER,
                ended_us INTEGER,
                counts TEXT
            ) STRICT, WITHOUT ROWID
            """,
        ),
    ),
)

TAKE: Final = """
INSERT INTO job_turns (job, token, leased_until_us, began_us) VALUES (:job, 1, :until, :now)
ON CONFLICT (job) DO UPDATE SET
    token = token + 1, leased_until_us = excluded.leased_until_us, began_us = excluded.began_us
WHERE (leased_until_us IS NULL OR leased_until_us <= :now)
AND (done_from_us IS NULL OR done_from_us + :every <= :now)
RETURNING token
"""

FREE_FROM: Final = """
SELECT max(coalesce(leased_until_us, :now), coalesce(done_from_us + :every, :now))
FROM job_turns WHERE job = :job
"""

KEEP: Final = """
UPDATE job_turns SET leased_until_us = ?
WHERE job = ? AND token = ? AND leased_until_us IS NOT NULL
"""

END: Final = """
UPDATE job_turns SET
    leased_until_us = NULL, done_from_us = began_us,
    ended_us = coalesce(?, ended_us), counts = coalesce(?, counts)
WHERE job = ? AND token = ? AND leased_until_us IS NOT NULL
"""

GIVE_BACK: Final = "UPDATE job_turns SET leased_until_us = NULL WHERE job = ? AND token = ?"

LAST_RUN: Final = """
SELECT ended_us, counts FROM job_turns WHERE job = ? AND ended_us IS NOT NULL
"""

_MICROSECOND: Final = timedelta(microseconds=1)


class SqliteJobTurns:
    """Implements ``JobTurns`` in *database*, by the clock that all its processes share.

    Raises:
        StoreUnusable: a newer version of this program has changed the table.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        database.migrate(JOB_TURNS)

    def take(self, job: str, *, every_s: float, lease_s: float) -> Turn | NotNow:
        """Take the turn; see ``JobTurns.take``."""

        def run(connection: sqlite3.Connection) -> Turn | NotNow:
            now_us = to_microseconds(self._clock.now())
            asked = {"job": job, "now": now_us, "every": _microseconds(every_s)}
            until_us = now_us + _microseconds(lease_s)
            taken = connection.execute(TAKE, {**asked, "until": until_us}).fetchone()
            if taken is not None:
                return Turn(job, int(taken[0]))
            (free_from_us,) = connection.execute(FREE_FROM, asked).fetchone()
            return NotNow((free_from_us - now_us) / 1_000_000)

        return self._database.write(run)

    def keep(self, turn: Turn, *, lease_s: float) -> bool:
        """Let the turn last; see ``JobTurns.keep``."""

        def run(connection: sqlite3.Connection) -> bool:
            until_us = to_microseconds(self._clock.now()) + _microseconds(lease_s)
            return connection.execute(KEEP, (until_us, turn.job, turn.token)).rowcount > 0

        return self._database.write(run, undoable=False)

    def end(self, turn: Turn, counts: Mapping[str, int] | None) -> None:
        """End the run; see ``JobTurns.end``."""

        def run(connection: sqlite3.Connection) -> None:
            told: tuple[int | None, str | None] = (None, None)
            if counts is not None:
                told = (to_microseconds(self._clock.now()), json.dumps(dict(counts)))
            connection.execute(END, (*told, turn.job, turn.token))

        self._database.write(run, undoable=False)

    def give_back(self, turn: Turn) -> None:
        """Leave the run to others; see ``JobTurns.give_back``."""
        self._database.write(
            lambda connection: connection.execute(GIVE_BACK, (turn.job, turn.token)).rowcount,
            undoable=False,
        )

    def last_run(self, job: str) -> LastRun | None:
        """Tell of the last whole run; see ``JobTurns.last_run``."""
        row = self._database.read(
            lambda connection: connection.execute(LAST_RUN, (job,)).fetchone()
        )
        return None if row is None else LastRun(from_microseconds(row[0]), json.loads(row[1]))


def _microseconds(seconds: float) -> int:
    return timedelta(seconds=seconds) // _MICROSECOND
