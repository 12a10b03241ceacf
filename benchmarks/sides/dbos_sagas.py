"""The base of P7: the same saga as a DBOS Transact workflow on SQLite in WAL mode.

Set up as its documentation advises, with whatever makes it faster: the workflow is called in the
client's own thread, its id is the order's key, each step is one transaction of a datasource, DBOS'
own tables lie in a file of their own, where the two hinder each other least, and accepting the
order shares a transaction with reserving its stock. Both sides flush every commit
(``synchronous = FULL``, SQLite's default).
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import dbos

from benchmarks.child import answer, arguments_of_child
from benchmarks.order_body import SKUS, STOCK, an_order
from benchmarks.sides.saga_load import keep_busy

_TABLES: Final = """
CREATE TABLE stock (sku TEXT PRIMARY KEY, available INTEGER NOT NULL CHECK (available >= 0));
CREATE TABLE orders (key TEXT PRIMARY KEY, status TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE payments (reference TEXT PRIMARY KEY, key TEXT NOT NULL, amount TEXT NOT NULL);
"""


class Shop:
    """The saga's steps, each a durable transaction."""

    def __init__(self, datasource: Any) -> None:
        """Make the steps and the workflow that calls them."""
        self._datasource = datasource
        self.reserve = datasource.transaction(self._reserve, name="reserve")
        self.authorize = datasource.transaction(self._authorize, name="authorize")
        self.confirm = datasource.transaction(self._confirm, name="confirm")

        def place_order(order: dict[str, Any]) -> str:
            self.reserve(order)
            self.authorize(order)
            self.confirm(order)
            return "confirmed"

        self.place_order = dbos.DBOS.workflow(name="place_order")(place_order)

    def _sql(self, statement: str, *parameters: object) -> int:
        connection = self._datasource.sql_session().connection()
        changed: int = connection.exec_driver_sql(statement, parameters).rowcount
        return changed

    def _reserve(self, order: dict[str, Any]) -> None:
        self._sql(
            "INSERT INTO orders (key, status, document) VALUES (?, 'pending_payment', ?)",
            order["idempotency_key"],
            json.dumps(order),
        )
        for line in order["line_items"]:
            changed = self._sql(
                "UPDATE stock SET available = available - ?1 WHERE sku = ?2 AND available >= ?1",
                line["quantity"],
                line["sku"],
            )
            assert changed == 1, "there is stock for every order"

    def _authorize(self, order: dict[str, Any]) -> None:
        self._sql(
            "INSERT INTO payments (reference, key, amount) VALUES (?, ?, ?)",
            order["payment_reference"],
            order["idempotency_key"],
            "432.85",
        )
        self._sql(
            "UPDATE orders SET status = 'payment_authorized' WHERE key = ?",
            order["idempotency_key"],
        )

    def _confirm(self, order: dict[str, Any]) -> None:
        self._sql("UPDATE orders SET status = 'confirmed' WHERE key = ?", order["idempotency_key"])


def _in_wal_mode(file: Path) -> sqlite3.Connection:
    """Connect; the mode is remembered in the file."""
    connection = sqlite3.connect(file)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    assert mode == "wal"
    return connection


def main() -> None:
    """Run workflows on empty SQLite files."""
    asked = arguments_of_child()
    with TemporaryDirectory() as folder:
        shop_file, dbos_file = Path(folder) / "shop.db", Path(folder) / "dbos.db"
        _in_wal_mode(dbos_file).close()
        with closing(_in_wal_mode(shop_file)) as connection, connection:
            connection.executescript(_TABLES)
            connection.executemany(
                "INSERT INTO stock VALUES (?, ?)", [(sku, STOCK) for sku in SKUS]
            )
        threads = {"pool_size": asked["at_once"] + 2}
        dbos.DBOS(
            config={
                "name": "benchmark",
                "system_database_url": f"sqlite:///{dbos_file}",
                "db_engine_kwargs": threads,
                "log_level": "ERROR",
            }
        )
        datasource = dbos.SQLAlchemyDatasource.create(
            f"sqlite:///{shop_file}", engine_kwargs=threads
        )
        shop = Shop(datasource)
        dbos.DBOS.launch()

        def complete(number: int) -> None:
            order = an_order(f"{number:012}")
            with dbos.SetWorkflowID(order["idempotency_key"]):
                assert shop.place_order(order) == "confirmed"

        came_of_it = keep_busy(complete, asked)
        dbos.DBOS.destroy()
        with closing(_in_wal_mode(shop_file)) as connection:
            (confirmed,) = connection.execute(
                "SELECT count(*) FROM orders WHERE status = 'confirmed'"
            ).fetchone()
        assert confirmed >= came_of_it["completed"]
        answer(came_of_it)


if __name__ == "__main__":
    main()
