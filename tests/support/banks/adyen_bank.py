"""Adyen, as its double plays it, for processes that run in real time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from tests.support.adyen_double import (
    API_KEY,
    HMAC_KEY,
    MERCHANT_ACCOUNT,
    WEBHOOK_PASSWORD,
    WEBHOOK_USERNAME,
    AdyenDouble,
    Outcome,
    batch,
)
from tests.support.adyen_stage import HEADERS, PATHS
from tests.support.banks.bank import Bank, Books, Letter
from tests.support.http_faults import FaultyHttpServer, HttpRequest


class AdyenBank(Bank):
    """Payments that customers made at a checkout; all that is known of them is notified."""

    name: ClassVar[str] = "adyen"
    captures_in_parts: ClassVar[bool] = False

    def __init__(self) -> None:
        self.double = AdyenDouble(captures_in_parts=self.captures_in_parts)
        self.secrets = {
            "ADYEN_KEY": API_KEY,
            "ADYEN_HMAC": HMAC_KEY,
            "ADYEN_PASSWORD": WEBHOOK_PASSWORD,
        }
        self._told: Counter[str] = Counter()
        self._silent: set[str] = set()

    @property
    def table(self) -> str:
        return (
            f'[payments.{self.name}]\nadapter = "adyen"\nmerchant_account = "{MERCHANT_ACCOUNT}"\n'
            'api_key = "env:ADYEN_KEY"\nhmac_key = "env:ADYEN_HMAC"\nenvironment = "test"\n'
            f'webhook_username = "{WEBHOOK_USERNAME}"\nwebhook_password = "env:ADYEN_PASSWORD"\n'
            f'captures = "{"in_parts" if self.captures_in_parts else "once"}"\n'
            f'base_url = "{self.double.base_url}"\n'
        )

    @property
    def server(self) -> FaultyHttpServer:
        return self.double.server

    def operation_of(self, request: HttpRequest) -> str:
        found = [name for name, end in PATHS.items() if request.path.endswith(end)]
        return found[0] if found else "lookup"

    def pays(self, minor: int) -> str:
        return self.double.customer_pays(minor)

    def is_declined(self, minor: int) -> str:
        return self.double.customer_pays(
            minor, outcome=Outcome.REFUSED, reason="Not enough balance"
        )

    def must_act(self, minor: int) -> str:
        """Nothing is notified as long as a customer is at their bank's page."""
        psp = self.double.customer_pays(minor)
        self._silent.add(psp)
        return psp

    def acts(self, reference: str) -> None:
        self._silent.discard(reference)

    def pays_early(self, minor: int) -> str:
        return self.pays(minor)

    def news(self, reference: str) -> Sequence[Letter]:
        if reference in self._silent:
            return []
        items = self.double.items(reference)
        new = items[self._told[reference] :]
        self._told[reference] = len(items)
        return [Letter(HEADERS, batch(new))] if new else []

    def books(self, reference: str) -> Books:
        captured, refunded, _ = self.double.books(reference)
        return Books(captured, refunded, self.double.held(reference) > 0)

    def effects(self, reference: str, operation: str) -> int:
        return self.double.effects(reference, operation)

    def close(self) -> None:
        self.double.close()


class AdyenInPartsBank(AdyenBank):
    """An account for which Adyen's support has enabled multiple partial captures."""

    name: ClassVar[str] = "adyen_in_parts"
    captures_in_parts: ClassVar[bool] = True
