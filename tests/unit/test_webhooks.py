"""Deliveries to real endpoints on the loopback, by a simulated clock."""

import random
from collections import Counter
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.publisher.webhook import HttpWebhookSender
from oms_adapters.subscriptions.memory import MemorySubscriptions
from oms_core.application.delivery_turn import DeliverySettings
from oms_core.application.webhooks import (
    ChangeSubscription,
    ReplayDeadLetters,
    Subscribe,
    Webhooks,
)
from oms_core.domain.delivery import HELD_ORDERS_MAX, DeliveryProgress
from oms_core.domain.event_envelope import EventEnvelope
from oms_core.domain.inventory import StockItem, StockMovement
from oms_core.domain.stock_event import StockEvent, stock_envelope_of
from oms_core.errors import InvalidInput, SubscriptionNotFound
from oms_core.testing import SimulatedClock, a_scope, at_once
from oms_core.testing.event_log_contract import events_of
from tests.support.endpoint import Delivery, Endpoint, an_endpoint

DAY_S = 86_400.0
SCOPE = a_scope("acme")


class Outpost:
    """Webhooks over a log that the test fills."""

    def __init__(self, settings: DeliverySettings | None = None) -> None:
        self.clock = SimulatedClock()
        self.log = MemoryEventLog()
        self._numbers: Counter[str] = Counter()
        self.subscriptions = MemorySubscriptions(self.clock)
        self.sender = HttpWebhookSender(timeout_s=0.3, allow_http=True, allow_private=True)
        self.webhooks = self.another_process(settings)

    def another_process(self, settings: DeliverySettings | None = None) -> Webhooks:
        return Webhooks(
            self.subscriptions,
            self.log,
            self.sender,
            clock=self.clock,
            randomness=random.Random(7),
            settings=settings,
        )

    def subscribe(self, endpoint: Endpoint, **asked: Any) -> tuple[UUID, str]:
        new = self.webhooks.subscribe(SCOPE, Subscribe(url=endpoint.url, **asked))
        assert new.secret is not None
        return new.subscribed.subscription.id, new.secret

    def happen(self, *keys: str, entries: int = 2) -> list[EventEnvelope]:
        """Let orders of these names live through so many events each."""
        events = [event for key in keys for event in events_of(key, entries=entries)]
        self.log.append(events)
        return events

    def book(self, *skus: str) -> list[EventEnvelope]:
        """Let one piece of each of these arrive."""
        booked = []
        for sku in skus:
            self._numbers[sku] += 1
            number = self._numbers[sku]
            movement = StockMovement(
                f"{sku}/{number}", StockItem(sku), 1, "delivery", self.clock.now(), "pat"
            )
            booked.append(stock_envelope_of(StockEvent(SCOPE, movement, number)))
        self.log.append(booked)
        return booked

    def progress(self, subscription_id: UUID) -> DeliveryProgress:
        return self.webhooks.get(SCOPE, subscription_id).progress

    def live_through(self, seconds: float, *, step_s: float = 600.0) -> None:
        for _ in range(int(seconds / step_s)):
            self.clock.advance(step_s)
            self.webhooks.deliver_due()


@pytest.fixture
def outpost() -> Iterator[Outpost]:
    made = Outpost()
    yield made
    made.webhooks.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with an_endpoint() as made:
        yield made


def verified(delivery: Delivery, secret: str, clock: SimulatedClock) -> dict[str, Any]:
    """Verify with the library that subscribers use, whose clock is the real one."""
    webhook = Webhook(secret)
    timestamp = int(clock.now().timestamp())
    assert delivery.headers["webhook-timestamp"] == str(timestamp)
    signatures = delivery.headers["webhook-signature"].split(" ")
    expected = webhook.sign(delivery.headers["webhook-id"], clock.now(), delivery.body.decode())
    assert expected in signatures
    return delivery.event


def test_what_happens_after_the_subscription_is_delivered_in_order_once_and_signed(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    outpost.happen("before")
    _, secret = outpost.subscribe(endpoint)
    events = outpost.happen("one", "two", entries=3)

    outpost.webhooks.deliver_due()
    outpost.webhooks.deliver_due()

    assert endpoint.events == [event.to_document() for event in events]
    for delivery, event in zip(endpoint.received, events, strict=True):
        verified(delivery, secret, outpost.clock)
        assert delivery.headers["webhook-id"] == str(event.event_id)
        assert delivery.headers["content-type"] == "application/json"


def test_the_library_that_subscribers_use_takes_a_message_and_refuses_a_forged_one() -> None:
    """By the real clock, for the library goes by it."""
    with an_endpoint() as endpoint:
        log = MemoryEventLog()
        sender = HttpWebhookSender(allow_http=True, allow_private=True)
        webhooks = Webhooks(MemorySubscriptions(), log, sender)
        secret = webhooks.subscribe(SCOPE, Subscribe(url=endpoint.url)).secret
        assert secret is not None
        log.append(events_of("one", entries=1))
        webhooks.deliver_due()
        webhooks.close()
    (delivery,) = endpoint.received

    assert Webhook(secret).verify(delivery.body, delivery.headers) == delivery.event

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(delivery.body.replace(b"created", b"updated"), delivery.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(delivery.body, delivery.headers)


def test_a_subscription_may_begin_anywhere_in_the_feed(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    events = outpost.happen("one", "two")

    outpost.subscribe(endpoint, after=1)
    outpost.webhooks.deliver_due()

    assert endpoint.events == [event.to_document() for event in events[1:]]
    with pytest.raises(InvalidInput, match="beyond the last position, 4"):
        outpost.subscribe(endpoint, after=5)


def test_only_the_wanted_types_are_delivered(outpost: Outpost, endpoint: Endpoint) -> None:
    subscription_id, _ = outpost.subscribe(endpoint, event_types=("order.created",))
    outpost.happen("one", "two", entries=3)

    outpost.webhooks.deliver_due()

    assert [(e["event_type"], e["sequence"]) for e in endpoint.events] == [("order.created", 1)] * 2
    assert outpost.progress(subscription_id).position == 6


def test_a_long_backlog_is_delivered_in_turns(outpost: Outpost, endpoint: Endpoint) -> None:
    outpost.subscribe(endpoint)
    events = outpost.happen(*(f"order-{number}" for number in range(120)), entries=2)

    assert outpost.webhooks.deliver_due() == 3

    assert endpoint.events == [event.to_document() for event in events]


def test_both_secrets_sign_for_a_day_after_a_rotation(outpost: Outpost, endpoint: Endpoint) -> None:
    subscription_id, old = outpost.subscribe(endpoint)
    new = outpost.webhooks.rotate_secret(SCOPE, subscription_id).secret
    assert new != old
    outpost.happen("one", entries=1)
    outpost.webhooks.deliver_due()
    verified(endpoint.received[0], old, outpost.clock)
    verified(endpoint.received[0], new, outpost.clock)

    outpost.clock.advance(DAY_S)
    outpost.happen("two", entries=1)
    outpost.webhooks.deliver_due()

    verified(endpoint.received[1], new, outpost.clock)
    assert " " not in endpoint.received[1].headers["webhook-signature"]


# -- endpoints that fail ---------------------------------------------------------------------------


def test_an_event_that_is_refused_holds_up_its_order_and_no_other(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    poison, _, _ = (events := outpost.happen("one", entries=3))
    subscription_id, _ = outpost.subscribe(endpoint, after=0)
    endpoint.behaviour = lambda d: 500 if d.event["event_id"] == str(poison.event_id) else 204
    others = outpost.happen("two", "three")

    outpost.webhooks.deliver_due()
    assert endpoint.events == [poison.to_document(), *(e.to_document() for e in others)]
    outpost.live_through(6 * 3_600)

    assert endpoint.positions_by_order[str(poison.order_id)] == [1]
    assert 5 < len(endpoint.received) - len(others) < 40
    endpoint.behaviour = lambda _: 204
    outpost.live_through(3 * 3_600)
    assert endpoint.events[-3:] == [event.to_document() for event in events]
    assert outpost.progress(subscription_id).held == ()


def test_a_ledger_entry_that_is_refused_holds_up_its_item_and_no_other(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    poison, lamp, later = outpost.book("CRUNCHY-ARMCHAIR", "WOBBLY-LAMP", "CRUNCHY-ARMCHAIR")
    endpoint.behaviour = lambda d: 500 if d.event["event_id"] == str(poison.event_id) else 204

    outpost.webhooks.deliver_due()

    assert endpoint.events == [poison.to_document(), lamp.to_document()]
    (held,) = outpost.progress(subscription_id).held
    assert (held.subject_id, held.positions) == (poison.subject_id, (1, 3))
    endpoint.behaviour = lambda _: 204
    outpost.live_through(600)
    assert endpoint.events[-2:] == [poison.to_document(), later.to_document()]
    assert outpost.progress(subscription_id).held == ()


def test_a_ledger_entry_that_was_given_up_is_a_dead_letter_without_an_order(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    (poison,) = outpost.book("CRUNCHY-ARMCHAIR")
    endpoint.behaviour = lambda d: 500 if d.event["event_id"] == str(poison.event_id) else 204
    for _ in range(3 * 24 + 2):
        outpost.live_through(3_600, step_s=3_600)
        outpost.book("WOBBLY-LAMP")

    (letter,) = outpost.progress(subscription_id).dead
    assert (letter.order_id, letter.subject_id) == (None, poison.subject_id)
    endpoint.behaviour = lambda _: 204
    assert outpost.webhooks.replay(SCOPE, subscription_id, ReplayDeadLetters()) == 1
    outpost.webhooks.deliver_due()
    assert poison.to_document() in endpoint.events[-3:]


def test_of_many_who_subscribe_at_once_under_one_key_one_is_shown_the_secret_that_counts(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    request = Subscribe(url=endpoint.url)

    made = at_once(
        lambda _: outpost.webhooks.subscribe(SCOPE, request, idempotency_key="hooks"), range(8)
    )

    (kept,) = outpost.webhooks.list_all(SCOPE)
    assert [new.secret for new in made if new.secret] == [kept.subscription.secrets[0].value]
    assert {new.subscribed.subscription.id for new in made} == {kept.subscription.id}


@pytest.mark.parametrize("trouble", [500, 302, 429, Endpoint.HANG, Endpoint.DROP])
def test_nothing_is_lost_and_the_order_is_kept_whatever_an_endpoint_does(
    outpost: Outpost, endpoint: Endpoint, trouble: int | str
) -> None:
    """Dropping the connection after the effect makes a repeat, under the same id."""
    outpost.subscribe(endpoint)
    endpoint.script(*[204, trouble] * 3, trouble)
    events = outpost.happen(*(f"order-{number}" for number in range(6)), entries=3)

    outpost.webhooks.deliver_due()
    outpost.live_through(3_600, step_s=5)

    by_order: dict[str, list[int]] = {}
    for event in events:
        by_order.setdefault(str(event.order_id), []).append(event.sequence)
    assert endpoint.positions_by_order == by_order
    assert {e["event_id"] for e in endpoint.events} == {str(e.event_id) for e in events}
    assert len(endpoint.received) == len(events) + 4


def test_an_endpoint_that_is_down_is_probed_and_not_flooded(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    """Its state stays small however much happens meanwhile; the feed keeps the rest."""
    subscription_id, _ = outpost.subscribe(endpoint)
    endpoint.behaviour = lambda _: 503
    events = outpost.happen(*(f"order-{number}" for number in range(200)), entries=2)

    outpost.webhooks.deliver_due()
    assert len(endpoint.received) == 3
    outpost.live_through(DAY_S)

    assert 20 < len(endpoint.received) < 60
    progress = outpost.progress(subscription_id)
    assert len(progress.held) <= 3
    assert progress.stopped is None
    endpoint.behaviour = lambda _: 204
    outpost.live_through(2 * 3_600)
    assert {e["event_id"] for e in endpoint.events} == {str(e.event_id) for e in events}
    assert all(sequences == [1, 2] for sequences in endpoint.positions_by_order.values())


def test_waits_grow_to_an_hour_and_are_spread(outpost: Outpost, endpoint: Endpoint) -> None:
    outpost.subscribe(endpoint)
    endpoint.behaviour = lambda _: 500
    outpost.happen("one", entries=1)
    waits = []

    outpost.webhooks.deliver_due()
    for _ in range(9):
        before, waited_s = len(endpoint.received), 0
        while len(endpoint.received) == before:
            outpost.clock.advance(1)
            waited_s += 1
            outpost.webhooks.deliver_due()
        waits.append(waited_s)

    longest = [5, 20, 80, 320, 1_280, 3_600, 3_600, 3_600, 3_600]
    assert all(most / 2 <= wait <= most + 1 for wait, most in zip(waits, longest, strict=True))
    assert len(set(waits[-4:])) > 1


def test_an_endpoint_that_asks_for_time_gets_it(outpost: Outpost, endpoint: Endpoint) -> None:
    outpost.subscribe(endpoint)
    endpoint.headers = {"Retry-After": "600"}
    endpoint.script(429)
    outpost.happen("one", entries=1)
    outpost.webhooks.deliver_due()

    outpost.live_through(595, step_s=5)
    assert len(endpoint.received) == 1

    outpost.live_through(10, step_s=5)
    assert len(endpoint.received) == 2


def test_what_was_refused_for_three_days_is_a_dead_letter_and_can_be_replayed(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    poison, _ = (events := outpost.happen("one"))
    subscription_id, _ = outpost.subscribe(endpoint, after=0)
    endpoint.behaviour = lambda d: 400 if d.event["event_id"] == str(poison.event_id) else 204
    for number in range(3 * 24 + 2):
        outpost.happen(f"healthy-{number}", entries=1)
        outpost.live_through(3_600, step_s=1_800)

    (letter,) = outpost.progress(subscription_id).dead
    assert (letter.event_id, letter.error) == (poison.event_id, "answered 400")
    assert letter.attempts > 50
    assert endpoint.positions_by_order[str(poison.order_id)] == [1, 2]
    received = len(endpoint.received)

    endpoint.behaviour = lambda _: 204
    replayed = outpost.webhooks.replay(SCOPE, subscription_id, ReplayDeadLetters())
    outpost.webhooks.deliver_due()

    assert replayed == 1
    assert endpoint.events[received:] == [events[0].to_document()]
    assert outpost.progress(subscription_id).dead == ()
    assert outpost.webhooks.replay(SCOPE, subscription_id, ReplayDeadLetters()) == 0


def test_an_endpoint_that_takes_nothing_for_three_days_is_left_alone_and_nothing_is_lost(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    endpoint.behaviour = lambda _: 500
    events = outpost.happen(*(f"order-{number}" for number in range(20)))
    outpost.webhooks.deliver_due()
    outpost.live_through(3.1 * DAY_S, step_s=1_800)

    stopped = outpost.progress(subscription_id)
    assert stopped.stopped is not None
    assert stopped.stopped.startswith("nothing was taken since ")
    received = len(endpoint.received)
    outpost.live_through(DAY_S, step_s=3_600)
    assert len(endpoint.received) == received

    endpoint.behaviour = lambda _: 204
    outpost.webhooks.change(SCOPE, subscription_id, ChangeSubscription(enabled=True))
    outpost.webhooks.replay(SCOPE, subscription_id, ReplayDeadLetters())
    outpost.webhooks.deliver_due()

    taken = endpoint.events[received:]
    assert {e["event_id"] for e in taken} == {str(e.event_id) for e in events}


def test_410_stops_the_subscription_until_somebody_starts_it_again(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    endpoint.script(204, 410)
    events = outpost.happen("one", "two")

    outpost.webhooks.deliver_due()
    outpost.live_through(DAY_S, step_s=3_600)

    assert len(endpoint.received) == 2
    assert "410" in (outpost.progress(subscription_id).stopped or "")
    outpost.webhooks.change(SCOPE, subscription_id, ChangeSubscription(enabled=True))
    outpost.webhooks.deliver_due()
    assert endpoint.events[2:] == [event.to_document() for event in events[1:]]


def test_an_endpoint_that_refuses_every_order_is_not_sent_the_whole_feed(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    """Every second event is taken, so the endpoint is not down; what is held stays bounded."""
    subscription_id, _ = outpost.subscribe(endpoint)
    endpoint.behaviour = lambda d: 500 if d.event["sequence"] == 1 else 204
    for number in range(HELD_ORDERS_MAX + 50):
        healthy = events_of(f"healthy-{number}", entries=2)
        outpost.log.append([*events_of(f"poison-{number}", entries=1), healthy[1]])

    outpost.webhooks.deliver_due()

    progress = outpost.progress(subscription_id)
    assert len(progress.held) == HELD_ORDERS_MAX
    assert progress.position < 2 * (HELD_ORDERS_MAX + 50)
    endpoint.behaviour = lambda _: 204
    outpost.live_through(3 * 3_600)
    assert outpost.progress(subscription_id).held == ()
    assert outpost.progress(subscription_id).position == 2 * (HELD_ORDERS_MAX + 50)


# -- several processes -----------------------------------------------------------------------------


def test_a_process_that_died_in_a_turn_is_followed_by_one_that_begins_the_turn_again(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    """At least once, in order, under the same ids."""
    subscription_id, _ = outpost.subscribe(endpoint)
    events = outpost.happen("one", entries=3)
    # It claimed, and sent who knows what.
    assert outpost.subscriptions.claim(SCOPE, subscription_id, lease_s=60) is not None
    other = outpost.another_process()
    assert other.deliver_due() == 0

    outpost.clock.advance(60)
    other.deliver_due()

    assert endpoint.events == [event.to_document() for event in events]


def test_a_change_by_a_person_is_not_undone_by_a_delivery_under_way(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    """What was sent under the outdated claim is sent again: at least once."""
    subscription_id, _ = outpost.subscribe(endpoint)
    endpoint.script(500)
    outpost.happen("one", entries=2)
    outpost.webhooks.deliver_due()
    outpost.clock.advance(60)

    def started_again_meanwhile(_: Delivery) -> int:
        if len(endpoint.received) == 2:
            outpost.webhooks.change(SCOPE, subscription_id, ChangeSubscription(enabled=True))
        return 204

    endpoint.behaviour = started_again_meanwhile
    outpost.webhooks.deliver_due()

    assert [event["sequence"] for event in endpoint.events] == [1, 1, 2, 1, 2]
    progress = outpost.progress(subscription_id)
    assert (progress.position, progress.held) == (2, ())


# -- threads ---------------------------------------------------------------------------------------


def test_many_endpoints_that_hang_hold_up_nobody_else() -> None:
    """F49. With real threads and the real clock: more hang than there are threads."""
    settings = DeliverySettings(threads=8, poll_s=0.05, retry_first_s=0.05, retry_cap_s=0.1)
    with an_endpoint() as hanging, an_endpoint() as healthy:
        hanging.behaviour = lambda _: Endpoint.HANG
        log, sender = (
            MemoryEventLog(),
            HttpWebhookSender(timeout_s=1, allow_http=True, allow_private=True),
        )
        webhooks = Webhooks(MemorySubscriptions(), log, sender, settings=settings)
        for number in range(12):
            webhooks.subscribe(a_scope("slow"), Subscribe(url=f"{hanging.url}&{number}"))
        webhooks.subscribe(SCOPE, Subscribe(url=healthy.url))
        log.append([e for n in range(5) for e in events_of(f"slow-{n}", scope=a_scope("slow"))])
        webhooks.start()
        try:
            waits = []
            for number in range(20):
                began = monotonic()
                log.append(events_of(f"order-{number}", entries=1))
                webhooks.look_now()
                while len(healthy.received) <= number:
                    assert monotonic() - began < 20
                    sleep(0.002)
                waits.append(monotonic() - began)
            assert hanging.received
        finally:
            hanging.released.set()
            assert webhooks.stop(10)
            webhooks.close()

    assert [event["order_id"] for event in healthy.events] == [
        str(events_of(f"order-{number}")[0].order_id) for number in range(20)
    ]
    # Below the time-out of a hanging endpoint: nothing waited for one.
    assert max(waits) < 1


def test_with_fewer_threads_than_backlogs_everybody_has_a_turn() -> None:
    """In whatever order the store tells of them."""
    scopes = [a_scope(f"tenant-{number}") for number in range(3)]
    with an_endpoint() as endpoint:
        log = MemoryEventLog()
        sender = HttpWebhookSender(allow_http=True, allow_private=True)
        settings = DeliverySettings(threads=1, poll_s=0.05)
        webhooks = Webhooks(MemorySubscriptions(), log, sender, settings=settings)
        for scope in scopes:
            webhooks.subscribe(scope, Subscribe(url=endpoint.url))
            log.append([e for n in range(150) for e in events_of(f"order-{n}", scope=scope)])
        webhooks.start()
        began = monotonic()
        while len(endpoint.received) < 900:
            assert monotonic() - began < 60
            sleep(0.01)
        assert webhooks.stop(10)
        webhooks.close()

    turns = [event["tenant_id"] for event in endpoint.events][::100]
    assert turns == [str(scope.tenant_id) for scope in scopes] * 3


# -- what is refused -------------------------------------------------------------------------------


def test_others_subscriptions_do_not_exist(outpost: Outpost, endpoint: Endpoint) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    rival = a_scope("rival")

    assert list(outpost.webhooks.list_all(rival)) == []
    for attempt in (
        lambda: outpost.webhooks.get(rival, subscription_id),
        lambda: outpost.webhooks.change(rival, subscription_id, ChangeSubscription(enabled=False)),
        lambda: outpost.webhooks.rotate_secret(rival, subscription_id),
        lambda: outpost.webhooks.unsubscribe(rival, subscription_id),
        lambda: outpost.webhooks.replay(rival, subscription_id, ReplayDeadLetters()),
    ):
        with pytest.raises(SubscriptionNotFound):
            attempt()


def test_what_is_switched_off_gets_nothing_and_misses_nothing(
    outpost: Outpost, endpoint: Endpoint
) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    outpost.webhooks.change(SCOPE, subscription_id, ChangeSubscription(enabled=False))
    events = outpost.happen("one")
    outpost.webhooks.deliver_due()
    assert endpoint.received == []

    outpost.webhooks.change(SCOPE, subscription_id, ChangeSubscription(enabled=True))
    outpost.webhooks.deliver_due()

    assert endpoint.events == [event.to_document() for event in events]


def test_who_unsubscribed_gets_nothing_more(outpost: Outpost, endpoint: Endpoint) -> None:
    subscription_id, _ = outpost.subscribe(endpoint)
    outpost.webhooks.unsubscribe(SCOPE, subscription_id)
    outpost.happen("one")

    assert outpost.webhooks.deliver_due() == 0
    assert endpoint.received == []


def test_no_secret_is_in_what_is_shown(outpost: Outpost, endpoint: Endpoint) -> None:
    new = outpost.webhooks.subscribe(SCOPE, Subscribe(url=endpoint.url))

    assert new.secret is not None
    assert new.secret not in repr(new)
    assert new.secret not in repr(outpost.webhooks.list_all(SCOPE))
