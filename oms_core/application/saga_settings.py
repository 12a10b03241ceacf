"""Times and models of the sagas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from oms_core.application.saga import Backoff
from oms_core.domain.inventory import Allocation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


@frozen
class PlaceOrderSettings:
    """Times and models of the place-order saga and of what follows it."""

    action_deadline_s: float = 3600.0
    """How long a customer may take to act, e.g. for 3-D Secure."""
    pending_deadline_s: float = 3600.0
    """How long an asynchronous provider may take to decide."""
    poll_s: float = 15.0
    """How often a waiting payment is looked up if nobody wakes the order."""
    proof_after_s: float = 30.0
    """How old an unanswered call must be before a look-up proves that it had no effect."""
    recheck_s: float = 300.0
    """How soon a refund that the provider has not decided is looked at; the longer it takes, the
    rarer, but at least once a day."""
    complete_after_s: float | None = None
    """How long after its delivery an order is completed by itself; ``None``: never."""
    retry: Backoff = Backoff()
    allocation: Allocation = Allocation()
    allocation_by_tenant: Mapping[UUID, Allocation] = field(factory=dict)

    def allocation_for(self, tenant_id: UUID) -> Allocation:
        """Return the allocation model in force for a tenant."""
        return self.allocation_by_tenant.get(tenant_id, self.allocation)
