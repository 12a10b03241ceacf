"""An event is stored once, whole, and for ever."""

from __future__ import annotations

from datetime import UTC, datetime

from oms_core.ports.inbox import InboxState, ReceivedEvent
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.testing.at_once import at_once
from oms_core.testing.inbox_contract.suite import (
    ACME,
    OTHER_PROVIDER,
    PROVIDER,
    RIVAL,
    InboxSuite,
    an_event,
    ids,
)


class KeepsEvents(InboxSuite):
    """Storing, and reading what was stored."""

    def test_what_is_stored_is_found_as_it_came(self) -> None:
        event = ProviderEvent(
            "evt/ö '\";\x00 $where",
            PaymentRef(ACME, "pay.$ö\x00'--"),
            "payment.authorized",
            occurred_at=datetime(2031, 5, 4, 11, 59, 59, 7, tzinfo=UTC),
            facts={"amount": "19.99", "a.b\x00$c": "d\x00 é 𝄞"},
        )

        new = self.store(event)

        stored = ReceivedEvent(PROVIDER, event, self.clock.now(), InboxState.NEW)
        assert new == 1
        assert list(self.inbox.find_events(ACME, event.event_id)) == [stored]
        assert list(self.inbox.of_payment(PROVIDER, event.ref)) == [stored]

    def test_a_notification_of_nothing_stores_nothing(self) -> None:
        assert self.store() == 0
        assert self.inbox.count_new() == 0

    def test_an_event_that_comes_again_is_stored_once_and_the_first_counts(self) -> None:
        self.store(an_event(kind="payment.authorized"))
        first = self.found()
        self.clock.advance(60)

        again = self.store(an_event(kind="payment.captured"))

        assert again == 0
        assert self.found() == first
        assert self.inbox.count_new() == 1

    def test_an_event_that_comes_again_after_it_was_applied_stays_applied(self) -> None:
        self.store(an_event())
        self.inbox.mark(self.claim(), InboxState.APPLIED)

        again = self.store(an_event())

        assert again == 0
        assert self.found().state is InboxState.APPLIED
        assert list(self.claim()) == []

    def test_an_event_that_stands_twice_in_one_notification_is_stored_once(self) -> None:
        assert self.store(an_event("evt-1"), an_event("evt-2"), an_event("evt-1")) == 2
        assert self.inbox.count_new() == 2

    def test_of_a_notification_only_what_is_new_is_counted(self) -> None:
        self.store(an_event("evt-2"))

        new = self.store(an_event("evt-1"), an_event("evt-2"), an_event("evt-3"))

        assert new == 2
        assert sorted(self.listed()) == ["evt-1", "evt-2", "evt-3"]

    def test_providers_and_tenants_have_event_ids_of_their_own(self) -> None:
        self.store(an_event("evt-1"))

        others = self.store(an_event("evt-1"), provider=OTHER_PROVIDER)
        others += self.store(an_event("evt-1", tenant_id=RIVAL))

        assert others == 2
        by_provider = {received.provider for received in self.inbox.find_events(ACME, "evt-1")}
        assert by_provider == {PROVIDER, OTHER_PROVIDER}
        (of_rival,) = self.inbox.find_events(RIVAL, "evt-1")
        assert of_rival.event.ref.tenant_id == RIVAL

    def test_a_payment_has_its_own_events_oldest_first(self) -> None:
        self.store(an_event("evt-1"), an_event("evt-of-another", "pay-2"), an_event("evt-2"))
        self.store(an_event("evt-of-a-rival", tenant_id=RIVAL))
        self.store(an_event("evt-of-another-account"), provider=OTHER_PROVIDER)
        self.clock.advance(1)
        self.store(an_event("evt-0"))

        events = self.inbox.of_payment(PROVIDER, PaymentRef(ACME, "pay-1"))

        assert ids(events) == ["evt-1", "evt-2", "evt-0"]

    def test_a_payment_has_its_events_whatever_became_of_them(self) -> None:
        self.store_one_by_one("evt-1", "evt-2", "evt-3")
        first, second, _ = self.claim()
        self.inbox.mark([first], InboxState.APPLIED)
        self.inbox.mark([second], InboxState.UNMATCHED)

        events = self.inbox.of_payment(PROVIDER, PaymentRef(ACME, "pay-1"))

        assert [received.state for received in events] == [
            InboxState.APPLIED,
            InboxState.UNMATCHED,
            InboxState.NEW,
        ]

    def test_of_an_unknown_payment_or_event_there_is_nothing(self) -> None:
        assert list(self.inbox.of_payment(PROVIDER, PaymentRef(ACME, "pay-unknown"))) == []
        assert list(self.inbox.find_events(ACME, "evt-unknown")) == []

    def test_one_event_from_many_threads_is_stored_once(self) -> None:
        new = at_once(lambda _: self.store(an_event()), range(16))

        assert sorted(new) == [0] * 15 + [1]
        assert self.inbox.count_new() == 1

    def test_overlapping_notifications_from_many_threads_store_each_event_once(self) -> None:
        events = [an_event(f"evt-{number}", f"pay-{number % 3}") for number in range(6)]

        def store(number: int) -> int:
            turned = events[number % 6 :] + events[: number % 6]
            return self.store(*turned[:4])

        new = at_once(store, range(12))

        assert sum(new) == 6
        assert sorted(self.listed()) == [event.event_id for event in events]
