"""What each payment adapter of ours asks for in its table of the configuration."""

from __future__ import annotations

from attrs import frozen

from oms_entrypoints.config.rules import Choice, Seconds, SecretReference, Text, setting
from oms_entrypoints.config.secret import Secret


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
