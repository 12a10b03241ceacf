"""Which payment provider a name means, for a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from oms_core.application.payment_policy import PaymentPolicy
from oms_core.application.provider_gate import Account, ProviderGates
from oms_core.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from oms_core.ports.payments import PaymentProvider


@frozen
class PaymentDirectory:
    """The configured providers by name; a tenant's own entries win over the common ones."""

    common: Mapping[str, PaymentProvider]
    by_tenant: Mapping[UUID, Mapping[str, PaymentProvider]] = field(factory=dict)
    policies: Mapping[str, PaymentPolicy] = field(factory=dict)
    policies_by_tenant: Mapping[UUID, Mapping[str, PaymentPolicy]] = field(factory=dict)
    """The policies of tenants that differ; they win over the common ones."""
    gates: ProviderGates = field(factory=lambda: ProviderGates(SystemClock()), eq=False, repr=False)
    """Before the accounts, in this process."""

    def knows(self, tenant_id: UUID, name: str) -> bool:
        """Tell whether *name* is configured for the tenant."""
        return self.find(tenant_id, name) is not None

    def find(self, tenant_id: UUID, name: str) -> PaymentProvider | None:
        """Return the provider, or ``None`` if it is not configured (any more)."""
        own = self.by_tenant.get(tenant_id)
        if own is not None and name in own:
            return own[name]
        return self.common.get(name)

    def reach(self, tenant_id: UUID, name: str) -> PaymentProvider | None:
        """Return the provider behind its gate, for the calls that orders make.

        While it refuses our credentials, calls are held back without reaching it.
        """
        provider = self.find(tenant_id, name)
        if provider is None:
            return None
        own = name in self.by_tenant.get(tenant_id, ())
        return self.gates.before(provider, Account(name, tenant_id if own else None))

    @property
    def all_names(self) -> frozenset[str]:
        """Every configured name, of whatever tenant."""
        return frozenset(self.common).union(*self.by_tenant.values())

    def policy_of(self, tenant_id: UUID, name: str) -> PaymentPolicy:
        """Return how the tenant's payments of the provider are treated."""
        own = self.policies_by_tenant.get(tenant_id)
        if own is not None and name in own:
            return own[name]
        return self.policies.get(name) or PaymentPolicy()

    def names(self, tenant_id: UUID) -> Iterable[str]:
        """List the names a tenant may use."""
        return {*self.common, *self.by_tenant.get(tenant_id, ())}
