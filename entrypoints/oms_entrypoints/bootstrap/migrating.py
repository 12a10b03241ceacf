"""Making the tables or collections and indexes of the configured store, or updating them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.errors import ConfigurationError
from oms_entrypoints.bootstrap.carrying import CARRIED, named
from oms_entrypoints.bootstrap.stores import check_uri

if TYPE_CHECKING:
    from oms_entrypoints.config import Config


def migrate_store(config: Config, *, payment_claims: bool = False) -> None:
    """Bring every schema of the store up to date; repeatable, by any number of processes at once.

    *payment_claims*: keep payment references apart by claims from now on, as sharding needs it.

    Raises:
        ConfigurationError: the URI cannot be used.
        StoreUnusable: the store is newer than this program, or cannot be used.
    """
    if config.storage.kind == "sqlite":
        if payment_claims:
            raise ConfigurationError(
                ['--payment-claims is for stores of kind "mongodb"; a SQLite file needs none.']
            )
        _migrate_sqlite(config)
    else:
        _migrate_mongodb(config, payment_claims=payment_claims)


def _migrate_sqlite(config: Config) -> None:
    from oms_adapters.sqlite import SqliteDatabase
    from oms_adapters.storage.sqlite.job_turns import JOB_TURNS

    with SqliteDatabase(config.storage.path) as database:
        for schema in (*(named(each.sqlite) for each in CARRIED), JOB_TURNS):
            database.migrate(schema)


def _migrate_mongodb(config: Config, *, payment_claims: bool) -> None:
    uri = config.storage.uri
    if uri is None:
        raise ConfigurationError(["storage.uri must say where MongoDB is."])
    check_uri(uri.value)
    from oms_adapters.mongodb import MongoDatabase
    from oms_adapters.storage.mongodb.job_turns import JOB_TURNS
    from oms_adapters.storage.mongodb.payment_claims import keep_by_claims

    with MongoDatabase(uri.value, config.storage.database) as database:
        for schema in (*(named(each.mongodb) for each in CARRIED), JOB_TURNS):
            # Also what a person dropped: who types this command wants it back.
            database.migrate(schema, again=True)
        if payment_claims:
            keep_by_claims(database)
