"""When held money is taken, and what happens before a hold lapses."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class CapturePolicy(StrEnum):
    """When the payment of an order is captured."""

    CONFIRMATION = "confirmation"
    """At once when the order is confirmed."""
    FULFILLMENT = "fulfillment"
    """Before goods leave: the share of what leaves, where the provider captures in parts, else
    all with the first goods."""
    MANUAL = "manual"
    """Only when somebody asks for it."""


@frozen
class PaymentPolicy:
    """How the payments of one configured provider are treated."""

    capture: CapturePolicy = CapturePolicy.FULFILLMENT
    renew_before_s: float = 86_400.0
    """So many seconds before a hold lapses it is made anew, or a person is told; for a hold that
    is short, half of its time."""
