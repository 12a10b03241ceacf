"""The payment claims port: lets a checker see which order each payment reference is kept for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from oms_core.domain.order import Order
    from oms_core.ports.storage import OrderPlace


@frozen
class PaymentClaim:
    """A payment reference, and the order that it is kept for."""

    provider: str
    reference: str
    place: OrderPlace
    """The order may be dead: then the next one that wants the reference takes the claim over."""
    has_order: bool
    """The order is in the store, and is paid with this reference."""


class PaymentClaimAudit(Protocol):
    """Looks into the claims of a store that keeps payment references apart by them.

    Claim and order are written as one, orders are never deleted, and a dead order stays dead.
    So whatever is read of an order *after* the claim is enough to judge the claim by.

    Every method raises ``StoreUnavailable`` when the store does not answer.
    """

    def claimants(self, orders: Sequence[Order]) -> Mapping[UUID, OrderPlace]:
        """Tell by each order's id whom the claim of its reference names; absent: there is none."""
        ...

    def claims(
        self, *, after: PaymentClaim | None = None, limit: int, tenant_id: UUID | None = None
    ) -> Sequence[PaymentClaim]:
        """Return up to *limit* claims behind *after*, of all tenants or of one.

        Page by page each claim that was there at the beginning is met once.
        """
        ...

    def give(self, order: Order, *, instead_of: OrderPlace | None) -> None:
        """Let the claim of the order's reference name *order*, as one that it has.

        Only if the claim still names the order *instead_of*, which must be dead, or with
        ``None`` if there is no claim. A repeat changes nothing more.

        Raises:
            PaymentReferenceInUse: the claim names another order by now.
        """
        ...


@runtime_checkable
class KeepsPaymentClaims(Protocol):
    """A store of orders that may keep payment references apart by claims."""

    def payment_claims(self) -> PaymentClaimAudit | None:
        """Look into them; ``None``: it keeps none, an index does what they would do."""
        ...
