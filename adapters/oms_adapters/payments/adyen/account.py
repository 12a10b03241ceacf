"""Which account of Adyen an adapter speaks for, and with which secrets."""

from __future__ import annotations

import re
from typing import Final

from attrs import field, frozen

from oms_core.errors import ConfigurationError

HMAC_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
"""As the Customer Area shows it: 32 bytes in hexadecimal."""
MERCHANT_ACCOUNT: Final = re.compile(r"[0-9A-Za-z_.@-]{1,80}", re.ASCII)
LIVE_PREFIX: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,98}", re.ASCII)
BASE_URL: Final = re.compile(r"https?://[0-9A-Za-z.:\[\]_/-]{1,500}", re.ASCII)


@frozen
class BasicCredentials:
    """What Adyen sends with every notification, if the webhook is configured so."""

    username: str
    password: str = field(repr=False)


@frozen
class AdyenAccount:
    """A merchant account at Adyen, and how to reach it.

    Raises:
        ConfigurationError: all that does not fit, at once.
    """

    api_key: str = field(repr=False)
    merchant_account: str
    hmac_keys: tuple[str, ...] = field(repr=False)
    """Keys that may have signed a notification: the present one, and while it is being
    replaced also the one before."""
    live_prefix: str | None = None
    """Set: the live environment, at this prefix; else the test environment."""
    base_url: str | None = None
    """Instead of the test environment's address, e.g. a double's."""
    timeout_s: float = 10.0
    webhook_credentials: BasicCredentials | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what no account can have, without asking Adyen."""
        mistakes = []
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            mistakes.append("The API key has characters that no key has; copy it again.")
        if not MERCHANT_ACCOUNT.fullmatch(self.merchant_account):
            mistakes.append("The merchant account must be its name in Adyen's Customer Area.")
        if not self.hmac_keys or not all(HMAC_KEY.fullmatch(key) for key in self.hmac_keys):
            mistakes.append("The HMAC key must be the webhook's key: 64 hexadecimal digits.")
        if self.live_prefix is not None and not LIVE_PREFIX.fullmatch(self.live_prefix):
            mistakes.append(
                "The live prefix must be the one of the Customer Area, such as "
                "1797a841fbb37ca7-AdyenDemo."
            )
        if self.base_url is not None and self.live_prefix is not None:
            mistakes.append("Give a live prefix or a base URL, not both.")
        if self.base_url is not None and (
            not BASE_URL.fullmatch(self.base_url) or "-live" in self.base_url
        ):
            # The SDK writes -test for -live in any address of the test environment.
            mistakes.append("The base URL must begin with https:// and not contain -live.")
        if mistakes:
            raise ConfigurationError(mistakes)
