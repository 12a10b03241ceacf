"""The calls of an inventory service: ours answers them, and anybody's must."""

from __future__ import annotations

from typing import Final

from oms_core.ports.authentication import Role
from oms_entrypoints.http import health, inventory, stock_service
from oms_entrypoints.http.openapi.call import Answer, Operation
from oms_entrypoints.http.openapi.refusals import LIMIT, STOCK, STORE, invalid
from oms_entrypoints.http.stock_requests import (
    BookMovement,
    CommitPart,
    CommitReservation,
    LedgerListing,
    LookUpLevels,
    NameReservation,
    ReserveStock,
)
from oms_entrypoints.http.views import (
    BookingAnswerView,
    LedgerView,
    ReservationAnswerView,
    StockPageView,
)

_TAG: Final = "inventory service"


def _of_a_reservation(path: str, name: str, summary: str, body: type, says: str) -> Operation:
    """Describe a call that has something become of a reservation."""
    return Operation(
        "POST",
        path,
        name,
        _TAG,
        summary,
        says=says,
        role=Role.ADMIN,
        body=body,
        answers=(Answer(200, "What became of it.", ReservationAnswerView),),
        refusals=(invalid("/reservation_id", "must not be empty"), *STOCK),
    )


INVENTORY_SERVICE_CALLS: Final = (
    _of_a_reservation(
        stock_service.RESERVATIONS,
        "reserveStock",
        "Reserve all of some pieces or none, once per name.",
        ReserveStock,
        says=(
            "The first answer under a name is the answer for ever: `out_of_stock` too, and what "
            "was released is never reserved again. A soft reservation that has lapsed may be "
            "reserved again, for the same pieces."
        ),
    ),
    _of_a_reservation(
        stock_service.HARDEN,
        "hardenReservation",
        "Make a soft reservation permanent.",
        NameReservation,
        says=(
            "One that has lapsed is taken again if the stock is still there, else it is "
            "`out_of_stock`. An unknown one is `already_released`: nothing is promised."
        ),
    ),
    _of_a_reservation(
        stock_service.RELEASE,
        "releaseReservation",
        "Make the pieces of a reservation available again.",
        NameReservation,
        says=(
            "`already_released` is success, now and on every repeat, for an unknown one too, "
            "which can never be made from then on. `already_committed`: the goods have left, "
            "and nothing was changed. It is never anything else."
        ),
    ),
    _of_a_reservation(
        stock_service.COMMIT,
        "commitReservation",
        "Let the goods of a reservation leave.",
        CommitReservation,
        says=(
            "On hand and reserved drop together, with one ledger entry a stock item. "
            "`already_committed` is success, now and on every repeat; otherwise nothing left. "
            "It is never `reserved`."
        ),
    ),
    _of_a_reservation(
        stock_service.COMMIT_PART,
        "commitPart",
        "Let a part of the goods of a reservation leave, once per name.",
        CommitPart,
        says=(
            "The rest stays promised; with the last part the reservation is committed. "
            "`already_committed` is success, now and on every repeat of the part's name. "
            "`out_of_stock`: the part is more than the reservation holds by now, and nothing left. "
            "It is never `reserved`."
        ),
    ),
    Operation(
        "POST",
        stock_service.MOVEMENTS,
        "bookMovement",
        _TAG,
        "Add an entry to the ledger as it is given, once per name.",
        says=(
            "The same name again with the same item, quantity and reason changes nothing and is "
            "answered with the present level."
        ),
        role=Role.ADMIN,
        body=BookMovement,
        answers=(Answer(200, "What became of it.", BookingAnswerView),),
        refusals=(invalid("/movement_id", "must not be empty"), *STOCK),
    ),
    Operation(
        "GET",
        stock_service.MOVEMENTS,
        "listMovements",
        _TAG,
        "Read the ledger of one stock item, oldest entries first.",
        role=Role.VIEWER,
        query=LedgerListing,
        answers=(Answer(200, "A part of it.", LedgerView),),
        refusals=(invalid("/sku", "is required"), *STOCK),
    ),
    Operation(
        "POST",
        inventory.LEVELS,
        "lookUpStockLevels",
        _TAG,
        "Look up stock on hand, promised and available, by any names.",
        says="As the list, for names that do not fit into an address, and for many at once.",
        role=Role.VIEWER,
        body=LookUpLevels,
        answers=(Answer(200, "A page of stock levels.", StockPageView),),
        refusals=(LIMIT, *STOCK),
    ),
)
SERVICE_IS_READY: Final = Operation(
    "GET",
    health.READYZ,
    "isReady",
    "server",
    "Whether the store can be used now.",
    answers=(Answer(200, "It can, whatever else the body says."),),
    refusals=STORE,
)
"""What a service must answer beside them; our own server says more of itself there."""
