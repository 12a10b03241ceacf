"""Do orders, promises, stock and ledger say the same?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final
from uuid import UUID

from attrs import frozen

from oms_core.application.doctor.finding import Finding, Fix, Kind, Severity, about
from oms_core.domain.inventory import StockItem
from oms_core.domain.order import ReservationState
from oms_core.errors import OrderNotFound, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.stock_audit import HeldPromise, StockAudit, StockBooks
    from oms_core.ports.storage import OrderStorage

PAGE: Final = 1_000
_HELD: Final = frozenset({ReservationState.HELD, ReservationState.EARMARKED})


@frozen
class StockCheck:
    """Compares orders with an inventory; without an *audit*, with what they know themselves."""

    storage: OrderStorage
    inventory: Inventory
    audit: StockAudit | None
    record_release: Callable[[Order], object]
    """Writes into an order that its stock was released."""

    # -- orders ------------------------------------------------------------------------------

    def orders(self, orders: Sequence[Order]) -> Iterator[Finding]:
        """Compare orders with what is promised to them, a scope at a time."""
        by_scope: dict[Scope, list[Order]] = {}
        for order in orders:
            if _stands_still(order):
                by_scope.setdefault(order.scope, []).append(order)
        for scope, at_rest in by_scope.items():
            promised = self._promised(scope, at_rest)
            for order in at_rest:
                wrong = self._wrong(order, promised)
                if wrong is None:
                    continue
                # Somebody may have moved both since: look again at what stands still.
                again = self.storage.get(scope, order.id)
                wrong = self._wrong(again, self._promised(scope, [again]))
                is_unmoved = self.storage.get(scope, order.id).version == again.version
                if wrong is not None and is_unmoved and _stands_still(again):
                    yield wrong

    def _promised(self, scope: Scope, orders: Sequence[Order]) -> Mapping[str, HeldPromise]:
        if self.audit is None:
            return {}
        return self.audit.promises_of(scope, [str(order.id) for order in orders])

    def _wrong(self, order: Order, promised: Mapping[str, HeldPromise]) -> Finding | None:
        promise = promised.get(str(order.id))
        if order.status.is_dead:
            if promise is None and order.reservation not in _HELD:
                return None
            fix = Fix("release the stock", lambda: self._release(order))
            sentence = f"The order is {order.status}, but stock is still promised to it."
            return about(order, Kind.DEAD_ORDER_HOLDS_STOCK, Severity.ERROR, sentence, fix)
        if self.audit is None:
            return None
        held = Counter[StockItem]()
        if promise is not None:
            held.update({one.item: one.quantity for one in promise.demands})
        wanted = unshipped(order)
        missing, surplus = wanted - held, held - wanted
        if missing and order.reservation is not ReservationState.EARMARKED:
            sentence = (
                f"The order needs {_list(missing)} more than is promised to it: other orders may "
                "take them. Reserve or buy them, or cancel the order."
            )
            return about(order, Kind.STOCK_NOT_PROMISED, Severity.ERROR, sentence)
        if surplus:
            sentence = (
                f"{_list(surplus)} are promised to the order beyond what it still needs. Compare "
                "with what really left, and book the difference."
            )
            return about(order, Kind.STOCK_PROMISED_TOO_MUCH, Severity.ERROR, sentence)
        return None

    def _release(self, order: Order) -> None:
        # Dead is final, and a release leaves a tombstone: nothing can come after it.
        self.inventory.release(order.scope, str(order.id))
        self.record_release(order)

    # -- the inventory's own books -------------------------------------------------------------

    def books(self, tenant_id: UUID | None, org_id: UUID | None) -> Iterator[Finding]:
        """Check the inventory's sums, and that every promise has an order."""
        if self.audit is None:
            sentence = (
                "The inventory is kept elsewhere and cannot be audited from here; run oms doctor "
                "where it is kept."
            )
            yield Finding(Kind.STOCK_NOT_AUDITED, Severity.WARNING, sentence)
            return
        for scope in self._scopes(self.audit):
            is_wanted = tenant_id in {None, scope.tenant_id} and org_id in {None, scope.org_id}
            if is_wanted:
                yield from self._sums(self.audit, scope)
                yield from self._orphans(self.audit, scope)

    @staticmethod
    def _scopes(audit: StockAudit) -> Iterator[Scope]:
        after: Scope | None = None
        while page := audit.scopes(after=after, limit=PAGE):
            yield from page
            after = page[-1]

    @staticmethod
    def _sums(audit: StockAudit, scope: Scope) -> Iterator[Finding]:
        after: StockItem | None = None
        while page := audit.books(scope, after=after, limit=PAGE):
            for books in page:
                for kind, sentence in _contradictions(books):
                    item = f"{books.item.sku} at {books.item.location}"
                    yield Finding(kind, Severity.ERROR, f"{item}: {sentence}", scope, None, item)
            after = page[-1].item

    def _orphans(self, audit: StockAudit, scope: Scope) -> Iterator[Finding]:
        after: str | None = None
        while page := audit.promises(scope, after=after, limit=PAGE):
            for promise in page:
                # What lapses by itself needs nobody.
                if not promise.lapses and not self._has_order(scope, promise.reservation_id):
                    yield self._orphan(scope, promise)
            after = page[-1].reservation_id

    @staticmethod
    def _orphan(scope: Scope, promise: HeldPromise) -> Finding:
        pieces = Counter({one.item: one.quantity for one in promise.demands})
        name = promise.reservation_id
        sentence = (
            f"{_list(pieces)} are promised to the reservation {name}, which is no order of this "
            "store. If no other program reserved them here, release it."
        )
        return Finding(Kind.STOCK_PROMISED_TO_NOBODY, Severity.WARNING, sentence, scope, None, name)

    def _has_order(self, scope: Scope, reservation_id: str) -> bool:
        try:
            self.storage.get(scope, UUID(reservation_id))
        except (ValueError, OrderNotFound):
            return False
        except StoreUnusable:
            return True  # it is there, and told of elsewhere
        return True


def _stands_still(order: Order) -> bool:
    """Nobody is moving its stock: an order dies only once its stock is released."""
    return order.status.is_dead or order.saga.phase.is_over


def unshipped(order: Order) -> Counter[StockItem]:
    """Tell which pieces of a live order must be promised to it."""
    pieces = order.quantities
    wanted = Counter[StockItem]()
    for line in order.lines:
        left = line.quantity - pieces[line.number].fulfilled
        if left > 0:
            wanted[StockItem(line.sku, line.location)] += left
    return wanted


def _contradictions(books: StockBooks) -> Iterator[tuple[Kind, str]]:
    if books.ledger != books.on_hand:
        sentence = (
            f"{books.on_hand} are on hand, but the ledger adds up to {books.ledger}. Count the "
            "goods; restore the store from a backup if the ledger lost entries."
        )
        yield Kind.LEDGER_CONTRADICTS_STOCK, sentence
    if books.promised != books.reserved:
        sentence = (
            f"{books.reserved} are reserved, but reservations add up to {books.promised}. Report "
            "it: nothing that this program does leads there."
        )
        yield Kind.RESERVED_CONTRADICTS_PROMISES, sentence
    if books.reserved > books.on_hand:
        sentence = (
            f"{books.reserved} are reserved, but only {books.on_hand} are on hand. Book goods in, "
            "or cancel orders."
        )
        yield Kind.STOCK_OVERSOLD, sentence


def _list(pieces: Mapping[StockItem, int]) -> str:
    return ", ".join(
        f"{count} x {item.sku} at {item.location}" for item, count in sorted(pieces.items())
    )
