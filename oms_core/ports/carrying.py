"""The carrying port: how the entries of one store become those of another kind of store.

A store is carried shelf by shelf. A shelf is what one table or collection holds, under a name
that all kinds of stores share, and its entries are *carried documents*: trees of JSON values
that say everything the store must remember and nothing of how it is kept. What both sides
write down for the same entry is equal, so that two stores can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen

CarriedDocument: TypeAlias = "Mapping[str, Any]"
"""JSON values only: ids are strings, instants integer microseconds."""

Place: TypeAlias = "tuple[Any, ...]"
"""Where an entry stands in its own store: JSON values whose meaning that store alone knows."""


@frozen
class CarriedEntry:
    """One entry of a shelf, and the place behind which the next one is."""

    place: Place
    document: CarriedDocument = field(repr=False)


@frozen
class Arrived:
    """How far a shelf has been filled, durably."""

    place: Place | None = None
    """In the departing store; ``None``: nothing has arrived yet."""
    entries: int = 0


class Shelves(Protocol):
    """What both sides can do: show every entry, in an order that does not change meanwhile."""

    def entries(self, shelf: str, after: Place | None, limit: int) -> Sequence[CarriedEntry]:
        """Return up to *limit* entries behind *after*; ``None``: from the beginning.

        Raises:
            StoreUnusable: an entry cannot be read by this version of the program.
        """
        ...

    def count(self, shelf: str) -> int:
        """Count the entries of a shelf."""
        ...


class DepartingStore(Shelves, Protocol):
    """A store that is left. Nobody else uses it from its opening to its closing."""

    @property
    def identity(self) -> str:
        """A name that no other store has: whoever comes back with it is the same store."""
        ...

    @property
    def is_sealed(self) -> bool:
        """It has been left: everything arrived elsewhere."""
        ...

    def seal(self, to: str) -> None:
        """Let no program use it any more; *to* says where the store is now. Repeatable."""
        ...

    def close(self) -> None:
        """Let others use it again, unless it is sealed. Repeatable."""
        ...


class ArrivingStore(Shelves, Protocol):
    """A store that is filled. No program may use it before ``finish``."""

    @property
    def shown(self) -> str:
        """Where it is, for people: nothing of it is secret."""
        ...

    def begin(self, source: str) -> bool:
        """Take entries of the store *source* from now on; repeatable. ``False``: it has them all.

        Raises:
            StoreUnusable: it is somebody else's: it holds something, or another store is being
                carried into it. It was left as it is.
        """
        ...

    def arrived(self, shelf: str) -> Arrived:
        """Tell how far *shelf* has been filled."""
        ...

    def enter(self, shelf: str, documents: Sequence[CarriedDocument], arrived: Arrived) -> None:
        """Keep *documents*, then write down that they have *arrived*; both durably.

        Entering the same again, also in another version, leaves the last one.
        """
        ...

    def finish(self) -> None:
        """Let programs use it. Repeatable."""
        ...

    def close(self) -> None:
        """Let go of it. Repeatable."""
        ...
