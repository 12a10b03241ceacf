"""Stripe, as its double plays it, for processes that run in real time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from oms_core.ports.clock import SystemClock
from tests.support.banks.bank import Bank, Books, Letter
from tests.support.http_faults import FaultyHttpServer, HttpRequest
from tests.support.stripe_double.double import (
    API_KEY,
    WEBHOOK_SECRET,
    StripeDouble,
    operation_of,
    reference_of,
)


class StripeBank(Bank):
    """PaymentIntents that the shop made."""

    name: ClassVar[str] = "stripe"

    def __init__(self) -> None:
        self.double = StripeDouble(SystemClock())
        self.secrets = {"STRIPE_KEY": API_KEY, "STRIPE_WEBHOOK": WEBHOOK_SECRET}
        self._without_details: set[str] = set()
        self.double.takes_references = self._takes_references
        self._told: dict[str, list[object]] = {}

    @property
    def table(self) -> str:
        return (
            '[payments.stripe]\nadapter = "stripe"\napi_key = "env:STRIPE_KEY"\n'
            'webhook_secret = "env:STRIPE_WEBHOOK"\ncaptures = "in_parts"\n'
            f'base_url = "{self.double.server.url}"\n'
        )

    @property
    def server(self) -> FaultyHttpServer:
        return self.double.server

    def operation_of(self, request: HttpRequest) -> str:
        return operation_of(request)

    def pays(self, minor: int) -> str:
        return self.double.create(minor).id

    def is_declined(self, minor: int) -> str:
        return self.double.create(minor, decides="decline").id

    def must_act(self, minor: int) -> str:
        return self.double.create(minor, decides="ask").id

    def acts(self, reference: str) -> None:
        self.double.intents[reference].decide(self.double.now)

    def pays_early(self, minor: int) -> str:
        intent = self.double.create(minor)
        self.double.confirm_in_the_browser(intent)
        return intent.id

    def pays_with_a_reference_of_the_shop(self, minor: int) -> str:
        """Make a payment in whose details the shop wrote something."""
        return self.double.create(minor, payment_details={"order_reference": "CART-17"}).id

    def pays_where_no_reference_is_taken(self, minor: int) -> str:
        """Make a payment whose method may have no details."""
        reference = self.double.create(minor).id
        self._without_details.add(reference)
        return reference

    def _takes_references(self, request: HttpRequest) -> bool:
        return reference_of(request) not in self._without_details

    def news(self, reference: str) -> Sequence[Letter]:
        """Tell of a PaymentIntent whenever it has changed."""
        intent = self.double.intents[reference]
        now = [intent.status, intent.amount_received, len(intent.refunds)]
        told = self._told.setdefault(reference, [])
        if told and told[-1] == now:
            return []
        told.append(now)
        kind = "payment_intent.amount_capturable_updated"
        body = self.double.event(kind, intent.document([]), len(told))
        headers = {"Stripe-Signature": self.double.sign(body.decode())}
        return [Letter(headers, body)]

    def books(self, reference: str) -> Books:
        intent = self.double.intents[reference]
        refunded = sum(one.amount for one in intent.refunds if one.metadata)
        return Books(intent.amount_received, refunded, bool(intent.amount_capturable))

    def effects(self, reference: str, operation: str) -> int:
        return self.double.effects[reference, operation]

    def close(self) -> None:
        self.double.close()
