"""The commands that an order costs on MongoDB, sent by the driver alone: no order, no saga.

The same documents, indexes and promises of durability, and nothing that decides anything. It
shows what driver, server and machine allow, whatever the program above them does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from bson.binary import Binary
from pymongo import UpdateOne

from benchmarks.child import answer, arguments_of_child
from benchmarks.order_body import SKUS, an_order
from benchmarks.servers import SCOPE
from benchmarks.sides.saga_load import keep_busy
from benchmarks.stores import open_mongodb, receive_stock
from oms_adapters.mongodb import MongoDatabase
from oms_core import PlaceOrder
from oms_core.application.request_reader import read

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession

_COPIED: Final = ("orders", "stock_reservations", "simulated_payments")


class BareOrders:
    """Copies an order that was driven to its end, again and again."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._of = {name: database.collection(name) for name in (*_COPIED, "stock")}
        self._made = {name: self._of[name].find_one({}) or {} for name in _COPIED}
        self._items = [each["_id"] for each in self._of["stock"].find({}, {"_id": 1})]

    def __call__(self, number: int) -> None:
        """Send what one order costs: accept, reserve, note, authorize, confirm."""
        name = f"bare-{number}"
        order = self._copy("orders", name)
        document = order["document"]
        orders, payments = self._of["orders"], self._of["simulated_payments"]
        orders.insert_one(order)
        self._database.transact(lambda session: self._reserve(name, session))
        self._note(order["_id"], {"saga_state": "running", "document": document})
        payment = self._copy("simulated_payments", name)
        payments.find_one({"_id": payment["_id"]})
        payments.insert_one(payment)
        self._note(order["_id"], {"status": "confirmed", "document": document})

    def _reserve(self, name: str, session: ClientSession) -> None:
        self._of["stock_reservations"].insert_one(
            self._copy("stock_reservations", name), session=session
        )
        taken: list[Any] = [
            UpdateOne({"_id": item}, {"$inc": {"reserved": 1}}) for item in self._items
        ]
        self._of["stock"].bulk_write(taken, session=session)

    def _note(self, order_id: Binary, changes: dict[str, Any]) -> None:
        exactly = {name: {"$literal": value} for name, value in changes.items()}
        version = {"version": {"$add": ["$version", 1]}}
        self._of["orders"].update_one({"_id": order_id}, [{"$set": {**exactly, **version}}])

    def _copy(self, collection: str, name: str) -> dict[str, Any]:
        """Return a document like the first, under names of its own."""
        fresh = uuid4()
        own: dict[str, Any] = {"_id": Binary(fresh.bytes * 3)}
        match collection:
            case "orders":
                own |= {"id": fresh, "live_reference": name}
            case "stock_reservations":
                own["id"] = name
            case _:
                own |= {"reference": name, "keys": [{"name": Binary(fresh.bytes), "document": ""}]}
        return {**self._made[collection], **own}


def main() -> None:
    """Drive one order with the whole system, then send its commands from many threads."""
    asked = arguments_of_child()
    uri, name = asked["mongodb"]
    with open_mongodb(uri, name) as oms:
        receive_stock(oms)
        oms.place_order(SCOPE, read(PlaceOrder, an_order("of which all are copies")))
        oms.run_until_idle()
    with MongoDatabase(uri, name) as database:
        assert len(SKUS) == database.collection("stock").count_documents({})
        answer(keep_busy(BareOrders(database), asked))


if __name__ == "__main__":
    main()
