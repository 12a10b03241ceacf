"""Whole orders through real processes, the provider's name being the only difference.

``oms serve`` runs on a store; Stripe, Adyen and PayPal are doubles behind their real SDKs or
their real HTTP; what they notify is posted to ``/webhooks``. An order looks its payment up every
ten minutes, so that in a test's time nothing but a notification wakes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.support import mongo_server
from tests.support.banks import Books
from tests.support.whole_shop import (
    ACCOUNTS,
    CHAIR,
    LAMP,
    PROVIDERS,
    TOTAL,
    WholeShop,
    open_shop,
)

AT_ONCE = 20
A_CHAIR = {"line": 1, "quantity": 1}


class Running:
    """A shop per store, started when it is first needed and kept for all tests of this file."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stack = ExitStack()
        self._shops: dict[str, WholeShop] = {}

    def on(self, kind: str) -> WholeShop:
        if kind not in self._shops:
            folder = self._folders.mktemp(kind)
            storage = {"OMS__STORAGE__KIND": kind, "OMS__STORAGE__PATH": str(folder / "oms.db")}
            if kind == "mongodb":
                database = self._stack.enter_context(mongo_server.new_database())
                storage |= {
                    "OMS__STORAGE__URI": "env:MONGODB_OF_THE_TEST",
                    "OMS__STORAGE__DATABASE": database.name,
                    "MONGODB_OF_THE_TEST": mongo_server.uri(),
                }
            shop = self._stack.enter_context(open_shop(folder, storage))
            self._stack.enter_context(shop.serving())
            self._shops[kind] = shop
        return self._shops[kind]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(tmp_path_factory)
    yield made
    made.close()


class Case:
    """One order of one provider, from its payment to its end."""

    def __init__(self, shop: WholeShop, provider: str) -> None:
        self.shop = shop
        self.client = shop.client
        self.provider = provider
        self.bank = shop.banks[provider]
        self.reference = ""
        self.order_id = UUID(int=0)

    def place(self, reference: str) -> None:
        self.reference = reference
        answer = self.client.place(self.provider, reference)
        assert answer.status == 201, answer
        self.order_id = UUID(answer.body["order_id"])

    def confirmed(self) -> None:
        self.place(self.bank.pays(TOTAL))
        self.until(status="confirmed", payment_status="authorized")

    def until(self, **wanted: Any) -> None:
        """Let the provider notify, and the system work, until the order is as wanted."""

        def is_so() -> bool:
            shown = self.client.order(self.order_id)
            return wanted == {name: shown[name] for name in wanted}

        self.shop.until(self.provider, self.reference, is_so, f"{wanted} of {self.order_id}")

    def ask(self, what: str, **body: Any) -> None:
        self.client.ask(self.order_id, what, **body)

    def deliver_everything(self) -> None:
        for one in self.client.inside(self.order_id).fulfillments:
            self.ask(f"fulfillments/{one.id}/delivered")

    @property
    def books(self) -> Books:
        return self.bank.books(self.reference)

    def effects(self, *operations: str) -> dict[str, int]:
        return {one: self.bank.effects(self.reference, one) for one in operations}


@pytest.fixture(params=PROVIDERS)
def case(running: Running, request: pytest.FixtureRequest) -> Case:
    return Case(running.on("sqlite"), request.param)


def live_a_whole_life(case: Case) -> None:
    """Go from the payment in parts to the last cent given back."""
    before = {item: case.client.level(item).on_hand for item in (CHAIR, LAMP)}
    case.confirmed()
    assert case.books == Books(0, 0, holds=True)

    case.ask("fulfillments", lines=[A_CHAIR], carrier="DHL")
    case.until(status="partially_fulfilled")
    in_parts = case.bank.captures_in_parts
    assert case.books == Books(1_000 if in_parts else TOTAL, 0, holds=in_parts)

    case.ask("fulfillments")
    case.until(status="fulfilled", payment_status="captured")
    assert case.books == Books(TOTAL, 0, holds=False)

    case.deliver_everything()
    case.until(status="delivered")
    case.ask("complete")
    case.until(status="completed")
    case.ask("returns", lines=[A_CHAIR])
    returned = case.client.inside(case.order_id).returns[0]
    case.ask(f"returns/{returned.id}/approve")
    case.ask(f"returns/{returned.id}/receive", lines=[A_CHAIR])
    case.until(status="partially_returned")
    case.ask("refunds", lines=[A_CHAIR])
    case.until(status="partially_refunded", payment_status="partially_refunded")
    assert case.books == Books(TOTAL, 1_000, holds=False)

    case.ask("refunds")
    case.until(status="refunded", payment_status="refunded")

    assert case.books == Books(TOTAL, TOTAL, holds=False)
    assert case.effects("authorize", "capture", "cancel", "refund") == {
        "authorize": 1,
        "capture": 2 if in_parts else 1,
        "cancel": 0,
        "refund": 2,
    }
    after = {item: case.client.level(item) for item in (CHAIR, LAMP)}
    assert {item: level.on_hand - before[item] for item, level in after.items()} == {
        CHAIR: -1,
        LAMP: -1,
    }
    assert case.client.inside(case.order_id).saga.attention is None


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_order_goes_its_whole_way_in_parts_and_back(running: Running, account: str) -> None:
    live_a_whole_life(Case(running.on("sqlite"), account))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_it_does_so_on_mongodb(running: Running, account: str) -> None:
    live_a_whole_life(Case(running.on("mongodb"), account))


def test_a_declined_payment_fails_the_order_and_stock_is_free_again(case: Case) -> None:
    available = case.client.level(CHAIR).available

    case.place(case.bank.is_declined(TOTAL))
    case.until(status="failed")

    failure = case.client.order(case.order_id)["failure"]
    assert failure["code"] == "payment_declined"
    assert failure["provider_code"]
    assert case.books == Books(0, 0, holds=False)
    assert case.client.level(CHAIR).available == available


def test_an_order_waits_for_its_customer_and_a_notification_wakes_it(case: Case) -> None:
    case.place(case.bank.must_act(TOTAL))
    case.shop.until(
        case.provider,
        case.reference,
        lambda: case.client.inside(case.order_id).saga.wait is not None,
    )
    assert case.client.order(case.order_id)["status"] == "pending_payment"

    case.bank.acts(case.reference)
    case.until(status="confirmed", payment_status="authorized")

    assert case.effects("authorize") == {"authorize": 1}


def test_what_is_notified_before_the_order_comes_is_not_lost(case: Case) -> None:
    reference = case.bank.pays_early(TOTAL)
    assert case.shop.deliver(case.provider, reference) == 1

    case.place(reference)
    case.until(status="confirmed", payment_status="authorized")

    assert case.effects("authorize") == {"authorize": 1}


def test_an_order_cancelled_before_anything_left_holds_nothing(case: Case) -> None:
    available = case.client.level(CHAIR).available
    case.confirmed()

    case.ask("cancel", reason="The customer changed their mind.")
    case.until(status="cancelled", payment_status="voided")

    assert case.books == Books(0, 0, holds=False)
    assert case.effects("capture", "cancel") == {"capture": 0, "cancel": 1}
    assert case.client.level(CHAIR).available == available


def test_an_order_cancelled_after_its_capture_is_paid_back(case: Case) -> None:
    case.confirmed()
    case.ask("capture")
    case.until(payment_status="captured")

    case.ask("cancel")
    case.until(status="cancelled", payment_status="refunded")

    assert case.books == Books(TOTAL, TOTAL, holds=False)
    assert case.effects("capture", "refund") == {"capture": 1, "refund": 1}


@pytest.mark.parametrize("store", ["memory", "sqlite", "mongodb"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_of_many_orders_at_once_one_gets_the_payment(
    running: Running, store: str, provider: str
) -> None:
    shop = running.on(store)
    reference = shop.banks[provider].pays(TOTAL)
    place = partial(shop.client.place, provider, reference)

    with ThreadPoolExecutor(AT_ONCE) as customers:
        keys = [f"{provider}-{store}-{number}" for number in range(AT_ONCE)]
        answers = list(customers.map(lambda key: place(key=key), keys))

    assert Counter(answer.status for answer in answers) == {201: 1, 409: AT_ONCE - 1}
    refused = {answer.body["code"] for answer in answers if answer.status == 409}
    assert refused == {"payment_reference_in_use"}
