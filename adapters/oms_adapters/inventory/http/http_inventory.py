"""The inventory port over HTTP: docs/inventory-service.md is the contract."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from oms_adapters.inventory.http import documents
from oms_adapters.inventory.http.connection import Connection, HttpTimes
from oms_adapters.inventory.http.verdict import not_of_the_contract, refused_cursor, verdict
from oms_core.domain.inventory import AlreadyCommitted, AlreadyReleased, OutOfStock, Reserved
from oms_core.errors import InvalidInput, Mistake
from oms_core.ports.cursors import CURSOR_LENGTH_MAX
from oms_core.ports.inventory import StockPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self, TypeAlias

    from oms_adapters.inventory.http.connection import Answer
    from oms_core.domain.inventory import (
        Allocation,
        Demand,
        StockItem,
        StockLevel,
        StockMovement,
    )
    from oms_core.domain.scope import Scope
    from oms_core.ports.inventory import CommitOutcome, HardenOutcome, ReserveOutcome

    TokenFor: TypeAlias = Callable[[Scope], str]

T = TypeVar("T")

RESERVATIONS: Final = "/api/v1/inventory/reservations"
MOVEMENTS: Final = "/api/v1/inventory/movements"
LEVELS: Final = "/api/v1/inventory/levels"
READY: Final = "/readyz"

LEVELS_MAX: Final = 100
MOVEMENTS_MAX: Final = 1_000
"""How many the service answers with at once."""
ITEMS_MAX: Final = 1_000
"""How many may be asked for by name at once."""


class HttpInventory:
    """Promises stock that a service keeps; implements ``Inventory``.

    Nothing is remembered here: every promise is the service's, which keeps it by the
    reservation's id. So every call may be repeated, from here or from another machine. *token_for*
    gives the bearer token for a scope; it is called for every request. SOFT reservations lapse by
    the service's clock.
    """

    def __init__(
        self,
        url: str,
        token_for: TokenFor,
        *,
        times: HttpTimes | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """Talk to the service at *url*; *ca_file* names who may vouch for it instead of all."""
        self._connection = Connection(url, times or HttpTimes(), ca_file)
        self._token_for = token_for

    # -- promising -------------------------------------------------------------------------

    def reserve(
        self,
        scope: Scope,
        reservation_id: str,
        demands: Sequence[Demand],
        *,
        allocation: Allocation,
    ) -> ReserveOutcome:
        """Promise all of *demands* or nothing; see ``Inventory.reserve``."""
        wish = documents.reservation(reservation_id, demands, allocation)
        return self._post(scope, RESERVATIONS, wish, documents.outcome_of)

    def harden(self, scope: Scope, reservation_id: str) -> HardenOutcome:
        """Make a SOFT reservation permanent; see ``Inventory.harden``."""
        wish = {"reservation_id": reservation_id}
        return self._post(scope, f"{RESERVATIONS}/harden", wish, documents.outcome_of)

    def release(self, scope: Scope, reservation_id: str) -> AlreadyReleased | AlreadyCommitted:
        """Make the pieces available again, for good; see ``Inventory.release``."""
        wish = {"reservation_id": reservation_id}
        return self._post(scope, f"{RESERVATIONS}/release", wish, _released)

    def commit(self, scope: Scope, reservation_id: str, *, actor: str) -> CommitOutcome:
        """Let the goods leave; see ``Inventory.commit``."""
        wish = {"reservation_id": reservation_id, "actor": actor}
        return self._post(scope, f"{RESERVATIONS}/commit", wish, _committed)

    def commit_part(
        self,
        scope: Scope,
        reservation_id: str,
        part_id: str,
        demands: Sequence[Demand],
        *,
        actor: str,
    ) -> CommitOutcome:
        """Let a part of a reservation's goods leave; see ``Inventory.commit_part``."""
        wish = {
            "reservation_id": reservation_id,
            "part_id": part_id,
            "demands": documents.wanted(demands),
            "actor": actor,
        }
        return self._post(scope, f"{RESERVATIONS}/commit-part", wish, _committed)

    # -- counting --------------------------------------------------------------------------

    def adjust(self, scope: Scope, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger once; see ``Inventory.adjust``."""
        return self._post(
            scope,
            MOVEMENTS,
            documents.movement(movement),
            lambda document: documents.level_after(document, movement),
        )

    def levels(
        self,
        scope: Scope,
        *,
        items: Sequence[StockItem] | None = None,
        sku: str | None = None,
        location: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> StockPage:
        """Return stock levels, sorted; see ``Inventory.levels``."""
        if cursor is not None and not (cursor.isascii() and len(cursor) <= CURSOR_LENGTH_MAX):
            raise InvalidInput([Mistake("/cursor", "is not a cursor of this listing")])
        if items is not None and len(items) > ITEMS_MAX:
            raise InvalidInput([Mistake("/items", f"must be at most {ITEMS_MAX}; ask in parts")])
        wish: dict[str, Any] = {"sku": sku, "location": location}
        if items is not None:
            wish["items"] = [documents.item(item) for item in items]
        found: list[StockLevel] = []
        while len(found) < limit:
            wish |= {"limit": min(LEVELS_MAX, limit - len(found)), "cursor": cursor}
            page = self._post(scope, LEVELS, wish, documents.page_of)
            found += page.levels
            cursor = page.next_cursor
            if cursor is None or not page.levels:
                break
        return StockPage(tuple(found), cursor)

    def movements(
        self, scope: Scope, item: StockItem, *, limit: int = 100, after: int = 0
    ) -> tuple[StockMovement, ...]:
        """Return the ledger of *item*; see ``Inventory.movements``."""
        found: list[StockMovement] = []
        while len(found) < limit:
            wanted = min(MOVEMENTS_MAX, limit - len(found))
            answer = self._connection.send(
                "GET",
                MOVEMENTS,
                self._headers(scope),
                query={**documents.item(item), "limit": wanted, "after": after + len(found)},
            )
            part = _read(answer, documents.movements_of)
            found += part
            if len(part) < wanted:
                break
        return tuple(found)

    # -- life ------------------------------------------------------------------------------

    def ping(self) -> None:
        """Ask the service whether it is ready; see ``Inventory.ping``."""
        answer = self._connection.send("GET", READY, {"Accept": "application/json"})
        if answer.status != HTTPStatus.OK:
            raise verdict(answer)

    def close(self) -> None:
        """Hang up. Repeatable."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Use as ``with HttpInventory(...) as inventory``: hung up at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()

    # ------------------------------------------------------------------------------------

    def _post(self, scope: Scope, path: str, document: object, read: Callable[[object], T]) -> T:
        headers = {**self._headers(scope), "Content-Type": "application/json"}
        return _read(self._connection.send("POST", path, headers, document=document), read)

    def _headers(self, scope: Scope) -> dict[str, str]:
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._token_for(scope)}",
            "X-Tenant-ID": str(scope.tenant_id),
            "X-Org-ID": str(scope.org_id),
        }


def _read(answer: Answer, read: Callable[[object], T]) -> T:
    if answer.status != HTTPStatus.OK:
        raise refused_cursor(answer) or verdict(answer)
    try:
        return read(answer.document)
    except documents.Unreadable:
        raise not_of_the_contract(answer) from None


def _released(document: object) -> AlreadyReleased | AlreadyCommitted:
    outcome = documents.outcome_of(document)
    if isinstance(outcome, Reserved | OutOfStock):
        raise documents.Unreadable
    return outcome


def _committed(document: object) -> CommitOutcome:
    outcome = documents.outcome_of(document)
    if isinstance(outcome, Reserved):
        raise documents.Unreadable
    return outcome
