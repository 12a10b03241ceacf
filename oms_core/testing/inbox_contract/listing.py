"""Operators see what came, and what became of it."""

from __future__ import annotations

from functools import partial

from oms_core.errors import InvalidInput
from oms_core.ports.inbox import InboxState
from oms_core.testing.inbox_contract.suite import (
    ACME,
    OTHER_PROVIDER,
    RIVAL,
    InboxSuite,
    an_event,
    ids,
)
from oms_core.testing.refusal import refusal


class ListsEvents(InboxSuite):
    """Listing and counting."""

    def test_events_are_listed_newest_first(self) -> None:
        self.store_one_by_one("evt-2", "evt-3", "evt-1")

        assert self.listed() == ["evt-1", "evt-3", "evt-2"]
        assert self.listed(limit=2) == ["evt-1", "evt-3"]

    def test_events_are_listed_by_what_became_of_them(self) -> None:
        self.store_one_by_one("evt-1", "evt-2", "evt-3")
        first, second, _ = self.claim()
        self.inbox.mark([first], InboxState.APPLIED)
        self.inbox.mark([second], InboxState.UNMATCHED)

        assert self.listed(InboxState.NEW) == ["evt-3"]
        assert self.listed(InboxState.APPLIED) == ["evt-1"]
        assert self.listed(InboxState.UNMATCHED) == ["evt-2"]
        assert self.listed(InboxState.UNMATCHED, InboxState.NEW) == ["evt-3", "evt-2"]
        assert list(self.inbox.list_events(()).events) == []

    def test_a_tenants_listing_shows_its_own(self) -> None:
        self.store(an_event("evt-ours"))
        self.store(an_event("evt-theirs", tenant_id=RIVAL))

        assert self.listed(tenant_id=ACME) == ["evt-ours"]
        assert self.listed(tenant_id=RIVAL) == ["evt-theirs"]
        assert sorted(self.listed()) == ["evt-ours", "evt-theirs"]
        assert [r.event.event_id for r in self.inbox.find_events(RIVAL, "evt-ours")] == []

    def test_pages_join_without_gap_or_repeat(self) -> None:
        """Also among events of one moment, of one notification and of several."""
        expected = [f"evt-{number:02}" for number in range(20)]
        self.store(*(an_event(event_id) for event_id in expected[:5]))
        self.store(*(an_event(event_id) for event_id in expected[5:9]), provider=OTHER_PROVIDER)
        for event_id in expected[9:]:
            self.store(an_event(event_id))
            self.clock.advance(0.5)
        self.inbox.mark(self.claim(limit=7), InboxState.APPLIED)
        collected: list[str] = []
        cursor = None

        while True:
            page = self.inbox.list_events(tuple(InboxState), limit=3, cursor=cursor)
            collected += ids(page.events)
            cursor = page.next_cursor
            if cursor is None:
                break

        assert collected == expected[::-1]

    def test_a_full_last_page_is_the_last(self) -> None:
        self.store_one_by_one("evt-1", "evt-2")

        assert self.inbox.list_events(tuple(InboxState), limit=2).next_cursor is None

    def test_a_cursor_that_was_not_given_out_is_refused(self) -> None:
        self.store_one_by_one("evt-1", "evt-2")
        given = self.inbox.list_events(tuple(InboxState), limit=1).next_cursor
        assert given is not None

        for cursor in ("", "x", given[:-1], given + "A", given[::-1], "é", "\x00"):
            refusal(InvalidInput, partial(self.inbox.list_events, [InboxState.NEW], cursor=cursor))

    def test_new_events_are_counted_over_all_tenants_claimed_or_not(self) -> None:
        self.store(an_event("evt-1"), an_event("evt-2"))
        self.store(an_event("evt-1", tenant_id=RIVAL))
        (claimed,) = self.claim(limit=1)

        assert self.inbox.count_new() == 3

        self.inbox.mark([claimed], InboxState.UNMATCHED)

        assert self.inbox.count_new() == 2
