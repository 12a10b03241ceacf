"""Where orders and stock are kept: opened as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from oms_core.errors import ConfigurationError
from oms_core.ports.authentication import Principal, Role
from oms_core.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_adapters.payments.simulated import Ledger
    from oms_adapters.sqlite import SqliteDatabase
    from oms_core.domain.scope import Scope
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.inbox import WebhookInbox
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.storage import OrderStorage
    from oms_core.ports.subscriptions import Subscriptions
    from oms_entrypoints.config import Config, InventorySection

CLOCK: Final = SystemClock()
SERVICE_SUBJECT: Final = "oms"
"""Who asks an inventory service."""
SERVICE_TOKEN_S: Final = 300.0
"""How long a token made for it is good: longer than any call, too short to be worth stealing."""


@frozen
class Store:
    """Where orders, stock, notifications and the simulated provider's books are kept."""

    storage: OrderStorage
    inventory: Inventory
    database: SqliteDatabase | None
    """Set if it is a SQLite file."""
    ledger: Callable[[], Ledger]
    inbox: Callable[[], WebhookInbox]
    event_log: Callable[[], EventLog]
    subscriptions: Callable[[], Subscriptions]
    """Makes it, as the one before, where it is wanted: without a feed there is no table for it."""

    def close(self) -> None:
        """Let go of the file. Repeatable."""
        self.storage.close()


def open_store(config: Config) -> Store:
    """Open the store alone.

    Raises:
        StoreUnusable: the database file cannot be opened or is not ours.
    """
    store = _store_of(config)
    if config.inventory.kind == "store":
        return store
    try:
        return evolve(store, inventory=http_inventory(config))
    except BaseException:
        store.close()
        raise


def _store_of(config: Config) -> Store:
    match config.storage.kind:
        case "memory":
            return _memory_store()
        case "mongodb":
            return _mongo_store(config)
        case _:
            return _sqlite_store(config)


def http_inventory(config: Config) -> Inventory:
    """Make the client of the inventory service; it connects when it is first asked.

    Raises:
        ConfigurationError: the library for it is not installed.
    """
    try:
        from oms_adapters.inventory.http import HttpInventory, HttpTimes
    except ImportError as missing:
        sentence = (
            f"An inventory service needs the package {missing.name}; install it with "
            "pip install 'oms-core[inventory-http]'."
        )
        raise ConfigurationError([sentence]) from missing
    stock = config.inventory
    return HttpInventory(
        stock.url or "",
        _token_for(stock),
        times=HttpTimes(stock.timeout_s, stock.connect_timeout_s),
        ca_file=stock.ca_file,
    )


def _token_for(stock: InventorySection) -> Callable[[Scope], str]:
    """Say which token the inventory service is asked with."""
    if stock.signing_secret is None:
        token = "" if stock.token is None else stock.token.value
        return lambda _: token
    from oms_adapters.auth.jwt import mint_token

    secret = stock.signing_secret.value.encode()

    def minted(scope: Scope) -> str:
        return mint_token(
            secret,
            Principal(SERVICE_SUBJECT, scope, Role.ADMIN),
            now=CLOCK.now(),
            lifetime_s=SERVICE_TOKEN_S,
            issuer=stock.token_issuer,
            audience=stock.token_audience,
        )

    return minted


def _memory_store() -> Store:
    from oms_adapters.inbox.memory import MemoryInbox
    from oms_adapters.inventory.memory import MemoryInventory
    from oms_adapters.storage.memory import MemoryStorage

    ledgers: list[Ledger] = []
    inbox = MemoryInbox(CLOCK)

    def ledger() -> Ledger:
        from oms_adapters.payments.simulated import MemoryLedger

        if not ledgers:
            ledgers.append(MemoryLedger())
        return ledgers[0]

    from oms_adapters.event_log.memory import MemoryEventLog
    from oms_adapters.subscriptions.memory import MemorySubscriptions

    return Store(
        MemoryStorage(CLOCK),
        MemoryInventory(CLOCK),
        None,
        ledger,
        lambda: inbox,
        MemoryEventLog,
        MemorySubscriptions,
    )


def _sqlite_store(config: Config) -> Store:
    from oms_adapters.inventory.sqlite import SqliteInventory
    from oms_adapters.sqlite import SqliteDatabase
    from oms_adapters.storage.sqlite import SqliteStorage

    database = SqliteDatabase(config.storage.path)

    def ledger() -> Ledger:
        from oms_adapters.payments.simulated import SqliteLedger

        return SqliteLedger(database)

    def inbox() -> WebhookInbox:
        from oms_adapters.inbox.sqlite import SqliteInbox

        return SqliteInbox(database, CLOCK)

    def event_log() -> EventLog:
        from oms_adapters.event_log.sqlite import SqliteEventLog

        return SqliteEventLog(database)

    def subscriptions() -> Subscriptions:
        from oms_adapters.subscriptions.sqlite import SqliteSubscriptions

        return SqliteSubscriptions(database, CLOCK)

    try:
        return Store(
            SqliteStorage(database, CLOCK),
            SqliteInventory(database, CLOCK),
            database,
            ledger,
            inbox,
            event_log,
            subscriptions,
        )
    except BaseException:
        database.close()
        raise


def _mongo_store(config: Config) -> Store:
    uri = config.storage.uri
    if uri is None:
        raise ConfigurationError(["storage.uri must say where MongoDB is."])
    check_uri(uri.value)
    from oms_adapters.inventory.mongodb import MongoInventory
    from oms_adapters.mongodb import MongoDatabase
    from oms_adapters.storage.mongodb import MongoStorage

    database = MongoDatabase(uri.value, config.storage.database)

    def ledger() -> Ledger:
        from oms_adapters.payments.simulated.mongo_ledger import MongoLedger

        return MongoLedger(database)

    def inbox() -> WebhookInbox:
        from oms_adapters.inbox.mongodb import MongoInbox

        return MongoInbox(database)

    def event_log() -> EventLog:
        from oms_adapters.event_log.mongodb import MongoEventLog

        return MongoEventLog(database)

    def subscriptions() -> Subscriptions:
        from oms_adapters.subscriptions.mongodb import MongoSubscriptions

        return MongoSubscriptions(database)

    try:
        # Leases, claims and promises go by the server's clock.
        return Store(
            MongoStorage(database),
            MongoInventory(database),
            None,
            ledger,
            inbox,
            event_log,
            subscriptions,
        )
    except BaseException:
        database.close()
        raise


def check_uri(uri: str) -> None:
    """Refuse a URI that cannot be read or is too weak, and a missing driver."""
    try:
        from oms_adapters.mongodb.connection import require_durable
    except ImportError as missing:
        sentence = (
            f"MongoDB needs the package {missing.name}; install it with "
            "pip install 'oms-core[mongodb]'."
        )
        raise ConfigurationError([sentence]) from missing
    require_durable(uri)
