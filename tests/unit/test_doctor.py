"""The doctor finds each damage, offers what is safe, and finds nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from attrs import define, evolve, field

from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.event_log.mongodb import MongoEventLog
from oms_adapters.event_log.sqlite import SqliteEventLog
from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.memory import MemoryStorage
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.payment_claims import claim_id_of, keep_by_claims
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core import AdjustStock, NewLineItem, Order, OrderManagement, OrderStatus, PlaceOrder
from oms_core.application.doctor import ClaimCheck, Finding, Kind
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.order_operations import Caller
from oms_core.domain.event_envelope import envelope_of
from oms_core.domain.inventory import Allocation, Demand, StockItem
from oms_core.domain.money import Money
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.order import ReservationState
from oms_core.domain.payment import PaymentStatus
from oms_core.domain.saga_position import Attention
from oms_core.domain.scope import Scope
from oms_core.errors import PaymentReferenceInUse
from oms_core.ports.inbox import InboxState
from oms_core.ports.payment_claims import PaymentClaim, PaymentClaimAudit
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.ports.storage import KeptOrder
from oms_core.testing import SimulatedClock, refusal
from tests.support import mongo_server

CHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP")
HOUR = timedelta(hours=1)


@define
class Shop:
    """A shop whose orders are 2 armchairs and 3 lamps, and the stores behind its API."""

    clock: SimulatedClock
    storage: Any
    inventory: Any
    inbox: Any
    log: Any
    database: Any = None
    scope: Scope = field(factory=lambda: Scope(UUID(int=1), UUID(int=2)))

    def __attrs_post_init__(self) -> None:
        self.bank = SimulatedPayments(MemoryLedger(), self.clock)
        self.oms = OrderManagement(
            storage=self.storage,
            inventory=self.inventory,
            payments={"simulated": self.bank},
            inbox=self.inbox,
            event_log=self.log,
            clock=self.clock,
        )
        self.keys = 0
        for item in (CHAIR, LAMP):
            request = AdjustStock(item.sku, 100, "delivery")
            self.oms.adjust_stock(self.scope, request, idempotency_key=item.sku, actor="clerk")

    bank: Any = None
    oms: Any = None
    keys: int = 0

    # -- living ----------------------------------------------------------------------------

    def place(self, reference: str = "card") -> Order:
        request = PlaceOrder(
            idempotency_key=reference,
            payment_provider="simulated",
            payment_reference=reference,
            channel="web",
            line_items=[NewLineItem(CHAIR.sku, 2, "10.00"), NewLineItem(LAMP.sku, 3, "5.00")],
        )
        return self.now(self.oms.place_order(self.scope, request).order_id)

    def settled(self, reference: str = "card") -> Order:
        order = self.place(reference)
        self.work()
        return self.now(order.id)

    def work(self) -> None:
        self.oms.run_until_idle()

    def now(self, order_id: UUID) -> Order:
        order: Order = self.oms.get_order(self.scope, order_id)
        return order

    def ask(self, name: str, order: Order, *what: object) -> Order:
        self.keys += 1
        getattr(self.oms.operations, name)(self.scope, order.id, *what, Caller(f"key-{self.keys}"))
        self.work()
        return self.now(order.id)

    # -- looking, and writing behind everybody's back ----------------------------------------

    def findings(self) -> list[Finding]:
        return list(self.oms.doctor().examine())

    def kinds(self) -> list[Kind]:
        return [finding.kind for finding in self.findings()]

    def write(self, order: Order, **fields: Any) -> Order:
        saved: Order = self.storage.save(evolve(self.now(order.id), **fields))
        self.drain()
        return saved

    def drain(self) -> None:
        """Let events leave, and nothing else."""
        while batch := self.storage.claim_unpublished("test", limit=100, lease_s=60):
            self.log.append([envelope_of(e) for u in batch for e in u.order.events(u.published)])
            self.storage.mark_published(batch)


def memory(_: Path) -> Shop:
    clock = SimulatedClock()
    return Shop(
        clock, MemoryStorage(clock), MemoryInventory(clock), MemoryInbox(clock), MemoryEventLog()
    )


def sqlite(folder: Path) -> Shop:
    clock, database = SimulatedClock(), SqliteDatabase(folder / "oms.db")
    return Shop(
        clock,
        SqliteStorage(database, clock),
        SqliteInventory(database, clock),
        SqliteInbox(database, clock),
        SqliteEventLog(database),
        database,
    )


def mongodb(_: Path) -> Shop:
    return over(mongo_server.emptied_database("doctor"))


def mongodb_with_claims(_: Path) -> Shop:
    """As it must be before the orders are sharded."""
    database = mongo_server.emptied_database("doctor-claims")
    keep_by_claims(database)
    return over(database)


def over(database: MongoDatabase) -> Shop:
    clock = SimulatedClock()
    return Shop(
        clock,
        MongoStorage(database, clock),
        MongoInventory(database, clock),
        MongoInbox(database, clock),
        MongoEventLog(database),
        database,
    )


@pytest.fixture(params=[memory, sqlite, mongodb], ids=lambda make: make.__name__)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    made: Shop = request.param(tmp_path)
    yield made
    made.oms.close()


# -- health ------------------------------------------------------------------------------------


def every_life(shop: Shop) -> dict[str, Order]:
    """Let orders live until each has come to another end."""
    orders = {
        name: shop.settled(f"{reference}_{name}")
        for name, reference in {
            "confirmed": "card",
            "declined": "sim_declined",
            "waiting": "sim_pending_forever",
            "wrong amount": "sim_wrong_amount",
            "captured at once": "sim_captured",
            "cancelled": "card",
            "captured": "card",
            "part": "card",
            "shipped": "card",
            "delivered": "card",
            "completed": "card",
            "returning": "card",
            "returned": "card",
            "refunded": "card",
        }.items()
    }
    orders["cancelled"] = shop.ask("cancel", orders["cancelled"], CancelOrder())
    orders["captured"] = shop.ask("capture", orders["captured"], CapturePayment())
    orders["part"] = shop.ask("fulfill", orders["part"], FulfillOrder(lines=(Pieces(1, 1),)))
    for name in ("shipped", "delivered", "completed", "returning", "returned", "refunded"):
        orders[name] = shop.ask("fulfill", orders[name], FulfillOrder())
    for name in ("delivered", "completed", "returning", "returned", "refunded"):
        (parcel,) = orders[name].fulfillments
        orders[name] = shop.ask("deliver", orders[name], parcel.id, DeliverGoods())
    for name in ("completed", "refunded"):
        orders[name] = shop.ask("complete", orders[name], CompleteOrder())
    for name in ("returning", "returned"):
        orders[name] = shop.ask("request_return", orders[name], RequestReturn((Pieces(1, 1),)))
    (back,) = orders["returned"].returns
    orders["returned"] = shop.ask("approve_return", orders["returned"], back.id, DecideReturn())
    orders["returned"] = shop.ask(
        "receive_return", orders["returned"], back.id, ReceiveReturn((PiecesReceived(1, 1),))
    )
    orders["refunded"] = shop.ask("refund", orders["refunded"], RefundPayment())
    shop.place("card_fresh")
    return orders


def test_a_healthy_store_of_orders_in_all_states_yields_nothing(shop: Shop) -> None:
    orders = every_life(shop)

    assert len({order.status for order in orders.values()}) >= 11
    assert shop.findings() == []
    compared = list(shop.oms.reconciler().run())
    assert [one for one in compared if not one.verdict.is_good] == []


def test_an_empty_store_yields_nothing(shop: Shop) -> None:
    assert shop.findings() == []


# -- damage in an order, the same in every store -------------------------------------------------


def _gap(shop: Shop, order: Order) -> None:
    history = tuple(
        evolve(entry, sequence=entry.sequence + (n > 1)) for n, entry in enumerate(order.history)
    )
    shop.write(order, history=history)


def _illegal_move(shop: Shop, order: Order) -> None:
    last = evolve(order.history[-1], status_after=OrderStatus.DELIVERED)
    history = (*order.history[:-1], last)
    shop.write(order, history=history)


def _overdrawn(shop: Shop, order: Order) -> None:
    shop.write(order, status=OrderStatus.CONFIRMED)


DAMAGES: dict[str, tuple[Callable[[Shop, Order], object], set[Kind]]] = {
    "a status that no history leads to": (
        lambda shop, order: shop.write(order, status=OrderStatus.PROCESSING),
        {Kind.STATUS_CONTRADICTS_HISTORY},
    ),
    "more refunded than captured": (
        lambda shop, order: shop.write(
            order, payment=evolve(order.payment, refunded=Money.of("1.00", "USD"))
        ),
        {Kind.PAYMENT_CONTRADICTS},
    ),
    "more kept than the order costs": (
        lambda shop, order: shop.write(
            order,
            payment=evolve(
                order.payment, status=PaymentStatus.CAPTURED, captured=Money.of("99.00", "USD")
            ),
        ),
        {Kind.PAYMENT_CONTRADICTS},
    ),
    "captured without money": (
        lambda shop, order: shop.write(
            order, payment=evolve(order.payment, status=PaymentStatus.CAPTURED)
        ),
        {Kind.PAYMENT_CONTRADICTS},
    ),
    "authorized without a hold": (
        lambda shop, order: shop.write(order, payment=evolve(order.payment, authorization=None)),
        {Kind.PAYMENT_CONTRADICTS},
    ),
    "a confirmed order that was never paid": (
        lambda shop, order: shop.write(
            order,
            payment=evolve(order.payment, status=PaymentStatus.PENDING, authorization=None),
        ),
        {Kind.PAYMENT_CONTRADICTS},
    ),
    "an illegal move": (
        _illegal_move,
        {Kind.HISTORY_BROKEN, Kind.STATUS_CONTRADICTS_HISTORY},
    ),
    "an order whose stock was released": (
        lambda shop, order: shop.inventory.release(shop.scope, str(order.id)),
        {Kind.STOCK_NOT_PROMISED},
    ),
    "an order whose goods left without it": (
        lambda shop, order: shop.inventory.commit_part(
            shop.scope, str(order.id), "by-hand", [Demand(CHAIR, 1)], actor="pat"
        ),
        {Kind.STOCK_NOT_PROMISED},
    ),
    "a reservation without an order": (
        lambda shop, order: shop.inventory.reserve(
            shop.scope, str(uuid4()), [Demand(CHAIR, 1)], allocation=Allocation()
        ),
        {Kind.STOCK_PROMISED_TO_NOBODY},
    ),
    "a saga that nobody knows": (
        lambda shop, order: shop.write(
            order, saga=evolve(order.saga, name="teleport", due_at=shop.clock.now())
        ),
        {Kind.SAGA_UNKNOWN},
    ),
    "an operation that no saga runs": (
        lambda shop, order: shop.write(
            order, operations=(an_operation(shop, OperationState.RUNNING),)
        ),
        {Kind.OPERATION_ABANDONED},
    ),
    "a saga that was due long ago": (
        lambda shop, order: shop.write(
            order, saga=evolve(order.saga, due_at=shop.clock.now() - HOUR)
        ),
        {Kind.SAGA_OVERDUE},
    ),
    "an order that has waited for a person for days": (
        lambda shop, order: shop.write(
            order,
            saga=evolve(
                order.saga, attention=Attention("odd", "Look at it.", shop.clock.now() - 72 * HOUR)
            ),
        ),
        {Kind.SAGA_STUCK},
    ),
}


def an_operation(shop: Shop, state: OperationState) -> Operation:
    at = shop.clock.now()
    return Operation(uuid4(), OperationKind.CAPTURE, state, at, "pat")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("shop", [memory, sqlite], indirect=True, ids=lambda make: make.__name__)
def test_each_damage_is_found_and_nothing_else(shop: Shop, damage: str) -> None:
    shop.settled("healthy")
    order = shop.settled()
    plant, expected = DAMAGES[damage]
    assert shop.findings() == []

    plant(shop, order)

    found = shop.findings()
    assert {finding.kind for finding in found} == expected
    assert len(found) == len(expected)
    assert all(finding.sentence.endswith((".", ":")) for finding in found)
    orders = {finding.order_id for finding in found}
    assert orders <= {order.id, None}


def test_a_gap_in_a_history_is_found() -> None:
    shop = memory(Path())
    order = shop.settled()
    _gap(shop, order)

    assert Kind.HISTORY_BROKEN in shop.kinds()


def test_a_status_that_the_goods_contradict_is_found(shop: Shop) -> None:
    order = shop.ask("fulfill", shop.settled(), FulfillOrder())
    parcels = tuple(
        evolve(one, lines=(evolve(one.lines[0], quantity=1),)) for one in order.fulfillments
    )

    shop.write(order, fulfillments=parcels)

    assert Kind.QUANTITIES_CONTRADICT in shop.kinds()


# -- what can be mended ----------------------------------------------------------------------------


def fixed(shop: Shop) -> list[Kind]:
    """Apply every fix; returns what there was."""
    found = shop.findings()
    for finding in found:
        assert finding.fix is not None, finding
        finding.fix.apply()
    shop.work()
    return [finding.kind for finding in found]


def test_stock_of_a_dead_order_is_released(shop: Shop) -> None:
    order = shop.ask("cancel", shop.settled(), CancelOrder())
    shop.write(order, reservation=ReservationState.HELD)

    assert fixed(shop) == [Kind.DEAD_ORDER_HOLDS_STOCK]
    assert shop.now(order.id).reservation is ReservationState.RELEASED
    assert shop.findings() == []


def test_a_live_promise_to_a_dead_order_is_taken_back(shop: Shop) -> None:
    """The order was declared dead while its stock was still promised."""
    order = shop.settled()
    history = (
        *order.history,
        evolve(
            order.history[-1],
            sequence=len(order.history) + 1,
            status_before=OrderStatus.CONFIRMED,
            status_after=OrderStatus.CANCELLED,
        ),
    )
    payment = evolve(order.payment, status=PaymentStatus.VOIDED, authorization=None)
    shop.write(order, status=OrderStatus.CANCELLED, history=history, payment=payment)

    assert fixed(shop) == [Kind.DEAD_ORDER_HOLDS_STOCK]
    assert shop.inventory.levels(shop.scope, items=[CHAIR]).levels[0].reserved == 0
    assert shop.findings() == []


def test_money_of_a_dead_order_is_let_go(shop: Shop) -> None:
    order = shop.settled()
    shop.inventory.release(shop.scope, str(order.id))
    history = (
        *order.history,
        evolve(
            order.history[-1],
            sequence=len(order.history) + 1,
            status_before=OrderStatus.CONFIRMED,
            status_after=OrderStatus.CANCELLED,
        ),
    )
    shop.write(
        order, status=OrderStatus.CANCELLED, history=history, reservation=ReservationState.RELEASED
    )

    assert fixed(shop) == [Kind.DEAD_ORDER_HOLDS_MONEY]
    (row,) = shop.bank.audit()
    assert row.voided == order.total
    assert shop.findings() == []


def test_a_forgotten_operation_is_given_its_turn(shop: Shop) -> None:
    order = shop.settled()
    shop.ask("capture", order, CapturePayment())
    order = shop.now(order.id)
    asked = evolve(an_operation(shop, OperationState.QUEUED), kind=OperationKind.CHECK_PAYMENT)
    shop.write(
        order,
        operations=(*order.operations, asked),
        saga=evolve(order.saga, due_at=None),
    )

    assert fixed(shop) == [Kind.OPERATION_FORGOTTEN]
    done = shop.now(order.id).operation(asked.id)
    assert done is not None
    assert done.state is OperationState.DONE
    assert shop.findings() == []


def test_a_notification_whose_order_came_later_is_applied_again(shop: Shop) -> None:
    ref = PaymentRef(shop.scope.tenant_id, "card")
    event = ProviderEvent("evt-1", ref, "payment.authorized", shop.clock.now())
    stranger = ProviderEvent(
        "evt-2", PaymentRef(shop.scope.tenant_id, "nobody"), "payment.odd", None
    )
    shop.inbox.store("simulated", [event, stranger], at=shop.clock.now())
    shop.work()
    shop.settled()

    assert fixed(shop) == [Kind.NOTIFICATION_UNMATCHED]
    (applied,) = shop.inbox.find_events(shop.scope.tenant_id, "evt-1")
    assert applied.state is InboxState.APPLIED
    assert shop.findings() == []


def test_events_that_the_feed_lost_at_its_end_are_put_there(shop: Shop) -> None:
    order = shop.settled()
    changed = shop.storage.save(order.with_change(order.history[-1].change, at=shop.clock.now()))
    shop.storage.mark_published(shop.storage.claim_unpublished("lost", limit=9, lease_s=60))

    (found,) = shop.findings()

    assert found.kind is Kind.EVENTS_MISSING
    assert f"The events {len(changed.history)} of the order" in found.sentence
    assert fixed(shop) == [Kind.EVENTS_MISSING]
    assert shop.findings() == []


# -- what waits for too long -------------------------------------------------------------------


def test_events_that_do_not_leave_are_told_of(shop: Shop) -> None:
    order = shop.place()
    claim = shop.storage.claim(shop.scope, order.id, "worker", lease_s=30)
    shop.storage.release(claim.lease)
    assert shop.findings() == []

    shop.clock.advance(3_600)

    assert set(shop.kinds()) == {Kind.EVENTS_LATE, Kind.SAGA_OVERDUE}


def test_a_lease_that_nobody_took_over_is_told_of(shop: Shop) -> None:
    order = shop.place()
    shop.drain()
    shop.storage.claim(shop.scope, order.id, "worker-7", lease_s=30)
    assert shop.findings() == []

    shop.clock.advance(3_600)

    (found,) = shop.findings()
    assert found.kind is Kind.LEASE_EXPIRED
    assert found.sentence.startswith("worker-7 held the order until ")


def test_notifications_that_nobody_applies_are_told_of_once(shop: Shop) -> None:
    ref = PaymentRef(shop.scope.tenant_id, "card")
    for number in range(3):
        event = ProviderEvent(f"evt-{number}", ref, "payment.authorized", shop.clock.now())
        shop.inbox.store("simulated", [event], at=shop.clock.now())
        shop.clock.advance(1)
    assert shop.findings() == []

    shop.clock.advance(3_600)

    (found,) = shop.findings()
    assert found.kind is Kind.NOTIFICATIONS_WAITING
    assert found.sentence.startswith("3 notifications of payment providers wait")
    assert "evt-0" in found.sentence


# -- damage below the API, written into the stores -------------------------------------------------


def test_a_ledger_that_lost_an_entry_is_found(shop: Shop) -> None:
    shop.settled()
    if isinstance(shop.database, SqliteDatabase):
        shop.database.write(
            lambda connection: connection.execute(
                "DELETE FROM stock_movements WHERE sku = ?", (CHAIR.sku,)
            )
        )
    elif isinstance(shop.database, MongoDatabase):
        shop.database.collection("stock_movements").delete_one({"sku": CHAIR.sku})
    else:
        shop.inventory._warehouses[shop.scope].ledger(CHAIR).clear()

    (found,) = shop.findings()

    assert found.kind is Kind.LEDGER_CONTRADICTS_STOCK
    assert found.subject == "CRUNCHY-ARMCHAIR at default"
    assert "100 are on hand, but the ledger adds up to 0." in found.sentence


def test_a_counter_of_reserved_pieces_that_drifted_is_found(shop: Shop) -> None:
    shop.settled()
    if isinstance(shop.database, SqliteDatabase):
        shop.database.write(
            lambda connection: connection.execute(
                "UPDATE stock SET reserved = 7 WHERE sku = ?", (CHAIR.sku,)
            )
        )
    elif isinstance(shop.database, MongoDatabase):
        shop.database.collection("stock").update_one(
            {"sku": CHAIR.sku}, {"$set": {"available": 93}}
        )
    else:
        shop.inventory._warehouses[shop.scope]._stock[CHAIR.sku, CHAIR.location].reserved = 7

    (found,) = shop.findings()

    assert found.kind is Kind.RESERVED_CONTRADICTS_PROMISES
    assert "7 are reserved, but reservations add up to 2." in found.sentence


def test_more_reserved_than_there_is_is_found(shop: Shop) -> None:
    shop.settled()
    if isinstance(shop.database, SqliteDatabase):
        pytest.skip("SQLite's own table refuses it: CHECK (reserved BETWEEN 0 AND on_hand)")
    if isinstance(shop.database, MongoDatabase):
        shop.database.collection("stock").update_one(
            {"sku": CHAIR.sku}, {"$set": {"on_hand": 1, "available": -1}}
        )
    else:
        shop.inventory._warehouses[shop.scope]._stock[CHAIR.sku, CHAIR.location].on_hand = 1

    assert set(shop.kinds()) == {Kind.LEDGER_CONTRADICTS_STOCK, Kind.STOCK_OVERSOLD}


# -- claims of payment references --------------------------------------------------------------


@pytest.fixture
def claimed(tmp_path: Path) -> Iterator[Shop]:
    shop = mongodb_with_claims(tmp_path)
    yield shop
    shop.oms.close()


def claims(shop: Shop) -> Any:
    return mongo_server.client()[shop.database.name]["payment_claims"]


def orders(shop: Shop) -> Any:
    return mongo_server.client()[shop.database.name]["orders"]


def names(order: Order) -> dict[str, UUID]:
    return {"tenant": order.scope.tenant_id, "org": order.scope.org_id, "id": order.id}


def again(shop: Shop, order: Order, key: str) -> Order:
    """Place another order with the payment reference of one that is dead."""
    request = PlaceOrder(
        idempotency_key=key,
        payment_provider="simulated",
        payment_reference=order.payment.reference,
        channel="web",
        line_items=[NewLineItem(CHAIR.sku, 2, "10.00")],
    )
    return shop.now(shop.oms.place_order(shop.scope, request).order_id)


def test_a_healthy_store_with_claims_yields_nothing(claimed: Shop) -> None:
    """Also where a claim was taken over from an order that died."""
    every_life(claimed)
    dead = claimed.settled("sim_declined_again")
    heir = again(claimed, dead, "heir")
    claimed.work()

    assert claims(claimed).find_one({"id": heir.id}) is not None
    assert claimed.findings() == []


def test_a_live_order_without_a_claim_gets_one(claimed: Shop) -> None:
    order = claimed.settled()
    claims(claimed).delete_one(names(order))

    (found,) = claimed.findings()
    assert (found.kind, found.order_id) == (Kind.PAYMENT_CLAIM_MISSING, order.id)
    assert fixed(claimed) == [Kind.PAYMENT_CLAIM_MISSING]

    assert claimed.findings() == []
    refusal(PaymentReferenceInUse, lambda: again(claimed, order, "second"))


def test_a_claim_that_another_order_made_meanwhile_is_left_to_it(claimed: Shop) -> None:
    """Two orders for one payment: who of them may stay is not for a program to say."""
    order = claimed.settled()
    claims(claimed).delete_one(names(order))
    (found,) = claimed.findings()
    second = again(claimed, order, "second")
    assert found.fix is not None

    refusal(PaymentReferenceInUse, found.fix.apply)

    assert claims(claimed).find_one(names(second)) is not None
    (found,) = [one for one in claimed.findings() if one.order_id == order.id]
    assert (found.kind, found.fix) == (Kind.PAYMENT_CLAIM_OF_ANOTHER, None)
    assert "which is live, too" in found.sentence


def test_a_claim_that_names_a_dead_order_is_given_to_the_live_one(claimed: Shop) -> None:
    dead = claimed.settled("sim_declined")
    live = again(claimed, dead, "heir")
    claims(claimed).update_one(names(live), {"$set": names(dead)})

    (found,) = claimed.findings()
    assert (found.kind, found.order_id) == (Kind.PAYMENT_CLAIM_OF_ANOTHER, live.id)
    assert str(dead.id) in found.sentence
    assert found.fix is not None
    found.fix.apply()
    found.fix.apply()

    assert claimed.findings() == []
    assert claims(claimed).find_one(names(live)) is not None
    refusal(PaymentReferenceInUse, lambda: again(claimed, dead, "third"))


def test_a_claim_is_not_given_away_that_the_dead_order_has_lost_meanwhile(claimed: Shop) -> None:
    dead = claimed.settled("sim_declined")
    live = again(claimed, dead, "heir")
    claims(claimed).update_one(names(live), {"$set": names(dead)})
    (found,) = claimed.findings()
    quicker = again(claimed, dead, "quicker")
    assert found.fix is not None

    refusal(PaymentReferenceInUse, found.fix.apply)

    assert claims(claimed).find_one(names(quicker)) is not None


def test_a_claim_that_names_an_order_which_is_gone_is_told_and_left_alone(claimed: Shop) -> None:
    """What came back would be left without a claim."""
    gone, live = claimed.settled("card_gone"), claimed.settled("card_live")
    claims(claimed).delete_one(names(live))
    claim = claims(claimed).find_one_and_delete(names(gone))
    ours = claim_id_of(live.scope.tenant_id, "simulated", "card_live")
    claims(claimed).insert_one({**claim, "_id": ours, "id": UUID(int=7)})
    claims(claimed).insert_one(claim)
    orders(claimed).delete_one({"id": gone.id})
    claimed.inventory.release(claimed.scope, str(gone.id))

    found = {(one.kind, one.order_id): one for one in claimed.findings()}

    assert set(found) == {
        (Kind.PAYMENT_CLAIM_OF_ANOTHER, live.id),
        (Kind.PAYMENT_CLAIM_OF_NO_ORDER, gone.id),
        (Kind.PAYMENT_CLAIM_OF_NO_ORDER, UUID(int=7)),
    }
    assert [one.fix for one in found.values()] == [None] * 3
    assert "card_" not in "".join(one.sentence for one in found.values())


def test_a_claim_whose_order_is_paid_otherwise_is_told(claimed: Shop) -> None:
    order = claimed.settled()
    stray = claim_id_of(order.scope.tenant_id, "simulated", "another card")
    claims(claimed).insert_one({"_id": stray, **names(order)})

    (found,) = claimed.findings()

    assert (found.kind, found.order_id) == (Kind.PAYMENT_CLAIM_OF_NO_ORDER, order.id)


def test_claims_are_walked_to_their_end_for_one_tenant_alone_too(claimed: Shop) -> None:
    """Their ids are of different lengths, which is what the server sorts them by."""
    order = claimed.settled()
    strays = {f"card-{'x' * length}" for length in range(5)}
    for tenant in (order.scope.tenant_id, UUID(int=99)):
        claims(claimed).insert_many(
            {**names(order), "_id": claim_id_of(tenant, "simulated", stray), "tenant": tenant}
            for stray in strays
        )
    audit = claimed.storage.payment_claims()

    for limit in (1, 2, 100):
        for tenant_id, expected in ((UUID(int=99), 5), (None, 11)):
            met: list[PaymentClaim] = []
            while page := audit.claims(
                after=met[-1] if met else None, limit=limit, tenant_id=tenant_id
            ):
                met += page
            assert len(met) == len(set(met)) == expected
            assert strays <= {one.reference for one in met}
    assert len(list(claimed.oms.doctor().examine(tenant_id=UUID(int=99)))) == 5
    assert len(list(claimed.oms.doctor().examine(tenant_id=UUID(int=99), org_id=UUID(int=1)))) == 0


def test_an_order_that_dies_while_the_doctor_looks_is_no_damage(claimed: Shop) -> None:
    """Its reference may back another one before its claim is read."""
    order = claimed.settled()

    class Slow:
        """Reads claims after the order died and another one took its claim over."""

        def __getattr__(self, name: str) -> Any:
            return getattr(claimed.storage.payment_claims(), name)

        def claimants(self, orders: Any) -> Any:
            claimed.ask("cancel", claimed.now(order.id), CancelOrder())
            again(claimed, order, "heir")
            return claimed.storage.payment_claims().claimants(orders)

    check = ClaimCheck(claimed.storage, cast("PaymentClaimAudit", Slow()))

    assert list(check.orders([order])) == []


def test_a_store_without_claims_has_none_to_check(shop: Shop) -> None:
    audited = getattr(shop.storage, "payment_claims", lambda: None)

    assert audited() is None


def test_an_order_that_cannot_be_read_is_told_of_and_stops_nobody(shop: Shop) -> None:
    order, other = shop.settled(), shop.settled("other")
    if isinstance(shop.database, SqliteDatabase):
        shop.database.write(
            lambda connection: connection.execute(
                "UPDATE orders SET document = '{}' WHERE id = ?", (order.id.bytes,)
            )
        )
    elif isinstance(shop.database, MongoDatabase):
        shop.database.collection("orders").update_one({"id": order.id}, {"$set": {"document": {}}})
    else:
        pytest.skip("memory keeps objects, not documents")
    shop.inventory.release(shop.scope, str(other.id))

    found = {finding.kind: finding for finding in shop.findings()}

    assert set(found) == {Kind.ORDER_UNREADABLE, Kind.STOCK_NOT_PROMISED}
    assert found[Kind.ORDER_UNREADABLE].order_id == order.id


def test_an_inventory_that_is_kept_elsewhere_is_said_not_to_be_audited() -> None:
    shop = memory(Path())
    shop.settled()
    doctor = shop.oms.doctor()
    doctor = evolve(doctor, stock=evolve(doctor.stock, audit=None))

    (found,) = doctor.examine()

    assert found.kind is Kind.STOCK_NOT_AUDITED
    assert isinstance(next(iter(shop.storage.walk(limit=1))), KeptOrder)
