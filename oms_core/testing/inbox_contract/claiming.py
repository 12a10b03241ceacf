"""An event is acted on until somebody says what became of it."""

from __future__ import annotations

from attrs import evolve

from oms_core.ports.inbox import InboxState
from oms_core.testing.at_once import at_once
from oms_core.testing.inbox_contract.suite import RIVAL, InboxSuite, an_event, ids


class SharesOutEvents(InboxSuite):
    """Claiming and marking."""

    def test_new_events_are_claimed_oldest_first_up_to_the_limit(self) -> None:
        self.store_one_by_one("evt-3", "evt-1", "evt-2")

        assert ids(self.claim(limit=2)) == ["evt-3", "evt-1"]
        assert ids(self.claim(limit=2)) == ["evt-2"]

    def test_an_event_that_was_received_earlier_but_stored_later_goes_first(self) -> None:
        self.clock.advance(10)
        self.store(an_event("evt-late"))
        self.clock.advance(-5)
        self.store(an_event("evt-early"))

        assert ids(self.claim()) == ["evt-early", "evt-late"]

    def test_what_is_claimed_is_nobody_elses_until_the_claim_runs_out(self) -> None:
        self.store(an_event())
        self.claim("worker-a", lease_s=30)

        self.clock.advance(29.999)
        before = ids(self.claim("worker-b"))
        self.clock.advance(0.001)
        after = ids(self.claim("worker-b", lease_s=30))

        assert (before, after) == ([], ["evt-1"])
        assert ids(self.claim("worker-a")) == []

    def test_a_claim_that_ran_out_does_not_lose_its_place(self) -> None:
        self.store_one_by_one("evt-1")
        self.claim(lease_s=5)
        self.store_one_by_one("evt-2", "evt-3")
        self.clock.advance(10)

        assert ids(self.claim(limit=2)) == ["evt-1", "evt-2"]

    def test_what_is_marked_never_comes_again_by_itself(self) -> None:
        self.store_one_by_one("evt-1", "evt-2")
        first, second = self.claim(lease_s=30)

        self.inbox.mark([first], InboxState.APPLIED)
        self.inbox.mark([second], InboxState.UNMATCHED)
        self.clock.advance(1_000)

        assert list(self.claim()) == []
        assert self.found("evt-1") == evolve(first, state=InboxState.APPLIED)
        assert self.found("evt-2") == evolve(second, state=InboxState.UNMATCHED)
        assert self.inbox.count_new() == 0

    def test_what_is_marked_new_again_is_claimed_again_at_once(self) -> None:
        self.store(an_event())
        for state in (InboxState.APPLIED, InboxState.UNMATCHED, InboxState.NEW):
            (claimed,) = self.claim()
            self.inbox.mark([claimed], state)

            self.inbox.mark([claimed], InboxState.NEW)

            assert self.inbox.count_new() == 1
        assert ids(self.claim()) == ["evt-1"]

    def test_marking_twice_is_marking_once(self) -> None:
        self.store(an_event())
        claimed = self.claim()

        self.inbox.mark([*claimed, *claimed], InboxState.APPLIED)
        self.inbox.mark(claimed, InboxState.APPLIED)

        assert self.listed(InboxState.APPLIED) == ["evt-1"]

    def test_marking_nothing_or_what_is_not_here_changes_nothing(self) -> None:
        self.store(an_event())
        here = self.found()

        self.inbox.mark([], InboxState.APPLIED)
        self.inbox.mark([evolve(here, provider="unknown")], InboxState.APPLIED)
        self.inbox.mark([evolve(here, event=an_event("evt-unknown"))], InboxState.APPLIED)
        self.inbox.mark([evolve(here, event=an_event(tenant_id=RIVAL))], InboxState.APPLIED)

        assert self.found() == here
        assert self.listed() == ["evt-1"]

    def test_many_claimers_share_out_every_event_once(self) -> None:
        self.store(*(an_event(f"evt-{number:02}") for number in range(40)))

        def claim(number: int) -> list[str]:
            mine: list[str] = []
            while claimed := self.claim(f"worker-{number}", limit=3):
                mine += ids(claimed)
            return mine

        shares = at_once(claim, range(8))

        claimed = sorted(event_id for share in shares for event_id in share)
        assert claimed == [f"evt-{number:02}" for number in range(40)]
