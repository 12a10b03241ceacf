"""PayPal, as its double plays it, for processes that run in real time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from oms_core.ports.clock import SystemClock
from tests.support.banks.bank import Bank, Books, Letter
from tests.support.http_faults import FaultyHttpServer, HttpRequest
from tests.support.paypal_double import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, PaypalDouble
from tests.support.paypal_stage import operation_of


class _Calendar:
    """The time, or one that is long past."""

    def __init__(self) -> None:
        self.earlier = timedelta(0)

    def now(self) -> datetime:
        return SystemClock().now() - self.earlier


class PaypalBank(Bank):
    """Orders that the shop created."""

    name: ClassVar[str] = "paypal"

    def __init__(self) -> None:
        self._calendar = _Calendar()
        self.double = PaypalDouble(self._calendar)
        self.secrets = {"PAYPAL_SECRET": CLIENT_SECRET}
        self._told: dict[str, list[object]] = {}

    @property
    def table(self) -> str:
        return (
            f'[payments.paypal]\nadapter = "paypal"\nclient_id = "{CLIENT_ID}"\n'
            'client_secret = "env:PAYPAL_SECRET"\nenvironment = "sandbox"\n'
            f'webhook_id = "{WEBHOOK_ID}"\nbase_url = "{self.double.http.url}"\n'
        )

    @property
    def server(self) -> FaultyHttpServer:
        return self.double.http

    def operation_of(self, request: HttpRequest) -> str:
        return operation_of(request)

    def pays(self, minor: int) -> str:
        return self.double.books.create_order(_major(minor))

    def is_declined(self, minor: int) -> str:
        order_id = self.double.books.create_order(_major(minor))
        self.double.books.decline[order_id] = "INSTRUMENT_DECLINED"
        return order_id

    def must_act(self, minor: int) -> str:
        return self.double.books.create_order(_major(minor), status="CREATED")

    def acts(self, reference: str) -> None:
        self.double.books.approve(reference)

    def paid_long_ago(self, minor: int, ago: timedelta) -> str:
        """Let the shop itself have held the money so long ago, for whichever order."""
        with self._earlier(ago):
            order_id = self.pays(minor)
            self.double.books.authorize_order(order_id)
        self.double.books.effects.clear()
        return order_id

    def pays_early(self, minor: int) -> str:
        return self.pays(minor)

    def news(self, reference: str) -> Sequence[Letter]:
        """Tell of an order or its payments whenever something about them has changed."""
        books = self.double.books
        with books.lock:
            order = books.get_order(reference)
            payments: dict[str, list[Any]] = order["purchase_units"][0].get("payments", {})
            now = [order["status"], *(len(made) for made in payments.values())]
            told = self._told.setdefault(reference, [])
            if told and told[-1] == now:
                return []
            told.append(now)
            kind, resource = "CHECKOUT.ORDER.APPROVED", order
            if payments.get("authorizations"):
                kind, resource = "PAYMENT.AUTHORIZATION.CREATED", payments["authorizations"][-1]
            sent = self.double.notify(kind, resource, len(told))
        return [Letter(sent.headers, sent.body)]

    def books(self, reference: str) -> Books:
        captured, refunded = (
            _minor(self.double.books.total(reference, kind)) for kind in ("captures", "refunds")
        )
        return Books(captured, refunded, bool(self.double.books.open_authorizations(reference)))

    def effects(self, reference: str, operation: str) -> int:
        return self.double.books.effects[reference, operation]

    def close(self) -> None:
        self.double.close()

    @contextmanager
    def _earlier(self, ago: timedelta) -> Iterator[None]:
        self._calendar.earlier = ago
        yield
        self._calendar.earlier = timedelta(0)


def _major(minor: int) -> str:
    return f"{Decimal(minor) / 100:.2f}"


def _minor(major: Decimal) -> int:
    return int(major * 100)
