"""The inventory port over one MongoDB database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from threading import Lock
from time import monotonic, sleep
from typing import Final, TypeVar

from attrs import evolve
from bson.int64 import Int64
from pymongo.errors import DuplicateKeyError

from oms_adapters.inventory.mongodb.audit import MongoStockAudit
from oms_adapters.inventory.mongodb.collections import (
    BY_NUMBER,
    INVENTORY,
    MOVEMENTS,
    RESERVATIONS,
    STOCK,
    TO_LAPSE,
)
from oms_adapters.inventory.mongodb.levels import page_of
from oms_adapters.inventory.mongodb.outbox import LedgerOutbox, movement_from
from oms_adapters.inventory.mongodb.reservation import from_stored
from oms_adapters.inventory.mongodb.turns import Turns
from oms_adapters.inventory.mongodb.warehouse import (
    Document,
    Overtaken,
    SoldOut,
    Warehouse,
    key_of,
    level_of,
    place_of,
)
from oms_adapters.mongodb import MongoDatabase
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    OutOfStock,
    Reserved,
    StockItem,
    StockLevel,
    StockMovement,
    left_after,
    movement_of_commit,
    summed,
)
from oms_core.domain.scope import Scope
from oms_core.errors import IdempotencyKeyReused, InsufficientStock, StoreUnavailable
from oms_core.ports.clock import Clock
from oms_core.ports.cursors import decode_stock_cursor
from oms_core.ports.inventory import (
    CommitOutcome,
    HardenOutcome,
    ReserveOutcome,
    StockPage,
    as_inventory,
)
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.reservation_record import RecordState, ReservationRecord
from oms_core.ports.stock_listing import items_to_look_up, stock_page
from oms_core.ports.stock_outbox import UnpublishedStock

T = TypeVar("T")

LAPSES_MAX: Final = 500
"""Reservations that are looked for at a time: after a quiet night there may be many."""

_LOOKS_FOR_S: Final = 5.0
_PAUSE_S: Final = 0.005
_BEGINNING_US: Final = Int64(-(2**63))


class MongoInventory:
    """Promises stock from *database*; implements ``Inventory``, ``StockOutbox``.

    Every call that changes something is one transaction: it happens whole or not at all,
    also if the process dies between any two of its writes, and no two calls, from whichever
    machine, take the same piece. SOFT reservations lapse by the server's clock, noticed by
    whichever call comes next; *clock* replaces it in simulations.

    Raises:
        StoreUnusable: a newer version of this program has changed the collections, or an
            index of them is missing.
    """

    def __init__(self, database: MongoDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._time = database.timekeeper(clock)
        database.migrate(INVENTORY)
        self._stock = database.collection(STOCK)
        self._movements = database.collection(MOVEMENTS)
        self._reservations = database.collection(RESERVATIONS)
        self._outbox = LedgerOutbox(database)
        self._turns = Turns()
        self._lapsing = Lock()

    # -- promising -------------------------------------------------------------------------

    def reserve(
        self,
        scope: Scope,
        reservation_id: str,
        demands: Sequence[Demand],
        *,
        allocation: Allocation,
    ) -> ReserveOutcome:
        """Promise all of *demands* or nothing; see ``Inventory.reserve``.

        Three round trips for a new reservation of any number of items, one of which waits for
        a majority.
        """
        wanted = summed(demands)

        def decide(known: ReservationRecord | None) -> ReserveOutcome:
            if known is not None and known.answer is not None:
                return known.answer
            asked = wanted if known is None else known.demands
            held = ReservationRecord(RecordState.HELD, asked, lapses_us=self._lapses_us(allocation))

            def take(warehouse: Warehouse) -> None:
                warehouse.keep(reservation_id, known, held)
                warehouse.take(asked)

            try:
                self._transact(scope, asked, take)
            except SoldOut:
                return self._refuse(scope, reservation_id, known, asked)
            return Reserved()

        with as_inventory():
            # Nearly always it is new: try that before looking.
            try:
                return decide(None)
            except (DuplicateKeyError, Overtaken):
                self._lapse(scope)
                return self._decide(scope, reservation_id, decide)

    def harden(self, scope: Scope, reservation_id: str) -> HardenOutcome:
        """Make a SOFT reservation permanent; see ``Inventory.harden``."""

        def decide(known: ReservationRecord | None) -> HardenOutcome:
            if known is None:
                return AlreadyReleased()
            hard = evolve(known, state=RecordState.HELD, lapses_us=None)
            if known == hard or known.answer not in {None, Reserved()}:
                return known.answer or Reserved()

            def keep(warehouse: Warehouse) -> None:
                warehouse.keep(reservation_id, known, hard)
                if known.state is RecordState.LAPSED:
                    warehouse.take(known.demands)

            try:
                self._transact(scope, known.demands, keep)
            except SoldOut:
                return self._out_of_stock(scope, known.demands)
            return Reserved()

        with as_inventory():
            self._lapse(scope)
            return self._decide(scope, reservation_id, decide)

    def release(self, scope: Scope, reservation_id: str) -> AlreadyReleased | AlreadyCommitted:
        """Make the pieces available again, for good; see ``Inventory.release``."""

        def decide(known: ReservationRecord | None) -> AlreadyReleased | AlreadyCommitted:
            if known is not None and isinstance(known.answer, AlreadyReleased | AlreadyCommitted):
                return known.answer
            before = known or ReservationRecord(RecordState.LAPSED)

            def give_back(warehouse: Warehouse) -> None:
                warehouse.keep(reservation_id, known, before.brought_to(RecordState.RELEASED))
                if before.state is RecordState.HELD:
                    warehouse.give_back(before.demands)

            self._transact(scope, before.demands, give_back)
            return AlreadyReleased()

        with as_inventory():
            return self._decide(scope, reservation_id, decide)

    def commit(self, scope: Scope, reservation_id: str, *, actor: str) -> CommitOutcome:
        """Let the goods leave; see ``Inventory.commit``."""

        def decide(known: ReservationRecord | None) -> CommitOutcome:
            if known is None:
                return AlreadyReleased()
            if known.answer is not None and not isinstance(known.answer, Reserved):
                return known.answer
            now = self._time.now()
            movements = [
                movement_of_commit(reservation_id, demand, at=now, actor=actor)
                for demand in known.demands
            ]

            def let_leave(warehouse: Warehouse) -> None:
                warehouse.keep(reservation_id, known, known.brought_to(RecordState.COMMITTED))
                if known.state is RecordState.LAPSED:
                    warehouse.take(known.demands)
                warehouse.let_leave(movements, known.demands)

            try:
                self._transact(scope, known.demands, let_leave)
            except SoldOut:
                return self._out_of_stock(scope, known.demands)
            return AlreadyCommitted()

        with as_inventory():
            self._lapse(scope)
            return self._decide(scope, reservation_id, decide)

    def commit_part(
        self,
        scope: Scope,
        reservation_id: str,
        part_id: str,
        demands: Sequence[Demand],
        *,
        actor: str,
    ) -> CommitOutcome:
        """Let a part of a reservation's goods leave; see ``Inventory.commit_part``."""
        part = summed(demands)

        def decide(known: ReservationRecord | None) -> CommitOutcome:
            if self._find(scope, part_id) is not None:
                return AlreadyCommitted()
            if known is None:
                return AlreadyReleased()
            is_over = known.state is RecordState.COMMITTED
            if not (is_over or known.answer is None or isinstance(known.answer, Reserved)):
                return known.answer
            left = left_after(() if is_over else known.demands, part)
            if isinstance(left, OutOfStock):
                return left
            now = self._time.now()
            movements = [
                movement_of_commit(part_id, demand, at=now, actor=actor) for demand in part
            ]
            state = RecordState.HELD if left else RecordState.COMMITTED
            rest = evolve(known.brought_to(state), demands=left)

            def let_leave(warehouse: Warehouse) -> None:
                warehouse.keep(reservation_id, known, rest)
                warehouse.keep(part_id, None, ReservationRecord(RecordState.COMMITTED, part))
                if known.state is RecordState.LAPSED:
                    warehouse.take(known.demands)
                warehouse.let_leave(movements, part)

            try:
                self._transact(scope, known.demands, let_leave)
            except SoldOut:
                return self._out_of_stock(scope, known.demands)
            return AlreadyCommitted()

        with as_inventory():
            self._lapse(scope)
            return self._decide(scope, reservation_id, decide)

    # -- counting --------------------------------------------------------------------------

    def adjust(self, scope: Scope, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger once; see ``Inventory.adjust``."""

        def book(warehouse: Warehouse) -> StockLevel:
            item = movement.item
            known = warehouse.known_movement(movement.movement_id)
            if known is not None:
                # When it is sent again, the time differs, and perhaps who sends it.
                if known != (item, movement.quantity_delta, movement.reason):
                    raise IdempotencyKeyReused
                return warehouse.level(item)
            level = warehouse.book(movement)
            if level is None:
                available = warehouse.level(item).available
                raise InsufficientStock(item.sku, item.location, available)
            return level

        with as_inventory():
            self._lapse(scope)
            # Two that book the first entry of an item, or one entry twice, meet at a key.
            return self._again_if_overtaken(
                lambda: self._transact(scope, [Demand(movement.item, 1)], book)
            )

    def levels(
        self,
        scope: Scope,
        *,
        items: Sequence[StockItem] | None = None,
        sku: str | None = None,
        location: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> StockPage:
        """Return stock levels, sorted; see ``Inventory.levels``."""
        after = None if cursor is None else decode_stock_cursor(cursor)
        with as_inventory():
            self._lapse(scope)
            if items is None:
                page = page_of(scope, sku, location, after)
                found = self._database.run(
                    lambda: list(
                        self._stock.find(page.filter)
                        .sort(page.sort)
                        .limit(limit + 1)
                        .hint(page.index.name)
                    )
                )
                levels = [level_of(each) for each in found]
            else:
                wanted = items_to_look_up(
                    items, sku=sku, location=location, after=after, limit=limit
                )
                levels = self._levels_of(scope, wanted)
        return stock_page(levels, limit)

    def movements(
        self, scope: Scope, item: StockItem, *, limit: int = 100, after: int = 0
    ) -> tuple[StockMovement, ...]:
        """Return the ledger of *item*; see ``Inventory.movements``."""
        wanted = {**place_of(scope, item), "number": {"$gt": after}}
        del wanted["_id"]
        with as_inventory():
            found = self._database.run(
                lambda: list(
                    self._movements.find(wanted).sort("number", 1).limit(limit).hint(BY_NUMBER.name)
                )
            )
        return tuple(movement_from(each, item) for each in found)

    # -- events ----------------------------------------------------------------------------

    def claim_unpublished(
        self,
        holder: str,  # noqa: ARG002 - the token tells claims apart, and nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[UnpublishedStock]:
        """Claim items whose ledger has grown; see ``StockOutbox.claim_unpublished``."""
        with as_inventory():
            return self._outbox.claim(self._time.expression(), limit=limit, lease_s=lease_s)

    def mark_published(self, sent: Sequence[UnpublishedStock]) -> None:
        """Record that entries left; see ``StockOutbox.mark_published``."""
        with as_inventory():
            self._outbox.mark(sent, self._time.expression())

    def ping(self) -> None:
        """Write a little, durably; see ``Inventory.ping``."""
        with as_inventory():
            self._database.ping()

    def stock_audit(self) -> MongoStockAudit:
        """Look into it; see ``AuditableInventory.stock_audit``."""
        return MongoStockAudit(self._database)

    # ------------------------------------------------------------------------------------

    def _decide(
        self, scope: Scope, reservation_id: str, decide: Callable[[ReservationRecord | None], T]
    ) -> T:
        """Look at a reservation and decide on it, until nobody decided in between."""
        return self._again_if_overtaken(lambda: decide(self._find(scope, reservation_id)))

    def _again_if_overtaken(self, attempt: Callable[[], T]) -> T:
        """Attempt something until nobody else was quicker. Whoever was, has got on."""
        started = monotonic()
        while True:
            try:
                return attempt()
            except (DuplicateKeyError, Overtaken) as error:
                if monotonic() - started > _LOOKS_FOR_S:
                    raise StoreUnavailable("many callers change one reservation") from error
                # What overtook us shows as soon as it is on a majority.
                sleep(_PAUSE_S)

    def _transact(
        self, scope: Scope, demands: Iterable[Demand], change: Callable[[Warehouse], T]
    ) -> T:
        with self._turns.at(scope, (demand.item for demand in demands)):
            return self._database.transact(
                lambda session: change(Warehouse(self._database, session, scope))
            )

    def _find(self, scope: Scope, reservation_id: str) -> ReservationRecord | None:
        wanted = key_of(scope, reservation_id)
        found = self._database.run(lambda: self._reservations.find_one(wanted))
        return None if found is None else from_stored(found)

    def _refuse(
        self,
        scope: Scope,
        reservation_id: str,
        known: ReservationRecord | None,
        asked: tuple[Demand, ...],
    ) -> OutOfStock:
        """Refuse a reservation, and remember it, unless the stock is there by now.

        Raises:
            Overtaken: it is, or somebody decided on the reservation: look again.
        """
        if self._lapse(scope):
            raise Overtaken

        def refuse(warehouse: Warehouse) -> OutOfStock:
            shortages = warehouse.shortages(asked)
            if not shortages:
                raise Overtaken
            warehouse.keep(
                reservation_id, known, ReservationRecord(RecordState.REFUSED, asked, shortages)
            )
            return OutOfStock(shortages)

        return self._transact(scope, asked, refuse)

    def _out_of_stock(self, scope: Scope, demands: tuple[Demand, ...]) -> OutOfStock:
        """Tell what is short for a reservation that lapsed, unless the stock is there by now."""
        shortages = self._transact(scope, (), lambda warehouse: warehouse.shortages(demands))
        if not shortages:
            raise Overtaken
        return OutOfStock(shortages)

    # -- lapsing -----------------------------------------------------------------------------

    def _lapse(self, scope: Scope) -> int:
        """Let lapse what is over its time. Mostly that is nothing, and one look."""
        lapsed = 0
        while over := self._over_their_time(scope):
            with self._lapsing:
                # The others of this process waited meanwhile, and find nothing more to do.
                for reservation_id, reservation in self._over_their_time(scope):
                    lapsed += self._lapse_one(scope, reservation_id, reservation)
            if len(over) < LAPSES_MAX:
                break
        return lapsed

    def _over_their_time(self, scope: Scope) -> list[tuple[str, ReservationRecord]]:
        wanted: Document = {
            "tenant": scope.tenant_id,
            "org": scope.org_id,
            "lapses_us": {"$gte": _BEGINNING_US},
            "$expr": {"$lte": ["$lapses_us", self._time.expression()]},
        }
        found = self._database.run(
            lambda: list(
                self._reservations.find(wanted)
                .sort("lapses_us", 1)
                .limit(LAPSES_MAX)
                .hint(TO_LAPSE.name)
            )
        )
        return [(each["id"], from_stored(each)) for each in found]

    def _lapse_one(self, scope: Scope, reservation_id: str, reservation: ReservationRecord) -> int:
        def lapse(warehouse: Warehouse) -> None:
            warehouse.keep(reservation_id, reservation, reservation.brought_to(RecordState.LAPSED))
            warehouse.give_back(reservation.demands)

        try:
            self._transact(scope, reservation.demands, lapse)
        except Overtaken:
            return 0
        return 1

    # ------------------------------------------------------------------------------------

    def _levels_of(self, scope: Scope, items: Sequence[StockItem]) -> list[StockLevel]:
        if not items:
            return []
        ids = [place_of(scope, item)["_id"] for item in items]
        found = self._database.run(lambda: list(self._stock.find({"_id": {"$in": ids}})))
        known = {level.item: level for level in map(level_of, found)}
        return [known.get(item) or StockLevel(item, 0, 0) for item in items]

    def _lapses_us(self, allocation: Allocation) -> int | None:
        if allocation.model is not AllocationModel.SOFT:
            return None
        return to_microseconds(self._time.now() + timedelta(seconds=allocation.ttl_s))
