"""Which PayPal account is used, and how patiently."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

SANDBOX_URL: Final = "https://api-m.sandbox.paypal.com"
LIVE_URL: Final = "https://api-m.paypal.com"


@frozen
class PaypalAccount:
    """A REST application of a PayPal business account."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    base_url: str = SANDBOX_URL
    webhook_id: str | None = None
    """The id of the webhook whose notifications are believed; none are without it."""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0
    """How long the server may be silent. PayPal itself may take several seconds to authorize."""

    @property
    def timeouts(self) -> tuple[float, float]:
        """How ``requests`` wants them."""
        return (self.connect_timeout_s, self.read_timeout_s)
