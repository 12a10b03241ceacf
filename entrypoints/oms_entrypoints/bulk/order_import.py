"""Places the orders of a file, each on its own: a bad one keeps no other from being placed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import field, frozen

from oms_core.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    OmsError,
    PaymentReferenceInUse,
)
from oms_entrypoints.bulk.bad_row import BadRow
from oms_entrypoints.bulk.order_file import Row, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from oms_core import OrderManagement
    from oms_core.domain.scope import Scope

WAVE: Final = 16
"""Rows for each thread that are taken in hand together."""


@frozen
class Imported:
    """A row whose order is stored; ``before``: it was already."""

    line: int
    before: bool


Outcome: TypeAlias = "Imported | BadRow"


@frozen
class OrderImport:
    """Places rows from several threads, so that they share a store's flushes.

    What becomes of rows is told in their order. Two that name one order or one payment are
    never placed at once: the first in the file is the one that counts, as if they came alone.
    """

    oms: OrderManagement
    scope: Scope
    actor: str
    threads: int = field(default=16)

    def run(self, rows: Iterable[Row | BadRow]) -> Iterator[Outcome]:
        """Yield what became of each row.

        Raises:
            StoreUnavailable: nothing is known of the rows in hand. Begin again: what is
                there already stays as it is.
        """
        with ThreadPoolExecutor(self.threads, thread_name_prefix="oms-import") as pool:
            for wave in waves(rows, self.threads * WAVE):
                yield from pool.map(self._place, wave)

    def _place(self, row: Row | BadRow) -> Outcome:
        if isinstance(row, BadRow):
            return row
        try:
            placed = self.oms.place_order(self.scope, row.request, actor=self.actor)
        except InvalidInput as invalid:
            return BadRow(row.line, told(invalid))
        except (IdempotencyKeyReused, PaymentReferenceInUse) as refused:
            return BadRow(row.line, _as_told(refused))
        return Imported(row.line, placed.replayed)


def check(rows: Iterable[Row | BadRow], is_known: Callable[[str], bool]) -> Iterator[Outcome]:
    """Yield what would be wrong with each row, as far as that can be told without a store."""
    for row in rows:
        if isinstance(row, Row) and not is_known(row.request.payment_provider):
            provider = row.request.payment_provider
            yield BadRow(row.line, f'/payment_provider "{provider}" is not configured')
        else:
            yield row if isinstance(row, BadRow) else Imported(row.line, before=False)


def waves(rows: Iterable[Row | BadRow], size: int) -> Iterator[list[Row | BadRow]]:
    """Yield the rows in their order, at most *size* together, and never two for one name."""
    wave: list[Row | BadRow] = []
    names: set[tuple[str, ...]] = set()
    for row in rows:
        own = _names(row)
        if wave and (len(wave) >= size or not names.isdisjoint(own)):
            yield wave
            wave, names = [], set()
        wave.append(row)
        names |= own
    if wave:
        yield wave


def _names(row: Row | BadRow) -> set[tuple[str, ...]]:
    """Return what no other order may have: the key and the payment."""
    if isinstance(row, BadRow):
        return set()
    request = row.request
    return {
        (request.idempotency_key,),
        (request.payment_provider, request.payment_reference),
    }


def _as_told(refused: OmsError) -> str:
    return refused.sentence[:1].lower() + refused.sentence[1:].rstrip(".")
