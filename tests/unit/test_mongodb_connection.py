"""What is refused at the start: weak URIs, servers that cannot be relied on, damaged indexes."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pymongo.errors
import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ClientBulkWriteException,
    DuplicateKeyError,
    EncryptedCollectionError,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inbox.mongodb.collections import INBOX
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.mongodb.collections import INVENTORY
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.mongodb.connection import require_durable
from oms_adapters.mongodb.verdict import is_transient, verdict
from oms_adapters.payments.simulated.mongo_ledger import SCHEMA as SIMULATED_PAYMENTS
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.collections import ORDERS
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import (
    ConfigurationError,
    StorageTrouble,
    StoreUnavailable,
    StoreUnusable,
)
from oms_core.testing import an_order, with_status
from oms_core.testing.refusal import refusal
from tests.support import mongo_server

PASSWORD = "correct-horse-battery"

WEAK = {
    "w=1": "w",
    "w=0": "w",
    "w=2": "w",
    "w=custom": "w",
    "journal=false": "journal",
    "fsync=false": "fsync",
    "readConcernLevel=local": "readConcernLevel",
    "readConcernLevel=available": "readConcernLevel",
    "readPreference=secondary": "readPreference",
    "readPreference=nearest": "readPreference",
    "readPreference=primaryPreferred": "readPreference",
    "retryWrites=false": "retryWrites",
    "retryReads=false": "retryReads",
    "tls=true&tlsInsecure=true": "tlsInsecure",
    "tls=true&tlsAllowInvalidCertificates=true": "tlsAllowInvalidCertificates",
    "serverSelectionTimeoutMS=30000": "serverSelectionTimeoutMS",
    "connectTimeoutMS=20000": "connectTimeoutMS",
    "socketTimeoutMS=0": "socketTimeoutMS",
    "socketTimeoutMS=60000": "socketTimeoutMS",
    "wTimeoutMS=60000": "wTimeoutMS",
    "READPREFERENCE=secondary": "readPreference",
}

STRONG = [
    "",
    "w=majority",
    "journal=true",
    "readConcernLevel=majority",
    "readPreference=primary",
    "retryWrites=true&retryReads=true",
    "serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&socketTimeoutMS=2000&wTimeoutMS=1000",
    "replicaSet=rs0&tls=true&authSource=admin&appName=x&maxPoolSize=5&compressors=zlib",
]

UNREADABLE = [
    "",
    "mongodb://",
    "mongodb:",
    "http://host",
    f"mongodb://pat:{PASSWORD}@",
    f"mongodb://pat:{PASSWORD}/x@host/",
    f"mongodb://pat:{PASSWORD}@x@host/",
    f"mongodb://pat:%zz{PASSWORD}@host/",
    f"mongodb://pat:{PASSWORD}@host:port/",
    f"mongodb://pat:{PASSWORD}@host:99999999/",
    f"mongodb://pat:{PASSWORD}@host/?w",
    f"mongodb://pat:{PASSWORD}@host/?tls=perhaps",
    "mongodb://host/?replicaSet=rs0\x00",
]


@pytest.mark.parametrize(("options", "name"), WEAK.items())
def test_a_uri_that_weakens_a_promise_is_refused_by_name(options: str, name: str) -> None:
    uri = f"mongodb://pat:{PASSWORD}@host/?{options}"

    error = refusal(ConfigurationError, lambda: require_durable(uri))

    (sentence,) = [each for each in error.mistakes if f" {name}" in each]
    assert sentence.endswith(("leave that option out.", "or leave it out."))
    assert PASSWORD not in error.sentence


@pytest.mark.parametrize("options", STRONG)
def test_a_uri_that_weakens_nothing_is_accepted(options: str) -> None:
    require_durable(f"mongodb://pat:{PASSWORD}@host/?{options}")


@pytest.mark.parametrize("uri", UNREADABLE)
def test_a_uri_that_cannot_be_read_is_refused_without_quoting_it(uri: str) -> None:
    error = refusal(ConfigurationError, lambda: MongoDatabase(uri))

    assert "MongoDB URI" in error.sentence
    assert PASSWORD not in error.sentence


def test_all_weak_options_are_told_at_once() -> None:
    uri = "mongodb://host/?w=1&journal=false&readPreference=nearest"

    assert len(refusal(ConfigurationError, lambda: require_durable(uri)).mistakes) == 3


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "$a", "x" * 39, "ä", "a\x00"])
def test_a_name_that_no_database_may_have_is_refused(name: str) -> None:
    refusal(ConfigurationError, lambda: MongoDatabase("mongodb://127.0.0.1:9/", name))


def test_a_server_that_does_not_answer_is_named_with_what_to_do() -> None:
    port = mongo_server.free_port()
    uri = f"mongodb://pat:{PASSWORD}@127.0.0.1:{port}/?serverSelectionTimeoutMS=100"

    error = refusal(StoreUnusable, lambda: MongoDatabase(uri))

    assert error.sentence == (
        f"MongoDB at 127.0.0.1:{port} cannot be reached; start it, or correct the host and port "
        "(and tls) of the URI."
    )


def test_something_else_that_listens_there_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        uri = f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=100&connectTimeoutMS=50"

        error = refusal(StoreUnusable, lambda: MongoDatabase(uri))

    assert "cannot be reached" in error.sentence


def test_wrong_credentials_are_told_without_repeating_them() -> None:
    uri = mongo_server.uri().replace("mongodb://", f"mongodb://nobody:{PASSWORD}@")

    error = refusal(StoreUnusable, lambda: MongoDatabase(uri))

    assert "refuses the user or the password" in error.sentence
    assert PASSWORD not in error.sentence
    assert "nobody" not in error.sentence


def test_a_replica_set_of_another_name_is_told() -> None:
    hosts = mongo_server.uri().split("?")[0]
    uri = f"{hosts}?replicaSet=other&serverSelectionTimeoutMS=100"

    error = refusal(StoreUnusable, lambda: MongoDatabase(uri))

    assert error.sentence.startswith("MongoDB at ")


@pytest.fixture(scope="module")
def standalone() -> Iterator[str]:
    """A server that is no member of a replica set."""
    binary = mongo_server.find_mongod()
    assert binary is not None, mongo_server.MISSING
    with tempfile.TemporaryDirectory(dir=mongo_server.memory()) as name:
        port = mongo_server.free_port()
        server = mongo_server.start(binary, Path(name), port, replica_set=None)
        try:
            yield f"mongodb://127.0.0.1:{port}/"
        finally:
            mongo_server.stop(server)


def test_a_standalone_server_is_refused_with_what_to_do(standalone: str) -> None:
    error = refusal(StoreUnusable, lambda: MongoDatabase(standalone))

    assert "is a standalone server, which can lose acknowledged orders" in error.sentence
    assert "--replSet" in error.sentence


# -- schema ----------------------------------------------------------------------------------


@pytest.fixture
def database() -> Iterator[MongoDatabase]:
    with mongo_server.new_database() as database:
        yield database


def test_opening_it_again_changes_nothing(database: MongoDatabase) -> None:
    MongoStorage(database).add(an_order())
    MongoInventory(database)
    MongoInbox(database)
    there = mongo_server.client()[database.name]
    before = {name: there[name].index_information() for name in there.list_collection_names()}

    MongoStorage(database)
    MongoInventory(database)
    MongoInbox(database)

    after = {name: there[name].index_information() for name in there.list_collection_names()}
    assert set(before) == {
        "inbox",
        "oms_schemas",
        "orders",
        "stock",
        "stock_movements",
        "stock_reservations",
    }
    assert after == before
    assert there.orders.count_documents({}) == 1


def test_several_processes_may_make_the_collections_at_once(database: MongoDatabase) -> None:
    script = (
        "import sys; from oms_adapters.mongodb import MongoDatabase;"
        "from oms_adapters.storage.mongodb import MongoStorage;"
        "from oms_adapters.inventory.mongodb import MongoInventory;"
        "from oms_adapters.inbox.mongodb import MongoInbox;"
        "print('ready', flush=True); sys.stdin.readline();"
        "database = MongoDatabase(sys.argv[1], sys.argv[2]);"
        "MongoStorage(database); MongoInventory(database); MongoInbox(database); database.close()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, mongo_server.uri(), database.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()

    ends = [process.communicate("go\n", timeout=60) for process in processes]

    assert [errors for _, errors in ends] == [""] * 3
    MongoStorage(database).ping()


def all_indexes() -> list[tuple[str, str]]:
    return [
        (collection.name, index.name)
        for schema in (ORDERS, INVENTORY, INBOX, SIMULATED_PAYMENTS)
        for collection in schema.collections
        for index in collection.indexes
    ]


@pytest.mark.parametrize(("collection", "index"), all_indexes())
def test_a_store_without_one_of_its_indexes_is_refused(
    database: MongoDatabase, collection: str, index: str
) -> None:
    """Without a unique one, an order might be paid for twice; no one makes it silently anew."""
    adapters = {"orders": MongoStorage, "inbox": MongoInbox, "simulated_payments": MongoLedger}
    adapter = adapters.get(collection, MongoInventory)
    adapter(database)
    mongo_server.client()[database.name][collection].drop_index(index)

    error = refusal(StoreUnusable, lambda: adapter(database))

    assert f"lacks the index {index}" in error.sentence
    assert f"db.{collection}.createIndex(" in error.sentence


def test_an_index_within_a_list_is_made_again_as_it_is_written_there(
    database: MongoDatabase,
) -> None:
    """In JavaScript the name of its field must be quoted."""
    MongoLedger(database)
    payments = mongo_server.client()[database.name].simulated_payments
    payments.drop_index("simulated_payments_by_key")

    error = refusal(StoreUnusable, lambda: MongoLedger(database))

    assert error.sentence.endswith(
        'db.simulated_payments.createIndex({"keys.name": 1}, {name: "simulated_payments_by_key", '
        'unique: true, partialFilterExpression: {"keys.name": {$exists: true}}})'
    )


def test_an_index_that_no_longer_is_unique_is_refused(database: MongoDatabase) -> None:
    MongoStorage(database)
    orders = mongo_server.client()[database.name].orders
    orders.drop_index("orders_by_live_reference")
    keys = [("tenant", 1), ("provider", 1), ("live_reference", 1)]
    orders.create_index(keys, name="orders_by_live_reference")

    error = refusal(StoreUnusable, lambda: MongoStorage(database))

    assert "is not the one this program made" in error.sentence


def test_orders_of_the_first_version_are_found_by_their_payments(database: MongoDatabase) -> None:
    """The fields were added later, and filled in for the orders that were there."""
    storage = MongoStorage(database)
    storage.add(an_order("live", payment_reference="pay-live"))
    dead = an_order("dead", payment_reference="pay-dead")
    storage.add(dead)
    storage.save(with_status(dead, OrderStatus.FAILED))
    there = mongo_server.client()[database.name]
    there.orders.drop_index("orders_by_reference")
    there.orders.update_many({}, {"$unset": {"reference": "", "is_dead": ""}})
    there.oms_schemas.update_one({"_id": "orders"}, {"$set": {"version": 1}})

    MongoStorage(database)

    fields = {each["reference"]: each["is_dead"] for each in there.orders.find()}
    assert fields == {"pay-live": False, "pay-dead": True}
    found = storage.find_by_payment(dead.scope.tenant_id, dead.payment.provider, "pay-dead")
    assert found is not None
    assert found.id == dead.id


def test_a_store_of_a_newer_version_is_refused(database: MongoDatabase) -> None:
    MongoStorage(database)
    mongo_server.client()[database.name].oms_schemas.update_one(
        {"_id": "orders"}, {"$inc": {"version": 1}}
    )

    error = refusal(StoreUnusable, lambda: MongoStorage(database))

    assert "was written by a newer version of this program" in error.sentence


def test_after_closing_it_says_that_it_is_unavailable(database: MongoDatabase) -> None:
    storage = MongoStorage(database)
    storage.close()

    refusal(StoreUnavailable, storage.ping)


def test_the_servers_time_is_not_ahead_of_the_servers_clock(database: MongoDatabase) -> None:
    told = database.timekeeper(None).now()

    hello = mongo_server.client().admin.command("hello")
    behind_s = (hello["localTime"].replace(tzinfo=UTC) - told).total_seconds()
    assert 0 <= behind_s < 5
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60


# -- verdicts --------------------------------------------------------------------------------

MADE: dict[type[PyMongoError], PyMongoError] = {
    BulkWriteError: BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
    ClientBulkWriteException: ClientBulkWriteException({}, verbose=False),
    EncryptedCollectionError: EncryptedCollectionError(ValueError("secret"), {}),
}


def all_driver_errors() -> set[type[PyMongoError]]:
    return {
        each
        for each in vars(pymongo.errors).values()
        if isinstance(each, type) and issubclass(each, PyMongoError)
    }


def test_every_error_of_the_driver_has_a_verdict() -> None:
    errors = all_driver_errors()
    assert len(errors) > 20

    for kind in errors:
        error = MADE.get(kind) or kind("secret data of an order")
        told = verdict(error)
        assert isinstance(told, StorageTrouble), kind
        assert isinstance(told, StoreUnavailable | StoreUnusable), kind
        assert "secret" not in f"{told} {vars(told)}", kind


UNKNOWN_OUTCOMES = [
    AutoReconnect("gone"),
    NetworkTimeout("late"),
    NotPrimaryError("no longer"),
    WTimeoutError("late", 64),
    WriteConcernError("down", 91),
    OperationFailure("stepped down", 189),
    OperationFailure("write conflict", 112),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
]


@pytest.mark.parametrize("error", UNKNOWN_OUTCOMES, ids=lambda error: type(error).__name__)
def test_what_passes_by_itself_is_tried_again_and_then_unavailable(error: PyMongoError) -> None:
    assert is_transient(error)
    assert isinstance(verdict(error), StoreUnavailable)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ServerSelectionTimeoutError("waited for 5 s"), StoreUnavailable),
        (OperationFailure("rotated", 18), StoreUnavailable),
        (OperationFailure("no role", 13), StoreUnavailable),
        (OperationFailure("disk full", 14031), StoreUnavailable),
        (InvalidOperation("closed"), StoreUnavailable),
        (OperationFailure("bad hint", 2), StoreUnusable),
        (OperationFailure("unknown command", 59), StoreUnusable),
        (DuplicateKeyError("dup", 11000), StoreUnusable),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_does_not_pass_is_not_tried_again_at_once(
    error: PyMongoError, told: type[StorageTrouble]
) -> None:
    assert not is_transient(error)
    assert isinstance(verdict(error), told)
