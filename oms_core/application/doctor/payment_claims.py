"""Where payment references are kept by claims: has each live order its own, and none else one?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.application.doctor.finding import Finding, Fix, Kind, Severity, about
from oms_core.errors import OrderNotFound, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from oms_core.domain.order import Order
    from oms_core.ports.payment_claims import PaymentClaim, PaymentClaimAudit
    from oms_core.ports.storage import OrderPlace, OrderStorage

PAGE: Final = 1_000


@frozen
class ClaimCheck:
    """Compares orders with the claims of their payment references."""

    storage: OrderStorage
    audit: PaymentClaimAudit

    # -- orders ------------------------------------------------------------------------------

    def orders(self, orders: Sequence[Order]) -> Iterator[Finding]:
        """Check that the claim of each live order's reference names it."""
        live = [order for order in orders if not order.payment_is_free_again]
        claimants = self.audit.claimants(live) if live else {}
        for order in live:
            named = claimants.get(order.id)
            if named is not None and named.order_id == order.id:
                continue
            # It may have died since it was read. If it lives after its claim was read, it lived
            # then, too, and the claim should have named it.
            if not self.storage.get(order.scope, order.id).payment_is_free_again:
                yield self._missing(order) if named is None else self._of_another(order, named)

    def _missing(self, order: Order) -> Finding:
        # Safe: only an order that is there gets a claim, and only one that nobody has.
        fix = Fix("claim the reference for it", lambda: self.audit.give(order, instead_of=None))
        sentence = (
            "No claim keeps the order's payment reference for it: a second order could be "
            "accepted for the same payment."
        )
        return about(order, Kind.PAYMENT_CLAIM_MISSING, Severity.ERROR, sentence, fix)

    def _of_another(self, order: Order, named: OrderPlace) -> Finding:
        says = f"The claim of the order's payment reference names the order {named.order_id}"
        try:
            other = self.storage.get(named.scope, named.order_id)
        except OrderNotFound:
            sentence = (
                f"{says}, which is not in the store: a second order could be accepted for the "
                "same payment. Restore that order from a backup, or cancel this one."
            )
        except StoreUnusable:
            sentence = f"{says}, which cannot be read. Make it readable, then look again."
        else:
            if _is_paid_with(other, order) and not other.payment_is_free_again:
                sentence = (
                    f"{says}, which is live, too: one payment stands for two orders. Ask the "
                    "payment provider whose it is, and cancel the other."
                )
            else:
                # Safe: what is dead stays dead, and the claim still has to name it.
                give = Fix(
                    "give the claim to the live order",
                    lambda: self.audit.give(order, instead_of=named),
                )
                sentence = (
                    f"{says}, which does not need it any more: a second order could be accepted "
                    "for the same payment."
                )
                return _found(order, sentence, give)
        return _found(order, sentence)

    # -- claims ------------------------------------------------------------------------------

    def claims(self, tenant_id: UUID | None, org_id: UUID | None) -> Iterator[Finding]:
        """Check that each claim names an order that is paid with its reference."""
        after: PaymentClaim | None = None
        while page := self.audit.claims(after=after, limit=PAGE, tenant_id=tenant_id):
            for claim in page:
                if not claim.has_order and org_id in {None, claim.place.scope.org_id}:
                    yield _orphan(claim)
            after = page[-1]


def _found(order: Order, sentence: str, fix: Fix | None = None) -> Finding:
    return about(order, Kind.PAYMENT_CLAIM_OF_ANOTHER, Severity.ERROR, sentence, fix)


def _is_paid_with(other: Order, order: Order) -> bool:
    """Tell whether both orders have one payment reference."""
    theirs, ours = other.payment, order.payment
    return (theirs.provider, theirs.reference) == (ours.provider, ours.reference)


def _orphan(claim: PaymentClaim) -> Finding:
    # No fix: should that very order come back meanwhile, it would be left without its claim.
    place = claim.place
    sentence = (
        f"A payment reference of {claim.provider} is claimed for this order, which is not in the "
        "store or is not paid with it. Nobody is kept from using the reference: the next order "
        "takes the claim over. Find out who deleted the order, or what was not restored."
    )
    return Finding(
        Kind.PAYMENT_CLAIM_OF_NO_ORDER, Severity.WARNING, sentence, place.scope, place.order_id
    )
