"""What each payment adapter of ours asks for in its table of the configuration."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from oms_entrypoints.config.rules import Choice, Seconds, SecretReference, Text, setting
from oms_entrypoints.config.secret import Secret

_HMAC_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_API_KEY: Final = re.compile(r"[!-~]{1,1000}", re.ASCII)


@frozen
class SimulatedOptions:
    """The simulated provider, which moves nobody's money."""

    webhook_secret: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_WEBHOOK_SECRET",
        says="Signs notifications; env:NAME or file:PATH.",
    )


@frozen
class StripeOptions:
    """An account at Stripe; needs the extra oms-core[stripe]."""

    api_key: Secret = setting(
        SecretReference(),
        example="env:STRIPE_API_KEY",
        says="The account's secret key (sk_…) or a restricted key (rk_…); env:NAME or file:PATH.",
    )
    webhook_secret: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:STRIPE_WEBHOOK_SECRET",
        says="The signing secret (whsec_…) of the webhook endpoint; env:NAME or file:PATH. Without "
        "it every notification is rejected.",
    )
    account: str | None = setting(
        Text(r"acct_[A-Za-z0-9]{1,64}", "must be a connected account, which begins with acct_"),
        default=None,
        example="acct_1234567890",
        says="A connected account to act for.",
    )
    return_url: str | None = setting(
        Text(r"https://\S{1,2000}", "must be a URL that begins with https://"),
        default=None,
        example="https://shop.example/paid",
        says="Where a customer comes back to from a bank's page.",
    )
    captures: str = setting(
        Choice(("once", "in_parts")),
        default="once",
        says="in_parts: Stripe has granted the account multicapture.",
    )
    base_url: str | None = setting(
        Text(r"https?://\S{1,2000}", "must be a URL that begins with https://"),
        default=None,
        example="https://stripe-proxy.example",
        says="Another address than Stripe's own, such as a proxy's.",
    )
    connect_timeout_s: float = setting(
        Seconds(0.1, 60), default=3.0, says="How long to wait for a connection."
    )
    read_timeout_s: float = setting(
        Seconds(0.1, 120), default=10.0, says="How long to wait for an answer."
    )


@frozen
class PaypalOptions:
    """A REST application of a PayPal business account. Needs oms-core[paypal]."""

    client_id: str = setting(
        Text(r"[!-~]{1,255}", "must be the client id of a REST application, without spaces"),
        example="AeA1QIZXiflr1_-r0U2UbWTziOWX1GRQer5jkUq4ZfWT5qwb6qQRPq7jDtv57TL4POEEezGLdutcxnkJ",
        says="The client id of the REST application.",
    )
    client_secret: Secret = setting(
        SecretReference(),
        example="env:OMS_PAYPAL_SECRET",
        says="Its secret; env:NAME or file:PATH.",
    )
    environment: str = setting(
        Choice(("sandbox", "live")),
        example="sandbox",
        says="Sandbox, where no money moves, or live.",
    )
    webhook_id: str | None = setting(
        Text(r"[a-zA-Z0-9]{1,50}", "must be the id of a webhook: letters and digits, no URL"),
        default=None,
        example="1JE4291016473214C",
        says="The id of the webhook whose notifications are believed; none are without it.",
    )
    base_url: str | None = setting(
        Text(
            r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?",
            "must be https:// and a host, without a path; http:// only on this machine",
        ),
        default=None,
        example="https://paypal-gateway.example",
        says="Where the API is, if not where the environment says, e.g. a proxy of your own.",
    )
    connect_timeout_s: float = setting(
        Seconds(0.1, 60), default=5.0, says="How long connecting may take."
    )
    read_timeout_s: float = setting(
        Seconds(0.1, 300), default=15.0, says="How long an answer may be silent."
    )


@frozen
class AdyenOptions:
    """A merchant account at Adyen. Needs oms-core[adyen]."""

    api_key: Secret = setting(
        SecretReference(),
        example="env:OMS_ADYEN_API_KEY",
        says="The API key of a web service user; env:NAME or file:PATH.",
    )
    merchant_account: str = setting(
        Text(r"[0-9A-Za-z_.@-]{1,80}", "must be the name of a merchant account"),
        example="YourShopCOM",
        says="The merchant account, which is not the company account.",
    )
    hmac_key: Secret = setting(
        SecretReference(),
        example="env:OMS_ADYEN_HMAC_KEY",
        says="The HMAC key of the webhook, 64 hexadecimal digits; env:NAME or file:PATH.",
    )
    environment: str = setting(
        Choice(("test", "live")),
        example="test",
        says="Test, where no money moves, or live.",
    )
    previous_hmac_key: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_ADYEN_PREVIOUS_HMAC_KEY",
        says="The key before, good too while it is being replaced; env:NAME or file:PATH.",
    )
    live_prefix: str | None = setting(
        Text(
            r"[0-9A-Za-z][0-9A-Za-z-]{0,98}",
            "must be the live URL prefix of the Customer Area, such as "
            "1797a841fbb37ca7-YourCompany",
        ),
        default=None,
        example="1797a841fbb37ca7-YourCompany",
        says="The live URL prefix; for the live environment.",
    )
    captures: str = setting(
        Choice(("once", "in_parts")),
        default="once",
        says="in_parts: Adyen's support has enabled multiple partial captures.",
    )
    base_url: str | None = setting(
        Text(
            r"https://[0-9A-Za-z.-]+(:[0-9]{1,5})?(/[0-9A-Za-z._/-]*)?"
            r"|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/[0-9A-Za-z._/-]*)?",
            "must begin with https:// and name a host; http:// only on this machine",
        ),
        default=None,
        example="https://adyen-gateway.example/v72",
        says="Where the test environment is, version included, if not at Adyen: e.g. a double.",
    )
    timeout_s: float = setting(
        Seconds(0.1, 300),
        default=10.0,
        says="How long an answer may be silent. Less than worker.lease_s.",
    )
    webhook_username: str | None = setting(
        Text(r"[!-9;-~]{1,255}", "must be a user name without spaces and colons"),
        default=None,
        example="adyen",
        says="The user name that the webhook is configured to send, if any.",
    )
    webhook_password: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_ADYEN_WEBHOOK_PASSWORD",
        says="And its password; env:NAME or file:PATH.",
    )

    def mistakes(self) -> list[tuple[str, str]]:
        """Tell what can be told without asking Adyen, each with the setting it stands at."""
        found = []
        if not _API_KEY.fullmatch(self.api_key.value):
            found.append(("api_key", "has characters that no API key has; copy it again"))
        for name, key in (
            ("hmac_key", self.hmac_key),
            ("previous_hmac_key", self.previous_hmac_key),
        ):
            if key is not None and not _HMAC_KEY.fullmatch(key.value):
                found.append((name, "must be 64 hexadecimal digits, as the Customer Area shows it"))
        if self.environment == "live" and self.live_prefix is None:
            found.append(("live_prefix", "must be given for the live environment"))
        if self.environment == "test" and self.live_prefix is not None:
            found.append(("live_prefix", 'is for environment = "live" alone'))
        if self.environment == "live" and self.base_url is not None:
            found.append(("base_url", 'is for environment = "test" alone'))
        if self.base_url is not None and "-live" in self.base_url:
            found.append(("base_url", "must not contain -live, which Adyen's library replaces"))
        if (self.webhook_username is None) is not (self.webhook_password is None):
            lacking = "username" if self.webhook_username is None else "password"
            found.append((f"webhook_{lacking}", "must be given too, or neither of the two"))
        return found
