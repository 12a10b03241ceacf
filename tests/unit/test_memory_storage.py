"""What only shows when the memory store holds more than one block of orders."""

from datetime import timedelta
from uuid import UUID

from attrs import evolve

from oms_adapters.storage.memory import MemoryStorage
from oms_adapters.storage.memory.memory_storage import CHUNK
from oms_core.ports.storage import Added, OrderQuery
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order

MANY = 2 * CHUNK + 500
PAT = UUID("9a7bb1de-0000-4000-8000-0000000000aa")


def filled_store() -> MemoryStorage:
    """Fill a store: order 0 is the oldest, every 700th is Pat's, every 2nd came by web."""
    store = MemoryStorage(SimulatedClock())
    for number in range(MANY):
        store.add(
            an_order(
                f"order-{number}",
                at=NOON + timedelta(seconds=number),
                channel="web" if number % 2 == 0 else "pos",
                customer_id=PAT if number % 700 == 0 else None,
            )
        )
    return store


def test_walking_through_many_orders_meets_each_once() -> None:
    store = filled_store()
    query = OrderQuery(limit=100)
    keys: list[str] = []
    while True:
        page = store.list_orders(a_scope(), query)
        keys += [order.idempotency_key for order in page.orders]
        if page.next_cursor is None:
            break
        query = evolve(query, cursor=page.next_cursor)

    assert keys == [f"order-{number}" for number in reversed(range(MANY))]


def test_an_offset_reaches_any_depth() -> None:
    store = filled_store()

    (order,) = store.list_orders(a_scope(), OrderQuery(limit=1, offset=MANY - 7)).orders

    assert order.idempotency_key == "order-6"


def test_a_search_goes_on_behind_the_first_chunk() -> None:
    store = filled_store()
    pats = OrderQuery(limit=9, customer_id=PAT)

    by_web = store.list_orders(a_scope(), evolve(pats, channel="web")).orders
    by_pos = store.list_orders(a_scope(), evolve(pats, channel="pos")).orders

    keys = [order.idempotency_key for order in by_web]
    assert keys == ["order-2100", "order-1400", "order-700", "order-0"]
    assert by_pos == ()


def test_a_search_through_two_large_indexes_combines_offset_and_time() -> None:
    store = MemoryStorage(SimulatedClock())
    for number in range(MANY):
        at = NOON + timedelta(seconds=number)
        channel = "web" if number % 2 == 0 else "pos"
        store.add(an_order(f"order-{number}", at=at, channel=channel, customer_id=PAT))
    query = OrderQuery(
        limit=9,
        offset=CHUNK,
        channel="web",
        customer_id=PAT,
        created_from=NOON + timedelta(seconds=100),
        created_to=NOON + timedelta(seconds=2 * CHUNK + 104),
    )

    keys = [order.idempotency_key for order in store.list_orders(a_scope(), query).orders]

    assert keys == ["order-102", "order-100"]


def test_many_orders_are_shared_out_in_order_of_their_due_moments() -> None:
    clock = SimulatedClock()
    store = MemoryStorage(clock)
    for number in range(MANY):
        due_at = NOON + timedelta(seconds=(number * 7_919) % MANY)
        added = store.add(an_order(f"order-{number}", at=due_at), holder="a", lease_s=10)
        assert isinstance(added, Added)
    clock.advance(MANY)

    claims = store.claim_due("b", limit=MANY, lease_s=10, definitions=["place_order/1"])

    moments = [claim.order.saga.due_at for claim in claims]
    assert moments == [NOON + timedelta(seconds=number) for number in range(MANY)]
