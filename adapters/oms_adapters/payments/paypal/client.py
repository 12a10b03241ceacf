"""Speaks HTTP with PayPal: authenticated, once per call, and nothing but the port's errors out."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from oms_adapters.payments.paypal.token import EARLY_S, AccessToken, TokenCache
from oms_adapters.payments.paypal.verdict import judge_answer, judge_failure
from oms_core.errors import (
    CredentialsRejected,
    InvalidRequest,
    OutcomeUnknown,
    PaymentTrouble,
    RetryableNotExecuted,
)

if TYPE_CHECKING:
    from oms_adapters.payments.paypal.account import PaypalAccount
    from oms_core.ports.clock import Clock

Document = Mapping[str, Any]
KEY_LENGTH_MAX: Final = 108
"""PayPal: the longest ``PayPal-Request-Id`` of the orders API."""
_UNAUTHORIZED: Final = 401
_BAD_REQUEST: Final = 400


class PaypalClient:
    """Makes one call for each call: whoever calls knows whether to repeat it.

    May be shared between threads; each has a session, and so a connection, of its own.
    """

    def __init__(self, account: PaypalAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._tokens = TokenCache(self._fetch_token, clock)
        self._sessions = threading.local()

    def get(self, *path: str) -> Document:
        """Read a resource; that has no effect, so whatever goes wrong was not executed."""
        return self._harmless("GET", path)

    def patch(self, *path: str, body: object, harmless: bool = False) -> None:
        """Change an order that is not authorized yet.

        *harmless*: no money depends on it, so that its unknown outcome is none.
        """
        sent = json.dumps(body).encode()
        if harmless:
            self._harmless("PATCH", path, sent)
        else:
            self._call("PATCH", path, sent)

    def post(self, *path: str, key: str, body: object = None) -> Document:
        """Have something done once, however often it is sent with the same *key*."""
        sent = json.dumps({} if body is None else body).encode()
        return self._call("POST", path, sent, check_key(key))

    def ask(self, *path: str, body: bytes) -> Document:
        """Put a question that is too long for a GET; it has no effect either."""
        return self._harmless("POST", path, body)

    def authenticate(self) -> None:
        """Fetch a new token, even if the present one is good."""
        self._tokens.forget(self._tokens.get())
        self._tokens.get()

    def _harmless(self, method: str, path: tuple[str, ...], body: bytes | None = None) -> Document:
        try:
            return self._call(method, path, body)
        except OutcomeUnknown as unknown:
            raise RetryableNotExecuted(unknown.reason, unknown.retry_after_s) from None

    def _call(
        self, method: str, path: tuple[str, ...], body: bytes | None = None, key: str | None = None
    ) -> Document:
        url = "/".join((self._account.base_url, *(quote(part, safe="") for part in path)))
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers |= {"PayPal-Request-Id": key, "Prefer": "return=representation"}
        token = self._tokens.get()
        answer = self._send(method, url, headers, body, _Bearer(token.value))
        if answer.status_code == _UNAUTHORIZED:
            # It may have been revoked before its time. Refused, so not executed; once only, or
            # credentials that are good for nothing else would be tried for ever.
            self._tokens.forget(token)
            answer = self._send(method, url, headers, body, _Bearer(self._tokens.get().value))
        return self._read(answer)

    def _fetch_token(self) -> AccessToken:
        url = f"{self._account.base_url}/v1/oauth2/token"
        client = HTTPBasicAuth(
            self._account.client_id.encode(), self._account.client_secret.encode()
        )
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            answer = self._send("POST", url, headers, b"grant_type=client_credentials", client)
            document = self._read(answer)
            lifetime_s = float(document["expires_in"]) - EARLY_S
            token = document["access_token"]
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise ValueError("no token")
            good_until = self._clock.now() + timedelta(seconds=max(lifetime_s, 0.0))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RetryableNotExecuted(reason="token_answer_unreadable") from None
        except InvalidRequest as refused:
            # OAuth 2 (RFC 6749, 5.2): a 400 is about the client, too.
            raise CredentialsRejected(refused.reason) from None
        except CredentialsRejected:
            raise
        except PaymentTrouble as trouble:
            # Whatever happened to the token, nothing happened to any payment.
            raise RetryableNotExecuted(trouble.reason, trouble.retry_after_s) from None
        return AccessToken(token, good_until)

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, auth: AuthBase
    ) -> requests.Response:
        try:
            return self._session().request(
                method,
                url,
                headers=headers,
                data=body,
                auth=auth,
                timeout=self._account.timeouts,
                # A redirect would carry the token to wherever it points.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Without the error itself: its text may hold what was sent.
            raise judge_failure(error) from None

    def _read(self, answer: requests.Response) -> Document:
        document = _json_of(answer)
        if not 200 <= answer.status_code < 300:  # noqa: PLR2004 - HTTP's success
            raise judge_answer(answer.status_code, answer.headers, document, now=self._clock.now())
        if not answer.content and answer.status_code == 204:  # noqa: PLR2004 - No Content
            return {}
        if not isinstance(document, Mapping):
            raise OutcomeUnknown(reason="answer_unreadable")
        return document

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "own", None)
        if session is None:
            session = self._sessions.own = requests.Session()
        return session


class _Bearer(AuthBase):
    """Sets the token as ``requests`` wants it set: a bare header loses against a ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def check_key(key: str) -> str:
    """Return an idempotency key that PayPal takes.

    Raises:
        InvalidRequest: empty, too long, or no plain text.
    """
    if (
        0 < len(key) <= KEY_LENGTH_MAX
        and key.isascii()
        and key.isprintable()
        and key == key.strip()
    ):
        return key
    raise InvalidRequest(reason="idempotency_key_out_of_range")


def _json_of(answer: requests.Response) -> object:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
