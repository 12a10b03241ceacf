"""The orders of the demonstration: what is sent, and what must become of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import frozen

from oms_core.domain.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPE: Final = Scope(
    UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
)
ARMCHAIR: Final = "CRUNCHY-ARMCHAIR"
SOFA: Final = "SQUEAKY-SOFA"
STOCK: Final = MappingProxyType({ARMCHAIR: 100, SOFA: 2})


@frozen
class DemoOrder:
    """One order of the demonstration."""

    title: str
    explains: str
    sku: str = ARMCHAIR
    quantity: int = 2
    reference: str = ""
    """Chooses how the simulated provider behaves; by default a good card."""
    name: str = "plain"
    times: int = 1
    """How often the same request is sent."""
    becomes: str = "confirmed"
    because: str | None = None
    """The code of the failure it ends with."""
    holds: int = 1
    """How many authorizations the provider must hold for it in the end."""

    @property
    def request(self) -> Mapping[str, Any]:
        """The body of the request."""
        return {
            "idempotency_key": f"demo-{self.name}",
            "payment_provider": "simulated",
            "payment_reference": self.reference or f"card_{self.name}",
            "channel": "web",
            "line_items": [{"sku": self.sku, "quantity": self.quantity, "unit_price": "129.90"}],
            "adjustments": [{"kind": "shipping", "amount": "4.90"}],
        }


DEMO_ORDERS: Final = (
    DemoOrder("A plain order", "Stock is reserved, the payment authorized, the order confirmed."),
    DemoOrder(
        "The same order, sent twice",
        "A client that heard no answer sends its request again, with the same key.",
        name="retried",
        times=2,
    ),
    DemoOrder(
        "More than there is in stock",
        "Nothing is reserved and nobody is charged.",
        sku=SOFA,
        quantity=5,
        name="out-of-stock",
        becomes="failed",
        because="out_of_stock",
        holds=0,
    ),
    DemoOrder(
        "A declined card",
        "The reserved stock is released again.",
        reference="sim_declined",
        name="declined",
        becomes="failed",
        because="payment_declined",
        holds=0,
    ),
    DemoOrder(
        "The provider's answer gets lost",
        "The money is held, but nobody heard so. Asked again with the same key, the provider "
        "holds it once.",
        reference="sim_lost_answer_once",
        name="lost-answer",
    ),
)
"""In the order in which they are placed."""
