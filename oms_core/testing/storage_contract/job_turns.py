"""Of all processes, one at a time does a scheduled job, and once a period."""

from __future__ import annotations

from datetime import timedelta

from oms_core.ports.job_turns import LastRun, NotNow, Turn
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON
from oms_core.testing.storage_contract.suite import StorageSuite

JOB = "reconcile"
SECOND = timedelta(seconds=1)
EVERY_S = 3600.0
LEASE_S = 60.0
COUNTS = {"agrees": 7, "healed": 0}


class TakesTurnsAtJobs(StorageSuite):
    """``job_turns``."""

    def taken(self, job: str = JOB, *, every_s: float = EVERY_S) -> Turn | NotNow:
        """Ask for the turn as one more process."""
        return self.store.job_turns().take(job, every_s=every_s, lease_s=LEASE_S)

    def turn(self, job: str = JOB) -> Turn:
        """Take a turn that is there to be taken."""
        turn = self.taken(job)
        assert isinstance(turn, Turn)
        return turn

    def test_of_many_processes_that_ask_at_once_one_gets_the_turn(self) -> None:
        """In each of several periods: the first turn makes the job known, others do not."""
        for _ in range(3):
            answers = at_once(lambda _: self.taken(), range(6))

            turns = [answer for answer in answers if isinstance(answer, Turn)]
            assert len(turns) == 1
            assert answers.count(NotNow(LEASE_S)) == 5
            self.store.job_turns().end(turns[0], COUNTS)
            self.clock.advance(EVERY_S)

    def test_a_run_that_ended_is_due_again_a_period_after_it_began(self) -> None:
        turn = self.turn()
        self.clock.advance(40)
        self.store.job_turns().end(turn, COUNTS)

        assert self.taken() == NotNow(EVERY_S - 40)
        self.clock.advance(EVERY_S - 41)
        assert self.taken() == NotNow(1)
        self.clock.advance(1)
        assert isinstance(self.taken(), Turn)

    def test_a_run_that_took_longer_than_a_period_is_followed_by_the_next(self) -> None:
        turns, turn = self.store.job_turns(), self.turn()
        self.clock.advance(EVERY_S + 1)
        assert turns.keep(turn, lease_s=LEASE_S)
        turns.end(turn, COUNTS)

        assert isinstance(self.taken(), Turn)

    def test_whoever_asks_for_a_shorter_period_need_not_wait_for_the_longer_one(self) -> None:
        """Processes that were started with other settings meet while they are replaced."""
        self.store.job_turns().end(self.turn(), COUNTS)
        self.clock.advance(600)

        assert self.taken(every_s=601) == NotNow(1)
        assert isinstance(self.taken(every_s=600), Turn)

    def test_a_process_that_died_holds_the_job_up_for_no_longer_than_its_lease(self) -> None:
        died = self.turn()
        self.clock.advance(LEASE_S - 1)

        assert self.taken() == NotNow(1)
        self.clock.advance(1)
        heir = self.turn()
        assert heir.token > died.token

    def test_a_turn_that_is_kept_lasts(self) -> None:
        turns, turn = self.store.job_turns(), self.turn()
        for _ in range(5):
            self.clock.advance(LEASE_S - 1)
            assert turns.keep(turn, lease_s=LEASE_S)
            assert self.taken() == NotNow(LEASE_S)

    def test_a_holder_that_is_late_keeps_its_turn_as_long_as_it_is_alone(self) -> None:
        turns, turn = self.store.job_turns(), self.turn()
        self.clock.advance(10 * LEASE_S)

        assert turns.keep(turn, lease_s=LEASE_S)

        assert self.taken() == NotNow(LEASE_S)

    def test_what_a_process_says_whose_turn_was_taken_over_changes_nothing(self) -> None:
        turns, zombie = self.store.job_turns(), self.turn()
        self.clock.advance(LEASE_S)
        heir = self.turn()

        assert not turns.keep(zombie, lease_s=10 * LEASE_S)
        turns.end(zombie, COUNTS)
        turns.give_back(zombie)

        assert turns.last_run(JOB) is None
        assert self.taken() == NotNow(LEASE_S)
        assert turns.keep(heir, lease_s=LEASE_S)

    def test_a_run_that_is_given_back_falls_to_another_process_at_once(self) -> None:
        turns, turn = self.store.job_turns(), self.turn()
        turns.give_back(turn)
        turns.give_back(turn)

        assert not turns.keep(turn, lease_s=LEASE_S)
        assert isinstance(self.taken(), Turn)
        assert turns.last_run(JOB) is None

    def test_a_run_that_ended_cannot_be_kept_or_ended_anew(self) -> None:
        turns, turn = self.store.job_turns(), self.turn()
        turns.end(turn, COUNTS)
        self.clock.advance(5)

        assert not turns.keep(turn, lease_s=LEASE_S)
        turns.end(turn, {"agrees": 1})
        turns.give_back(turn)

        assert turns.last_run(JOB) == LastRun(NOON, COUNTS)
        assert self.taken() == NotNow(EVERY_S - 5)

    def test_the_last_whole_run_is_told_to_every_process(self) -> None:
        """Also while the next one is under way, and after one that came to nothing."""
        assert self.store.job_turns().last_run(JOB) is None
        turn = self.turn()
        self.clock.advance(3)
        self.store.job_turns().end(turn, COUNTS)
        self.clock.advance(EVERY_S)
        first = LastRun(NOON + 3 * SECOND, COUNTS)

        second = self.turn()
        assert self.store.job_turns().last_run(JOB) == first
        self.store.job_turns().end(second, None)

        assert self.store.job_turns().last_run(JOB) == first
        assert self.taken() == NotNow(EVERY_S)

    def test_one_job_does_not_wait_for_another(self) -> None:
        turns = self.store.job_turns()
        turns.end(self.turn(), COUNTS)
        held = self.turn("doctor")

        assert turns.last_run("doctor") is None
        assert self.taken("doctor") == NotNow(LEASE_S)
        turns.end(held, {})
        assert turns.last_run("doctor") == LastRun(NOON, {})
        assert turns.last_run(JOB) == LastRun(NOON, COUNTS)
