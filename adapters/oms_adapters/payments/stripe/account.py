"""One Stripe account, asked through Stripe's SDK. Nothing but our errors comes out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import stripe

from oms_adapters.payments.stripe.states import unreadable
from oms_adapters.payments.stripe.verdict import Verdict, judge
from oms_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_API_KEY: Final = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]{1,255}", re.ASCII)
_ACCOUNT: Final = re.compile(r"acct_[A-Za-z0-9]{1,64}", re.ASCII)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class StripeAccount:
    """Asks Stripe. Safe to share: each thread keeps a connection of its own."""

    def __init__(
        self,
        api_key: str,
        *,
        account: str | None,
        base_url: str | None,
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        """Make the SDK's client; nothing is asked yet.

        Raises:
            ConfigurationError: what cannot be right, all of it at once.
        """
        mistakes = [*_mistakes(api_key, account, base_url)]
        if mistakes:
            raise ConfigurationError(mistakes)
        self._client = stripe.StripeClient(
            api_key,
            stripe_account=account,
            base_addresses={"api": base_url.rstrip("/")} if base_url else None,
            http_client=stripe.RequestsClient(timeout=(connect_timeout_s, read_timeout_s)),
            # The saga repeats, with patience and the same key; a repeat hidden in here would
            # outlast the lease.
            max_network_retries=0,
        )

    def attempt(
        self, question: Callable[[stripe.StripeClient], Any], *, about: str
    ) -> Mapping[str, Any] | Verdict:
        """Ask *question*, and return the answer about an object of kind *about*, or what failed."""
        try:
            answer: Mapping[str, Any] = question(self._client).to_dict()
        except Exception as error:  # noqa: BLE001 - whatever escapes the SDK, money may have moved
            return judge(error)
        if answer.get("object") != about:
            return Verdict(unreadable())
        return answer

    def ask(
        self, question: Callable[[stripe.StripeClient], Any], *, about: str
    ) -> Mapping[str, Any]:
        """Ask *question*, and raise what failed."""
        answer = self.attempt(question, about=about)
        if isinstance(answer, Verdict):
            raise answer.trouble
        return answer


def _mistakes(api_key: str, account: str | None, base_url: str | None) -> list[str]:
    """Say what is wrong, without repeating a value: it may be a secret in the wrong place."""
    found = []
    if api_key.startswith("pk_"):
        found.append(
            "api_key is a publishable key, which cannot capture or refund; use the secret key "
            "(sk_…) or a restricted key (rk_…) from Stripe's dashboard."
        )
    elif not _API_KEY.fullmatch(api_key):
        found.append(
            "api_key is no key of Stripe's: it begins with sk_test_, sk_live_, rk_test_ or "
            "rk_live_; copy it whole from Stripe's dashboard."
        )
    if account is not None and not _ACCOUNT.fullmatch(account):
        found.append("account is no connected account of Stripe's: it begins with acct_.")
    if base_url is not None and not _is_safe(base_url):
        found.append(
            "base_url must begin with https://, or the key would travel in the clear; http:// is "
            "only for 127.0.0.1."
        )
    return found


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
