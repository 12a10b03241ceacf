"""Carrying a store from one kind of database into another: which schemas, and how each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from oms_core.application.carry_over import carry_over
from oms_entrypoints.bootstrap.stores import check_uri

if TYPE_CHECKING:
    from pathlib import Path

    from oms_adapters.mongodb import ArrivingDatabase
    from oms_core.application.carry_over import Checksum, Tell

NOT_CARRIED: Final = frozenset({"job_turns", "payment_claims", "probe"})
"""Schemas that hold nothing to remember: a scheduled check that another store saw is done anew in
this one, claims follow from the orders, and the probe only counts how often it was asked."""


@frozen
class CarriedSchema:
    """Where one schema, and how its entries are carried, stand: ``module:NAME``."""

    sqlite: str
    sqlite_shelves: str
    mongodb: str
    mongodb_shelves: str


CARRIED: Final = (
    CarriedSchema(
        "oms_adapters.storage.sqlite.tables:ORDERS",
        "oms_adapters.storage.sqlite.carrying:SHELVES",
        "oms_adapters.storage.mongodb.collections:ORDERS",
        "oms_adapters.storage.mongodb.carrying:SHELVES",
    ),
    CarriedSchema(
        "oms_adapters.inventory.sqlite.tables:INVENTORY",
        "oms_adapters.inventory.sqlite.carrying:SHELVES",
        "oms_adapters.inventory.mongodb.collections:INVENTORY",
        "oms_adapters.inventory.mongodb.carrying:SHELVES",
    ),
    CarriedSchema(
        "oms_adapters.payments.simulated.sqlite_ledger:SCHEMA",
        "oms_adapters.payments.simulated.sqlite_carrying:SHELVES",
        "oms_adapters.payments.simulated.mongo_ledger:SCHEMA",
        "oms_adapters.payments.simulated.mongo_carrying:SHELVES",
    ),
    CarriedSchema(
        "oms_adapters.inbox.sqlite.tables:INBOX",
        "oms_adapters.inbox.sqlite.carrying:SHELVES",
        "oms_adapters.inbox.mongodb.collections:INBOX",
        "oms_adapters.inbox.mongodb.carrying:SHELVES",
    ),
    CarriedSchema(
        "oms_adapters.event_log.sqlite.sqlite_event_log:EVENTS",
        "oms_adapters.event_log.sqlite.carrying:SHELVES",
        "oms_adapters.event_log.mongodb.mongo_event_log:EVENTS",
        "oms_adapters.event_log.mongodb.carrying:SHELVES",
    ),
    CarriedSchema(
        "oms_adapters.subscriptions.sqlite.sqlite_subscriptions:WEBHOOKS",
        "oms_adapters.subscriptions.sqlite.carrying:SHELVES",
        "oms_adapters.subscriptions.mongodb.mongo_subscriptions:WEBHOOKS",
        "oms_adapters.subscriptions.mongodb.carrying:SHELVES",
    ),
)
"""Every schema of both kinds of database. Whoever adds one adds its line: a test looks for those
that nobody carries, table by table and column by column."""


def carry_sqlite_to_mongodb(
    path: Path, uri: str, database: str, tell: Tell
) -> tuple[str, dict[str, Checksum]]:
    """Carry the store in the file at *path* over; returns where it is now, and its checksums.

    Raises:
        ConfigurationError: the URI cannot be used.
        StoreUnusable: the file is in use, the target is somebody else's, or the two differ.
    """
    check_uri(uri)
    from oms_adapters.sqlite import DepartingFile

    schemas = [named(each.sqlite) for each in CARRIED]
    shelves = [shelf for each in CARRIED for shelf in named(each.sqlite_shelves)]
    source = DepartingFile(path, schemas, shelves)
    try:
        target = _arriving(uri, database)
        try:
            names = [shelf.name for shelf in shelves]
            return target.shown, carry_over(source, target, names, tell)
        finally:
            target.close()
    finally:
        source.close()


def _arriving(uri: str, database: str) -> ArrivingDatabase:
    from oms_adapters.mongodb import ArrivingDatabase, MongoDatabase

    schemas = [named(each.mongodb) for each in CARRIED]
    shelves = [shelf for each in CARRIED for shelf in named(each.mongodb_shelves)]
    return ArrivingDatabase(MongoDatabase(uri, database), schemas, shelves)


def named(reference: str) -> Any:
    """Import what ``module:NAME`` names."""
    from importlib import import_module

    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
