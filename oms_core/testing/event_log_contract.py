"""The exam that every event log adapter sits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING

from oms_core.domain.event_envelope import EventEnvelope, envelope_of
from oms_core.domain.order_status import OrderStatus
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import SimulatedClock
from oms_core.testing.orders import AWKWARD_STRINGS, a_scope, an_order, with_status

if TYPE_CHECKING:
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog

ACME = a_scope("acme")
RIVAL = a_scope("rival")


def events_of(key: str, *, scope: Scope = ACME, entries: int = 2) -> list[EventEnvelope]:
    """Return the first events of an order's life."""
    order = an_order(key, scope=scope)
    for _ in range(entries - 1):
        order = with_status(order, OrderStatus.PROCESSING)
    return [envelope_of(event) for event in order.events()]


class EventLogContract(ABC):
    """Every promise of ``EventLog``, as tests that pytest runs on your adapter.

    Inherit and say how an empty log is made::

        class TestMyEventLog(EventLogContract):
            def make_log(self, clock: Clock) -> EventLog:
                return MyEventLog(clock)
    """

    clock: SimulatedClock
    log: EventLog

    @abstractmethod
    def make_log(self, clock: Clock) -> EventLog:
        """Make an empty log that goes by *clock*."""

    def setup_method(self) -> None:
        """Give every test a log of its own; pytest calls it."""
        self.clock = SimulatedClock()
        self.log = self.make_log(self.clock)

    def read(self, scope: Scope = ACME, *, after: int = 0) -> list[EventEnvelope]:
        """Read everything after a position, and see that positions have no gap."""
        logged = self.log.read(scope, after=after, limit=10_000)
        assert [one.position for one in logged] == list(range(after + 1, after + 1 + len(logged)))
        return [one.event for one in logged]

    def test_a_checker_is_told_which_events_are_in_the_log_of_a_scope(self) -> None:
        here, there = events_of("order-1", entries=3), events_of("order-1", scope=RIVAL)
        self.log.append([*here, *there])
        absent = events_of("order-2")
        asked = [event.event_id for event in (*here[1:], *there, *absent)]

        assert set(self.log.known(ACME, asked)) == {event.event_id for event in here[1:]}
        assert set(self.log.known(RIVAL, asked)) == {event.event_id for event in there}
        assert set(self.log.known(ACME, [])) == set()
        assert set(self.log.known(a_scope("nobody"), asked)) == set()

    def test_what_is_appended_is_read_whole_and_in_order(self) -> None:
        events = events_of("order-1", entries=3) + events_of("order-2")

        self.log.append(events)

        assert self.read() == events

    def test_an_empty_log_is_empty(self) -> None:
        self.log.append([])

        assert self.read() == []
        assert self.log.heads([ACME]) == {ACME: 0}

    def test_an_event_appended_again_keeps_its_position(self) -> None:
        """A relay that dies before it marks what left appends the same again."""
        first, second = events_of("order-1"), events_of("order-2")
        self.log.append(first)

        self.log.append(first)
        self.log.append(first + second)
        self.log.append(second)

        assert self.read() == first + second

    def test_an_event_twice_in_a_batch_has_one_position(self) -> None:
        events = events_of("order-1")

        self.log.append(events + events)

        assert self.read() == events

    def test_a_late_relay_with_an_older_view_changes_nothing(self) -> None:
        events = events_of("order-1", entries=4)
        self.log.append(events[:3])

        self.log.append(events[:2])
        self.log.append(events)

        assert self.read() == events

    def test_reading_goes_on_where_it_stopped(self) -> None:
        events = events_of("order-1", entries=3) + events_of("order-2", entries=4)
        for event in events:
            self.log.append([event])
        read: list[EventEnvelope] = []
        while page := self.log.read(ACME, after=len(read), limit=2):
            assert len(page) <= 2
            read += [one.event for one in page]

        assert read == events

    def test_reading_within_a_batch_goes_on_where_it_stopped(self) -> None:
        events = events_of("order-1", entries=5)
        self.log.append(events)

        assert [one.position for one in self.log.read(ACME, after=1, limit=2)] == [2, 3]
        assert self.read(after=4) == events[4:]
        assert self.read(after=5) == []
        assert self.read(after=2**53) == []

    def test_scopes_do_not_see_each_other_nor_count_together(self) -> None:
        """I9: a gap in the positions would tell how much happens elsewhere."""
        ours, theirs = events_of("key"), events_of("key", scope=RIVAL, entries=3)

        self.log.append([*ours[:1], *theirs, *ours[1:]])

        assert self.read(ACME) == ours
        assert self.read(RIVAL) == theirs
        nobody = a_scope("nobody")
        assert self.log.heads([ACME, RIVAL, nobody]) == {ACME: 2, RIVAL: 3, nobody: 0}

    def test_organizations_of_one_tenant_are_apart(self) -> None:
        sister = type(ACME)(ACME.tenant_id, RIVAL.org_id)
        ours, hers = events_of("key"), events_of("key", scope=sister)

        self.log.append(ours + hers)

        assert (self.read(ACME), self.read(sister)) == (ours, hers)

    def test_awkward_texts_come_back_as_they_were(self) -> None:
        plain = events_of("order-1", entries=1)[0]
        facts = {f"fact-{number}": text for number, text in enumerate(AWKWARD_STRINGS)}
        facts |= {"$gt": "dollar", "a.b": "dot", "": "empty"}
        event = EventEnvelope(
            plain.event_id,
            plain.event_type,
            plain.timestamp,
            plain.tenant_id,
            plain.org_id,
            "pat@example.com",
            plain.order_id,
            plain.sequence,
            {**plain.payload, "facts": facts},
        )

        self.log.append([event])

        assert self.read() == [event]

    def test_more_than_a_thousand_events_in_one_batch(self) -> None:
        events = [e for number in range(301) for e in events_of(f"order-{number}", entries=4)]

        self.log.append(events)

        assert self.read() == events

    def test_many_relays_at_once_leave_no_gap_no_duplicate_and_keep_each_orders_order(self) -> None:
        """Every event is appended by two relays, in batches that overlap."""
        orders = [events_of(f"order-{number}", entries=3) for number in range(24)]

        def relay(number: int) -> None:
            for start in range(0, len(orders), 2):
                at = (start + 2 * (number // 2)) % len(orders)
                for upto in (1, 3):
                    self.log.append([e for order in orders[at : at + 2] for e in order[:upto]])

        at_once(relay, range(8))

        read = self.read()
        assert sorted(e.event_id for e in read) == sorted(e.event_id for o in orders for e in o)
        for order in orders:
            own = [e.sequence for e in read if e.order_id == order[0].order_id]
            assert own == [1, 2, 3]

    def test_a_reader_beside_busy_relays_never_skips_an_event(self) -> None:
        """A position that becomes visible late, below one already read, would be skipped."""
        orders = [events_of(f"order-{number}") for number in range(60)]

        def work(number: int) -> list[EventEnvelope]:
            if number:
                for order in orders[number - 1 :: 3]:
                    self.log.append(order)
                return []
            read: list[EventEnvelope] = []
            while len(read) < 2 * len(orders):
                page = self.log.read(ACME, after=len(read), limit=7)
                assert [p.position for p in page] == list(
                    range(len(read) + 1, len(read) + 1 + len(page))
                )
                read += [one.event for one in page]
            return read

        read, *_ = at_once(work, range(4))

        assert sorted(e.event_id for e in read) == sorted(e.event_id for o in orders for e in o)

    # -- dropping ------------------------------------------------------------------------------

    def aged(self, *batches: list[EventEnvelope]) -> None:
        """Append each batch, and let an hour pass after it."""
        for batch in batches:
            self.log.append(batch)
            self.clock.advance(3_600)

    def drop(self, *, older_than_s: float = 0.0, up_to: int | None = None) -> int:
        """Drop everything that may be dropped of ACME's."""
        before = self.clock.now() - timedelta(seconds=older_than_s)
        dropped = 0
        while batch := self.log.drop(ACME, up_to=up_to, before=before, limit=10):
            dropped += batch
        return dropped

    def kept(self) -> list[int]:
        """Return all positions there are."""
        return [one.position for one in self.log.read(ACME, after=0, limit=10_000)]

    def test_events_older_than_a_moment_are_dropped_and_no_others(self) -> None:
        old, middle, new = (events_of(f"order-{number}") for number in range(3))
        self.aged(old, middle, new)

        assert self.drop(older_than_s=2.5 * 3_600) == 2

        assert self.kept() == [3, 4, 5, 6]
        assert self.log.oldest(ACME) == 3
        assert self.read(after=2) == middle + new
        assert self.log.heads([ACME]) == {ACME: 6}
        assert self.drop(older_than_s=2.5 * 3_600) == 0

    def test_nothing_above_a_position_that_is_needed_is_dropped(self) -> None:
        self.aged(*(events_of(f"order-{number}", entries=1) for number in range(6)))

        self.drop(up_to=3)

        assert self.kept() == [4, 5, 6]

    def test_the_last_event_is_never_dropped_and_no_position_is_given_out_again(self) -> None:
        self.aged(*(events_of(f"order-{number}", entries=1) for number in range(3)))

        self.drop()
        self.drop(up_to=99)
        self.log.append(events_of("later", entries=1))

        assert self.kept() == [3, 4]
        assert self.log.heads([ACME]) == {ACME: 4}

    def test_an_event_that_is_kept_has_its_position_still_whatever_was_dropped(self) -> None:
        old, new = events_of("old"), events_of("new")
        self.aged(old, new)
        self.drop(older_than_s=1.5 * 3_600)

        self.log.append(new)

        assert self.kept() == [3, 4]

    def test_where_nothing_was_dropped_the_oldest_position_is_the_first(self) -> None:
        assert self.log.oldest(ACME) == 1
        assert self.drop() == 0

        self.log.append(events_of("order-1"))

        assert self.log.oldest(ACME) == 1

    def test_dropping_leaves_other_scopes_alone(self) -> None:
        theirs = events_of("key", scope=RIVAL)
        self.aged(theirs, events_of("key"), events_of("more"))

        self.drop()

        assert self.read(RIVAL) == theirs
        assert set(self.log.scopes()) == {ACME, RIVAL}
        assert self.log.oldest(RIVAL) == 1

    def test_droppers_and_appenders_at_once_leave_no_gap(self) -> None:
        self.aged(*(events_of(f"old-{number}", entries=1) for number in range(30)))

        def append_or_drop(number: int) -> None:
            if number % 2:
                self.log.append(events_of(f"new-{number}"))
            else:
                self.drop(older_than_s=1)

        at_once(append_or_drop, range(8))

        head = self.log.heads([ACME])[ACME]
        assert head == 38
        assert self.kept() == list(range(self.log.oldest(ACME), head + 1))
        assert self.log.oldest(ACME) > 29
