"""``oms migrate``: schemas are made once, and a store goes on in another database."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oms_core import Order, OrderManagement, OrderStatus
from oms_core.application.webhooks import Subscribe
from oms_core.domain.saga_position import SagaState
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.cli.api_client import ORDERS, ApiClient
from oms_entrypoints.config import load_config
from tests.support import mongo_server
from tests.support.command_line import (
    ARMCHAIR,
    OMS,
    SCOPE,
    RunCommand,
    ended,
    environment,
    free_port,
    started,
    wait_until_ready,
)

PASSWORD = "correct-horse-battery"

SEEN = 2
"""The position of the last event that a consumer of the feed has."""
CARDS = {
    "good": "card_good",
    "declined": "sim_declined",
    "waiting": "sim_requires_action_1",
    "stuck": "sim_credentials_rejected",
}


@pytest.fixture
def name() -> Iterator[str]:
    name = mongo_server.new_name()
    yield name
    mongo_server.client().drop_database(name)


@pytest.fixture
def in_mongodb(name: str) -> dict[str, str]:
    return {
        "OMS__STORAGE__KIND": "mongodb",
        "OMS__STORAGE__URI": mongo_server.uri(),
        "OMS__STORAGE__DATABASE": name,
    }


def body(key: str, reference: str, quantity: int = 1) -> dict[str, object]:
    return {
        "idempotency_key": key,
        "payment_provider": "simulated",
        "payment_reference": reference,
        "channel": "web",
        "line_items": [{"sku": ARMCHAIR, "quantity": quantity, "unit_price": "129.90"}],
    }


def settle(oms: OrderManagement, orders: int) -> dict[str, Order]:
    """Drive every order as far as it goes by itself; return them by their keys."""
    oms.run_until_idle()
    found = {order.idempotency_key: order for order in oms.list_orders(SCOPE).orders}
    assert len(found) == orders
    return found


def followed(oms: OrderManagement) -> list[object]:
    """Return what is sent, to whom and signed with what; then what a consumer has still to read."""
    unread = oms.events(SCOPE, after=SEEN, limit=100)
    assert unread
    return [*(kept.subscription for kept in oms.webhooks.list_all(SCOPE)), *unread]


def test_orders_of_every_kind_go_on_in_mongodb_where_they_were(
    oms: RunCommand, folder: Path, in_mongodb: dict[str, str], name: str
) -> None:
    oms("inventory", "adjust", ARMCHAIR, "10")
    placed, token, port = {}, oms("token").out.strip(), free_port()
    bodies = {key: body(key, card) for key, card in CARDS.items()}
    bodies["short"] = body("short", "card_short", quantity=99)
    with started(folder, "serve", "--port", str(port), "--no-workers") as server:
        wait_until_ready(server, port)
        api = ApiClient(f"http://127.0.0.1:{port}", token, SCOPE)
        for key, request in bodies.items():
            placed[key] = api.post(ORDERS, request).document
        server.terminate()
        assert ended(server).code == 0
    with open_system(load_config(environment={})) as system:
        before = settle(system, 5)
        system.webhooks.subscribe(SCOPE, Subscribe("https://shop.example.com/hooks"))
        news = followed(system)
    with started(folder, "serve", "--port", str(port), "--no-workers") as server:
        wait_until_ready(server, port)
        bodies["fresh"] = body("fresh", "card_fresh")
        placed["fresh"] = api.post(ORDERS, bodies["fresh"]).document
        server.terminate()
        assert ended(server).code == 0
    booked = oms("simulated", "--json").out

    target = ("--to", mongo_server.uri(), "--database", name)
    carried = oms("migrate", "--from", "sqlite:oms.db", *target)
    shutil.copy("oms.db.secret", "oms.secret")
    with started(folder, "serve", "--port", str(port), "--no-workers", **in_mongodb) as server:
        wait_until_ready(server, port)
        again = {key: api.post(ORDERS, request) for key, request in bodies.items()}
        other = api.post(ORDERS, body("good", "card_good", quantity=2))
        rival = api.post(ORDERS, body("rival", "card_good"))
        server.terminate()
        assert ended(server).code == 0
    with started(folder, "simulated", "--json", **in_mongodb) as process:
        books = ended(process).out
    with open_system(load_config(environment=in_mongodb)) as system:
        assert {key: system.get_order(SCOPE, before[key].id) for key in before} == before
        assert followed(system)[: len(news)] == news
        after = settle(system, 6)
        (level,) = system.stock_levels(SCOPE).levels

    assert carried.code == 0
    assert "and both hold the same" in carried.out
    assert {key: answer.status for key, answer in again.items()} == dict.fromkeys(bodies, 201)
    assert {key: answer.document["order_id"] for key, answer in again.items()} == {
        key: document["order_id"] for key, document in placed.items()
    }
    assert (other.status, rival.status) == (422, 409)
    assert books == booked
    assert {key: order.status for key, order in after.items()} == {
        "good": OrderStatus.CONFIRMED,
        "declined": OrderStatus.FAILED,
        "short": OrderStatus.FAILED,
        "waiting": OrderStatus.PENDING_PAYMENT,
        "stuck": OrderStatus.PENDING_PAYMENT,
        "fresh": OrderStatus.CONFIRMED,
    }
    assert after["waiting"].saga.state is SagaState.WAITING
    assert after["stuck"].saga.state is SagaState.STUCK
    assert (level.on_hand, level.reserved) == (10, 4)


def test_a_store_that_is_up_to_date_stays_as_it_is(oms: RunCommand, folder: Path) -> None:
    first, second = oms("migrate"), oms("migrate")

    assert (first.code, first.err) == (0, "")
    assert first == second
    assert first.out == f"The store is up to date: {folder / 'oms.db'}.\n"
    with closing(sqlite3.connect(folder / "oms.db")) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_schema")}
    assert {"orders", "job_turns"} <= tables, "what is made when it is first wanted, too"


def test_several_processes_may_migrate_one_database_at_once(
    folder: Path, in_mongodb: dict[str, str], name: str
) -> None:
    processes = [
        subprocess.Popen(
            [OMS, "migrate"],
            cwd=folder,
            env=environment(**in_mongodb),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(4)
    ]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]

    assert ends == [("", 0)] * 4
    made = set(mongo_server.client()[name].list_collection_names())
    assert {"orders", "job_turns"} <= made
    with open_system(load_config(environment=in_mongodb)) as system:
        system.storage.ping()


def test_an_index_that_somebody_dropped_is_made_again(
    folder: Path, in_mongodb: dict[str, str], name: str
) -> None:
    with started(folder, "migrate", **in_mongodb) as process:
        assert ended(process).code == 0
    orders = mongo_server.client()[name].orders
    made = orders.index_information()
    orders.drop_index("orders_by_live_reference")
    with started(folder, "worker", **in_mongodb) as process:
        refused = ended(process)

    with started(folder, "migrate", **in_mongodb) as process:
        end = ended(process)

    assert refused.code == 2
    assert "lacks the index orders_by_live_reference; run oms migrate" in refused.err
    assert (end.code, end.err) == (0, "")
    assert orders.index_information() == made


def test_two_live_orders_with_one_reference_are_told_not_hidden(
    folder: Path, in_mongodb: dict[str, str], name: str
) -> None:
    with started(folder, "migrate", **in_mongodb) as process:
        assert ended(process).code == 0
    orders = mongo_server.client()[name].orders
    orders.drop_index("orders_by_live_reference")
    twins = [{"tenant": 1, "provider": "p", "live_reference": "secret"} for _ in range(2)]
    orders.insert_many([{**twin, "_id": number} for number, twin in enumerate(twins)])

    with started(folder, "migrate", **in_mongodb) as process:
        end = ended(process)

    assert end.code == 2
    assert "two entries are alike in tenant, provider, live_reference" in end.err
    assert "secret" not in end.err


def test_a_store_of_a_newer_version_is_refused_in_one_sentence(
    oms: RunCommand, folder: Path, in_mongodb: dict[str, str], name: str
) -> None:
    oms("migrate")
    with closing(sqlite3.connect(folder / "oms.db")) as connection, connection:
        connection.execute("UPDATE oms_schemas SET version = 99 WHERE name = 'orders'")
    mongo_server.client()[name].oms_schemas.insert_one({"_id": "orders", "version": 99})

    in_file = oms("migrate")
    with started(folder, "migrate", **in_mongodb) as process:
        in_database = ended(process)
    target = ("--to", mongo_server.uri(), "--database", f"{name}x")
    carried = oms("migrate", "--from", "sqlite:oms.db", *target)

    for end in (in_file, in_database, carried):
        assert end.code == 2
        assert end.err.count("\n") == 1
        assert "newer version of this program" in end.err


MISTAKES = {
    ("--to", "mongodb://h/"): "add --from",
    ("--database", "x"): "add --from",
    ("--from", "sqlite:oms.db"): "--from needs --to",
    ("--from", "oms.db", "--to", "mongodb://h/"): "--from must be sqlite:PATH",
    ("--from", "sqlite:", "--to", "mongodb://h/"): "--from must be sqlite:PATH",
    ("--from", "mongodb://h/", "--to", "mongodb://h/"): "--from must be sqlite:PATH",
    ("--from", "sqlite:none.db", "--to", "mongodb://h/"): "There is no database file",
    ("--from", "sqlite:x.txt", "--to", "mongodb://h/"): "is not a database of this order system",
    ("--from", "sqlite:oms.db", "--to", f"mongodb://pat:{PASSWORD}@h/"): "holds a password",
    ("--from", "sqlite:oms.db", "--to", "sqlite:x.db"): "--to must be env:NAME or file:PATH",
    ("--from", "sqlite:oms.db", "--to", "env:NONE"): "NONE, which is not set",
    ("--from", "sqlite:oms.db", "--to", "mongodb://h/?w=1"): "sets w, and acknowledged",
    ("--from", "sqlite:oms.db", "--to", "mongodb://h/", "--database", "a b"): "1 to 38 letters",
    (
        "--from",
        "sqlite:oms.db",
        "--to",
        "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100",
    ): "127.0.0.1:9 cannot be reached",
}


@pytest.mark.parametrize(("options", "said"), MISTAKES.items())
def test_a_mistake_is_one_sentence_and_exit_code_2(
    oms: RunCommand, folder: Path, options: tuple[str, ...], said: str
) -> None:
    oms("migrate")
    (folder / "x.txt").write_text("a letter " * 100)

    code, err = oms("migrate", *options).refusal

    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert PASSWORD not in err
    assert oms("migrate").code == 0, "the store is as usable as it was"
