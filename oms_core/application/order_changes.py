"""Changing a stored order from outside its saga."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.errors import StaleVersion

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.storage import OrderStorage

STALE_RETRIES_MAX: Final = 20


@frozen
class OrderChanges:
    """Applies changes to the newest version of an order, however often others save in between."""

    storage: OrderStorage
    clock: Clock
    on_saved: Callable[[Order], None]
    """Hears of what was saved: there may be something to do at once."""

    def change(
        self, scope: Scope, order_id: UUID, change: Callable[[Order, datetime], Order]
    ) -> Order:
        """Apply *change*, which may run again on a newer version; unchanged means unsaved.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
            StaleVersion: others saved again and again.
        """
        for _ in range(STALE_RETRIES_MAX):
            order = self.storage.get(scope, order_id)
            changed = change(order, self.clock.now())
            if changed is order:
                return order
            try:
                saved = self.storage.save(changed)
            except StaleVersion:
                continue
            self.on_saved(saved)
            return saved
        raise StaleVersion(order_id)
