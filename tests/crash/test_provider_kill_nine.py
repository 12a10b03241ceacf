"""A worker killed between a provider's effect and our record of it: one effect, and no order lost.

The worker is a real process with the real SDK; the provider is a double over a socket. It does
what it is asked, then the worker is killed before the answer leaves, and another takes over.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from attrs import define, field

from oms_core import Change, NewLineItem, Order, PlaceOrder
from oms_core.application.adjust_stock import AdjustStock
from oms_core.application.operation_requests import (
    CancelOrder,
    CompleteOrder,
    DeliverGoods,
    FulfillOrder,
    RefundPayment,
)
from oms_core.application.order_operations import Caller
from oms_core.application.receive_webhook import Webhook
from tests.support.banks import Bank, Books, PaypalBank, StripeBank
from tests.support.command_line import SCOPE, started
from tests.support.http_faults import HttpRequest
from tests.support.whole_shop import CHAIR, PATIENCE_S, TOTAL, WholeShop, open_shop

LEASE_S = 1.0
"""How long a dead worker's order stays with it."""
KEYS = ("idempotency-key", "paypal-request-id")


@define
class Killer:
    """Kills the worker after the effect of the next call of one operation, once."""

    shop: WholeShop
    bank: Bank
    stack: ExitStack
    worker: subprocess.Popen[str] | None = None
    operation: str | None = None
    killed: list[str] = field(factory=list)

    def after_effect(self, request: HttpRequest) -> None:
        """Be the double that has done it, and not answered."""
        if self.operation is None or self.bank.operation_of(request) != self.operation:
            return
        assert self.worker is not None
        self.killed.append(self.operation)
        self.operation = None
        self.worker.kill()
        self.worker.wait()

    @property
    def requests(self) -> Sequence[HttpRequest]:
        """All that the provider was asked."""
        assert self.bank.server is not None
        return self.bank.server.requests

    def keys(self, operation: str, since: int) -> set[str]:
        """Return the keys under which an operation was asked for, from a request on."""
        return {
            request.headers[name]
            for request in self.requests[since:]
            if self.bank.operation_of(request) == operation
            for name in KEYS
            if name in request.headers
        }

    def keep_a_worker(self) -> None:
        """Start a worker where there is none."""
        if self.worker is None or self.worker.poll() is not None:
            process = started(self.shop.folder, "worker", **self.shop.secrets)
            self.worker = self.stack.enter_context(process)


@define
class Life:
    """One order, at whose every step the worker is killed."""

    killer: Killer
    reference: str
    order_id: UUID = field(init=False)

    def place(self, key: str) -> None:
        line = NewLineItem(CHAIR.sku, 1, f"{TOTAL / 100:.2f}")
        name = self.killer.bank.name
        request = PlaceOrder(key, name, self.reference, "web", [line])
        self.order_id = self.killer.shop.oms.place_order(SCOPE, request).order_id

    @property
    def order(self) -> Order:
        return self.killer.shop.oms.get_order(SCOPE, self.order_id)

    def ask(self, name: str, *what: object) -> None:
        caller = Caller(f"{name}-{self.order_id}")
        getattr(self.killer.shop.oms.operations, name)(SCOPE, self.order_id, *what, caller)

    def survives(self, operation: str, act: Callable[[], None], **wanted: str) -> None:
        """Do something; the worker dies in the middle of it, and it ends as wanted."""
        killer, before = self.killer, len(self.killer.killed)
        asked_before = len(killer.requests)
        killer.operation = operation
        act()
        self.until(**wanted)
        assert killer.killed[before:] == [operation]
        assert killer.bank.effects(self.reference, operation) == 1
        assert len(killer.keys(operation, asked_before)) == 1

    def until(self, **wanted: str) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            order = self.order
            shown = {"status": order.status, "payment_status": order.payment.status}
            if all(shown[name] == value for name, value in wanted.items()):
                break
            assert time.monotonic() < ends_at, (wanted, shown, order.saga)
            self.killer.keep_a_worker()
            self.hear()
            time.sleep(0.02)
        assert order.saga.attention is None

    def hear(self) -> None:
        """Let the provider notify what happened."""
        bank = self.killer.bank
        for letter in bank.news(self.reference):
            headers = {name.lower(): value for name, value in letter.headers.items()}
            webhook = Webhook(SCOPE.tenant_id, bank.name, headers, letter.body)
            self.killer.shop.oms.receive_webhook(webhook)


@pytest.mark.parametrize("provider", ["stripe", "adyen", "paypal"])
def test_a_worker_killed_after_any_effect_leaves_one_effect(provider: str, tmp_path: Path) -> None:
    store = {"OMS__STORAGE__PATH": str(tmp_path / "oms.db")}
    with (
        open_shop(tmp_path, store, providers=[provider], poll_s=0.2, lease_s=LEASE_S) as shop,
        ExitStack() as stack,
    ):
        request = AdjustStock(CHAIR.sku, 10, "delivery")
        shop.oms.adjust_stock(SCOPE, request, idempotency_key="delivery", actor="clerk")
        bank = shop.banks[provider]
        killer = Killer(shop, bank, stack)
        assert bank.server is not None
        bank.server.after_effect = killer.after_effect

        kept = Life(killer, bank.pays(TOTAL))
        if provider == "adyen":
            # Its customers' money is held before it is asked for anything.
            kept.place("kept")
            kept.until(status="confirmed", payment_status="authorized")
        else:
            kept.survives(
                "authorize",
                lambda: kept.place("kept"),
                status="confirmed",
                payment_status="authorized",
            )
        kept.survives(
            "capture",
            lambda: kept.ask("fulfill", FulfillOrder()),
            status="fulfilled",
            payment_status="captured",
        )
        kept.ask("deliver", kept.order.fulfillments[0].id, DeliverGoods())
        kept.ask("complete", CompleteOrder())
        kept.survives(
            "refund",
            # A part: a second one would find money to give back.
            lambda: kept.ask("refund", RefundPayment("10.00")),
            status="partially_refunded",
            payment_status="partially_refunded",
        )
        assert bank.books(kept.reference) == Books(TOTAL, 1_000, holds=False)

        given_up = Life(killer, bank.pays(TOTAL))
        given_up.place("given-up")
        given_up.until(status="confirmed", payment_status="authorized")
        given_up.survives(
            "cancel",
            lambda: given_up.ask("cancel", CancelOrder()),
            status="cancelled",
            payment_status="voided",
        )
        assert bank.books(given_up.reference) == Books(0, 0, holds=False)

        level = shop.client.level(CHAIR)
        assert (level.on_hand, level.reserved) == (9, 0)


def test_a_worker_killed_where_stripe_has_no_room_for_our_reference_leaves_one_hold(
    tmp_path: Path,
) -> None:
    """There the mark is a call of its own, and the worker dies beside it."""
    store = {"OMS__STORAGE__PATH": str(tmp_path / "oms.db")}
    with (
        open_shop(tmp_path, store, providers=["stripe"], poll_s=0.2, lease_s=LEASE_S) as shop,
        ExitStack() as stack,
    ):
        request = AdjustStock(CHAIR.sku, 10, "delivery")
        shop.oms.adjust_stock(SCOPE, request, idempotency_key="delivery", actor="clerk")
        bank = shop.banks["stripe"]
        assert isinstance(bank, StripeBank)
        killer = Killer(shop, bank, stack)
        bank.server.after_effect = killer.after_effect
        cases = {
            "shops-mark": (bank.pays_with_a_reference_of_the_shop(TOTAL), "mark"),
            "shops-confirm": (bank.pays_with_a_reference_of_the_shop(TOTAL), "authorize"),
            "refused-confirm": (bank.pays_where_no_reference_is_taken(TOTAL), "authorize"),
            "refused-mark": (bank.pays_where_no_reference_is_taken(TOTAL), "mark"),
            "browser-mark": (bank.pays_early(TOTAL), "mark"),
        }

        for name, (reference, operation) in cases.items():
            life, killed_before = Life(killer, reference), len(killer.killed)
            killer.operation = operation
            life.place(name)
            life.until(status="confirmed", payment_status="authorized")

            assert killer.killed[killed_before:] == [operation], name
            assert bank.effects(reference, "authorize") == 1, name
            marked = bank.double.intents[reference].metadata
            assert marked == {"oms_order_id": str(life.order_id)}, name


def test_a_worker_killed_after_a_hold_was_made_anew_leaves_one_hold(tmp_path: Path) -> None:
    store = {"OMS__STORAGE__PATH": str(tmp_path / "oms.db")}
    with (
        open_shop(tmp_path, store, providers=["paypal"], poll_s=0.2, lease_s=LEASE_S) as shop,
        ExitStack() as stack,
    ):
        request = AdjustStock(CHAIR.sku, 10, "delivery")
        shop.oms.adjust_stock(SCOPE, request, idempotency_key="delivery", actor="clerk")
        bank = shop.banks["paypal"]
        assert isinstance(bank, PaypalBank)
        killer = Killer(shop, bank, stack)
        bank.server.after_effect = killer.after_effect
        # The hold is about to lapse: the worker must be there before it is.
        first = Life(killer, bank.pays(TOTAL))
        first.place("first")
        first.until(status="confirmed")

        old = Life(killer, bank.paid_long_ago(TOTAL, timedelta(days=29) - timedelta(seconds=6)))
        killer.operation = "reauthorize"
        old.place("old")
        ends_at = time.monotonic() + PATIENCE_S
        while Change.AUTHORIZATION_RENEWED not in {entry.change for entry in old.order.history}:
            assert time.monotonic() < ends_at, old.order.saga
            killer.keep_a_worker()
            time.sleep(0.02)

        assert killer.killed == ["reauthorize"]
        assert bank.effects(old.reference, "reauthorize") == 1
        assert len(bank.double.books.open_authorizations(old.reference)) == 1
        assert old.order.saga.attention is None
        held = old.order.payment.authorization
        assert held is not None
        assert held.expires_at is not None
        assert held.expires_at - old.order.created_at > timedelta(days=28)
