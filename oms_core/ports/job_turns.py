"""The job turns port: of all processes on one store, one at a time does a scheduled job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@frozen
class Turn:
    """A process's exclusive, limited right to do one run of a job.

    ``token`` is the fencing token: it rises with every turn, so that a process whose turn was
    taken over says nothing of the job any more.
    """

    job: str
    token: int


@frozen
class NotNow:
    """Somebody is at the job, or has done it lately."""

    wait_s: float
    """How long asking again is of no use, by the store's clock; 0 or more."""


@frozen
class LastRun:
    """What the last whole run of a job came to, whichever process did it."""

    ended_at: datetime
    counts: Mapping[str, int]


class JobTurns(Protocol):
    """Shares scheduled jobs out to processes; ``OrderStorage.job_turns`` hands it out.

    Promises every adapter keeps (``oms_core.testing.StorageContract`` runs them all):

    * However many processes ask at once, one gets the turn.
    * A turn is its holder's until it is ended, given back, or its lease ran out and another
      process took over. Whatever the former holder then says changes nothing.
    * After a run that was ended the job is due *every_s* after that run began, whoever asks.
    * All of that goes by the store's clock, and outlives every process.

    Every method raises ``StoreUnavailable`` when the store cannot answer. A turn may then have
    been taken all the same: it falls to others when its lease runs out.
    """

    def take(self, job: str, *, every_s: float, lease_s: float) -> Turn | NotNow:
        """Take the turn if the job is due and nobody is at it."""
        ...

    def keep(self, turn: Turn, *, lease_s: float) -> bool:
        """Let the turn last *lease_s* seconds from now; ``False``: it is lost, stop.

        A turn whose lease ran out is kept as long as nobody took over: its holder is late, but
        alone.
        """
        ...

    def end(self, turn: Turn, counts: Mapping[str, int] | None) -> None:
        """End the run. With ``None`` it came to nothing, and the last whole run stays told of."""
        ...

    def give_back(self, turn: Turn) -> None:
        """Leave the run to another process, at once."""
        ...

    def last_run(self, job: str) -> LastRun | None:
        """Tell what the last whole run came to; ``None``: there was none."""
        ...
