"""The feed forgets what is old, and nothing that somebody is still to be sent."""

from collections.abc import Iterator
from functools import partial

import pytest

from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.publisher.webhook import HttpWebhookSender
from oms_adapters.storage.memory import MemoryStorage
from oms_adapters.subscriptions.memory import MemorySubscriptions
from oms_core import OrderManagement, Settings
from oms_core.application.feed_retention import BATCH
from oms_core.application.webhooks import (
    ChangeSubscription,
    ReplayDeadLetters,
    Subscribe,
    Webhooks,
)
from oms_core.errors import InvalidInput
from oms_core.testing import SimulatedClock, a_scope
from oms_core.testing.event_log_contract import events_of
from oms_core.testing.refusal import refusal
from tests.support.endpoint import Delivery, Endpoint, an_endpoint

ACME = a_scope("acme")
DAY_S = 86_400.0


class Shop:
    """A system whose feed keeps events for a week."""

    def __init__(self, keep_events_s: float | None = 7 * DAY_S) -> None:
        self.clock = SimulatedClock()
        self.log = MemoryEventLog(self.clock)
        self.webhooks = Webhooks(
            MemorySubscriptions(self.clock),
            self.log,
            HttpWebhookSender(timeout_s=5, allow_http=True, allow_private=True),
            clock=self.clock,
        )
        self.oms = OrderManagement(
            storage=MemoryStorage(self.clock),
            inventory=MemoryInventory(self.clock),
            payments={"simulated": SimulatedPayments(MemoryLedger(), self.clock)},
            event_log=self.log,
            webhooks=self.webhooks,
            clock=self.clock,
            settings=Settings(keep_events_s=keep_events_s),
        )

    @property
    def kept(self) -> list[int]:
        return [logged.position for logged in self.log.read(ACME, after=0, limit=3_000)]

    def live(self, days: int) -> None:
        """Let one thing happen at the beginning of every day."""
        for _ in range(days):
            self.log.append(events_of(f"{self.clock.now()}", entries=1))
            self.oms.run_until_idle()
            self.clock.advance(DAY_S)
        self.oms.run_until_idle()


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.oms.close()


def test_events_are_kept_for_as_long_as_was_said_and_not_longer(shop: Shop) -> None:
    shop.live(days=30)

    assert shop.kept == list(range(24, 31))


def test_by_default_events_are_kept_for_ever() -> None:
    shop = Shop(keep_events_s=None)

    shop.live(days=30)

    assert shop.kept == list(range(1, 31))


def test_more_than_a_batch_is_dropped_in_several(shop: Shop) -> None:
    for number in range(0, 2 * BATCH + 10, 10):
        shop.log.append(events_of(f"order-{number}", entries=10))
    shop.clock.advance(8 * DAY_S)

    shop.oms.run_until_idle()

    assert shop.kept == [2 * BATCH + 10]


def test_a_worker_drops_them_in_a_thread_of_its_own(shop: Shop) -> None:
    shop.log.append(events_of("order", entries=3))
    shop.clock.advance(8 * DAY_S)

    with shop.oms.running():
        pass

    assert shop.kept in ([1, 2, 3], [3]), "it may be stopped before it began, and not half way"


def test_a_reader_below_what_is_kept_is_told_where_to_go_on(shop: Shop) -> None:
    shop.live(days=30)

    for after in (0, 22):
        mistake = refusal(InvalidInput, partial(shop.oms.events, ACME, after=after, limit=9))
        assert "the oldest event has position 24" in mistake.mistakes[0].message
        assert "go on after 23" in mistake.mistakes[0].message

    assert [one.position for one in shop.oms.events(ACME, after=23, limit=2)] == [24, 25]


def test_nobody_subscribes_from_below_what_is_kept(shop: Shop) -> None:
    shop.live(days=30)

    def subscribe(after: int) -> object:
        url = "https://shop.example.com/hooks"
        return shop.webhooks.subscribe(ACME, Subscribe(url=url, after=after))

    assert "position 24" in refusal(InvalidInput, lambda: subscribe(22)).mistakes[0].message
    subscribe(23)


def test_what_a_subscription_is_still_to_be_sent_is_kept_however_old() -> None:
    shop = Shop(keep_events_s=DAY_S)
    with an_endpoint() as endpoint:
        shop.webhooks.subscribe(ACME, Subscribe(url=endpoint.url))
        refuse_the_first(endpoint)

        shop.live(days=2)
        kept_while_held = shop.kept
        shop.live(days=3)
    shop.oms.close()

    assert kept_while_held == [1, 2]
    assert shop.kept == [5], "it was given up"


@pytest.mark.parametrize("why", ["disabled", "stopped"])
def test_who_takes_nothing_holds_up_nothing_and_goes_on_with_what_is_kept(
    shop: Shop, why: str
) -> None:
    with an_endpoint() as endpoint:
        new = shop.webhooks.subscribe(ACME, Subscribe(url=endpoint.url)).subscribed.subscription
        if why == "disabled":
            shop.webhooks.change(ACME, new.id, ChangeSubscription(enabled=False))
        else:
            endpoint.script(500, 410)
        shop.live(days=30)
        received = len(endpoint.received)
        shop.webhooks.change(ACME, new.id, ChangeSubscription(enabled=True))
        shop.oms.run_until_idle()

        assert shop.kept == list(range(24, 31))
        assert len(endpoint.received) - received == 7
        assert shop.webhooks.get(ACME, new.id).progress.position == 30
        assert shop.webhooks.get(ACME, new.id).progress.held == ()


def test_a_dead_letter_whose_event_is_gone_stays_dead(shop: Shop) -> None:
    with an_endpoint() as endpoint:
        own = shop.webhooks.subscribe(ACME, Subscribe(url=endpoint.url)).subscribed.subscription.id
        refuse_the_first(endpoint)
        shop.live(days=30)
        (letter,) = shop.webhooks.get(ACME, own).progress.dead

        replayed = shop.webhooks.replay(ACME, own, ReplayDeadLetters())

        assert (letter.position, replayed) == (1, 0)
        assert shop.webhooks.get(ACME, own).progress.dead == (letter,)


def refuse_the_first(endpoint: Endpoint) -> None:
    first: list[str] = []

    def behaviour(delivery: Delivery) -> int:
        event_id = str(delivery.event["event_id"])
        first.append(event_id)
        return 500 if event_id == first[0] else 204

    endpoint.behaviour = behaviour
