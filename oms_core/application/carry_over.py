"""Carrying a whole store over into an empty one of another kind, and proving that it arrived.

A run may end at any moment, however hard; the next one goes on behind the last batch that is
durably there. Nothing is held in memory but one batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import frozen

from oms_core.errors import StoreUnusable
from oms_core.ports.carrying import (
    Arrived,
    ArrivingStore,
    CarriedDocument,
    CarriedEntry,
    DepartingStore,
    Place,
    Shelves,
)

BATCH: Final = 500
"""Entries that travel together."""

_DIGEST_MODULUS: Final = 2**256


@frozen
class Checksum:
    """What a shelf holds, whatever the order: two shelves with equal ones hold the same."""

    entries: int = 0
    digests: int = 0
    """The sum of all entries' SHA-256, modulo 2^256."""

    def with_entry(self, document: CarriedDocument) -> Checksum:
        """Add one entry."""
        digest = int.from_bytes(hashlib.sha256(canonical(document)).digest(), "big")
        return Checksum(self.entries + 1, (self.digests + digest) % _DIGEST_MODULUS)

    @property
    def shown(self) -> str:
        """The sum in 64 hexadecimal digits."""
        return f"{self.digests:064x}"


@frozen
class Step:
    """How far a run has come."""

    doing: str
    """``carry`` or ``verify``."""
    shelf: str
    done: int
    of: int


Tell = Callable[[Step], None]


def canonical(document: CarriedDocument) -> bytes:
    """Write a carried document so that equal ones are equal byte for byte."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def carry_over(
    source: DepartingStore, target: ArrivingStore, shelves: Sequence[str], tell: Tell
) -> dict[str, Checksum]:
    """Carry *shelves* from *source* to *target*; returns what each shelf holds at both sides.

    Run again after it was interrupted, it goes on; after it was done, it returns nothing.

    Raises:
        StoreUnusable: the target is somebody else's, an entry cannot be read, the source was
            carried over elsewhere already, or the two stores differ in the end. The source is
            then as usable as it was.
    """
    is_sealed = source.is_sealed
    if not target.begin(source.identity):
        source.seal(target.shown)
        return {}
    went_on = any(target.arrived(shelf).entries for shelf in shelves)
    if not is_sealed:
        for shelf in shelves:
            _carry(source, target, shelf, target.arrived(shelf), tell)
    sums, differing = _compared(source, target, shelves, tell)
    if differing and went_on and not is_sealed:
        # Somebody used the source since the run that was interrupted: what arrived then may
        # be out of date.
        for shelf in differing:
            _carry(source, target, shelf, Arrived(), tell)
        sums, differing = _compared(source, target, shelves, tell)
    if differing:
        raise StoreUnusable(_differ(source, target, differing))
    # In this order: were the target finished first, a crash would leave two usable stores.
    source.seal(target.shown)
    target.finish()
    return sums


def _carry(
    source: DepartingStore, target: ArrivingStore, shelf: str, arrived: Arrived, tell: Tell
) -> None:
    total = source.count(shelf)
    tell(Step("carry", shelf, arrived.entries, total))
    while batch := source.entries(shelf, arrived.place, BATCH):
        arrived = Arrived(batch[-1].place, arrived.entries + len(batch))
        target.enter(shelf, [entry.document for entry in batch], arrived)
        tell(Step("carry", shelf, arrived.entries, total))


def _compared(
    source: DepartingStore, target: ArrivingStore, shelves: Sequence[str], tell: Tell
) -> tuple[dict[str, Checksum], list[str]]:
    """Return the checksums of the source's shelves, and the shelves that differ."""
    sums: dict[str, Checksum] = {}
    differing = []
    for shelf in shelves:
        sums[shelf] = _sum(source, shelf, tell)
        if sums[shelf] != _sum(target, shelf, tell):
            differing.append(shelf)
    return sums, differing


def _sum(store: Shelves, shelf: str, tell: Tell) -> Checksum:
    total, checksum = store.count(shelf), Checksum()
    for batch in _batches(store, shelf):
        for entry in batch:
            checksum = checksum.with_entry(entry.document)
        tell(Step("verify", shelf, checksum.entries, total))
    return checksum


def _batches(store: Shelves, shelf: str) -> Iterator[Sequence[CarriedEntry]]:
    after: Place | None = None
    while batch := store.entries(shelf, after, BATCH):
        yield batch
        after = batch[-1].place


def _differ(source: DepartingStore, target: ArrivingStore, shelves: Sequence[str]) -> str:
    counts = ", ".join(
        f"{shelf} ({source.count(shelf)} there, {target.count(shelf)} arrived)" for shelf in shelves
    )
    return (
        f"What arrived in {target.shown} is not what the store holds: {counts}. The store that was "
        "to be carried over is as it was; end whatever else writes there, drop that database, and "
        "begin again."
    )
