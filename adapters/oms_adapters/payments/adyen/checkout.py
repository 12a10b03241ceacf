"""Adyen's Checkout API through its SDK: each call answers or raises trouble of the port."""

from __future__ import annotations

import re
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import Adyen
import requests
from Adyen import HTTPClient, settings

from oms_adapters.payments.adyen.verdict import unreadable, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oms_adapters.payments.adyen.account import AdyenAccount

PSP_REFERENCE: Final = re.compile(r"[0-9A-Z]{16}", re.ASCII)
"""Adyen's own id of a payment or modification."""
_CONNECT_S_MAX: Final = 5.0


class Checkout:
    """Sends modifications to Adyen; may be used by many threads.

    The SDK is told everything here, once: nothing of it changes afterwards.
    """

    def __init__(self, account: AdyenAccount) -> None:
        self._account = account
        sdk = Adyen.Adyen(
            xapikey=account.api_key,
            platform="test" if account.live_prefix is None else "live",
            live_endpoint_prefix=account.live_prefix,
        )
        sdk.client.http_client = _Sessions(account.timeout_s)
        sdk.client.http_init = True
        self._payments = sdk.checkout.payments_api
        self._modifications = sdk.checkout.modifications_api
        if account.base_url is not None:
            # The SDK has no option for it.
            self._payments.baseUrl = account.base_url.rstrip("/")
            self._modifications.baseUrl = account.base_url.rstrip("/")

    def capture(self, psp: str, amount: Mapping[str, object], reference: str, key: str) -> str:
        """Ask for a capture; return Adyen's id of it. It has been received, not done."""
        body = self._body(amount=amount, reference=reference)
        return self._received(self._modifications.capture_authorised_payment, body, psp, key)

    def cancel(self, psp: str, reference: str, key: str) -> str:
        """Ask for a cancellation; return Adyen's id of it. It has been received, not done."""
        body = self._body(reference=reference)
        call = self._modifications.cancel_authorised_payment_by_psp_reference
        return self._received(call, body, psp, key)

    def refund(self, psp: str, amount: Mapping[str, object], reference: str, key: str) -> str:
        """Ask for a refund; return Adyen's id of it. It has been received, not done."""
        body = self._body(amount=amount, reference=reference)
        return self._received(self._modifications.refund_captured_payment, body, psp, key)

    def payment_methods(self) -> None:
        """Ask which payment methods the account has: harmless, and needs good credentials."""
        answer = _ask(self._payments.payment_methods, self._body())
        if not isinstance(answer.get("paymentMethods"), list):
            raise unreadable()

    def _body(self, **fields: object) -> dict[str, object]:
        return {"merchantAccount": self._account.merchant_account, **fields}

    @staticmethod
    def _received(call: Callable[..., Any], body: Mapping[str, object], psp: str, key: str) -> str:
        """Make sure that the answer is about this request: the SDK returns any 2xx as success."""
        answer = _ask(call, body, psp, idempotency_key=key)
        received, payment = answer.get("pspReference"), answer.get("paymentPspReference")
        if (
            answer.get("status") != "received"
            or payment != psp
            or not isinstance(received, str)
            or not PSP_REFERENCE.fullmatch(received)
        ):
            raise unreadable()
        return received


def _ask(call: Callable[..., Any], *arguments: object, **options: object) -> dict[str, Any]:
    try:
        answer = call(*arguments, **options).message
    except Exception as error:  # noqa: BLE001 - total: the verdict knows every error there is
        # Not chained: the SDK's errors carry the request and the answer with them.
        raise verdict(error) from None
    if not isinstance(answer, dict):
        raise unreadable()
    return answer


class _Sessions(HTTPClient):  # type: ignore[misc]  # the SDK has no types
    """Keeps a thread's connection open from one call to the next.

    The SDK opens a new one for each. It follows redirects too, which would send the API key,
    and a capture as a GET, to wherever the answer points.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"{settings.LIB_NAME}/", settings.LIB_VERSION, "requests", timeout_s)
        self._timeout = (min(_CONNECT_S_MAX, timeout_s), timeout_s)
        self._of_thread = threading.local()
        # The SDK binds its own function to this name in the same way.
        self.request: Any = self._send

    def _send(
        self,
        method: str,
        url: str,
        *,
        json: object,
        xapikey: str,
        headers: dict[str, str],
    ) -> tuple[str, object, int, Mapping[str, str]]:
        answer = self._session().request(
            method,
            url,
            json=json,
            headers={**headers, "x-api-key": xapikey},
            timeout=self._timeout,
            allow_redirects=False,
        )
        return answer.text, json, answer.status_code, answer.headers

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
            self._of_thread.session = session
        return session
