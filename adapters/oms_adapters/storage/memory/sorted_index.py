"""Records kept in order of a key."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BLOCK_MAX: Final = 1_024


class SortedIndex(Generic[T]):
    """Items in ascending order of a key that no two of them share.

    Time moves forward, so nearly every item goes to the end, which costs an append. Items are
    kept in blocks, so that any other place costs two binary searches and moving the pointers of
    one block, however many items there are.
    """

    __slots__ = ("_block_max", "_blocks", "_key", "_length")

    def __init__(self, key: Callable[[T], Any], *, block_max: int = BLOCK_MAX) -> None:
        self._blocks: list[list[T]] = []
        """None is empty, and every key of one is lower than all keys of the next."""
        self._block_max = block_max
        self._key = key
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def first(self) -> T | None:
        """Return the item with the lowest key."""
        return self._blocks[0][0] if self._blocks else None

    def add(self, item: T) -> None:
        """Put *item* in its place."""
        key = self._key(item)
        self._length += 1
        if not self._blocks or self._key(self._blocks[-1][-1]) < key:
            if not self._blocks or len(self._blocks[-1]) >= self._block_max:
                self._blocks.append([item])
            else:
                self._blocks[-1].append(item)
            return
        number = self._block_for(key)
        block = self._blocks[number]
        insort(block, item, key=self._key)
        if len(block) > self._block_max:
            middle = len(block) // 2
            self._blocks[number : number + 1] = [block[:middle], block[middle:]]

    def remove(self, item: T) -> None:
        """Take *item* out; its key must be the one it was added with.

        Raises:
            LookupError: it is not here. Taking out what stands in its place would hide that.
        """
        key = self._key(item)
        number = self._block_for(key)
        block = self._blocks[number] if number < len(self._blocks) else []
        place = bisect_left(block, key, key=self._key)
        if place == len(block) or block[place] is not item:
            raise LookupError("the index does not hold this item under its present key")
        del block[place]
        if not block:
            del self._blocks[number]
        self._length -= 1

    def lowest(self, limit: int | None = None, *, below: Any = None) -> list[T]:
        """Return up to *limit* items whose key is lower than *below*, lowest first."""
        found: list[T] = []
        for block in self._blocks:
            end = len(block) if below is None else bisect_left(block, below, key=self._key)
            found += block[:end] if limit is None else block[: min(end, limit - len(found))]
            if end < len(block) or len(found) == limit:
                break
        return found

    def above(self, key: Any, limit: int) -> list[T]:
        """Return up to *limit* items whose key is higher than *key*, lowest first."""
        found: list[T] = []
        for number in range(self._block_for(key), len(self._blocks)):
            block = self._blocks[number]
            start = bisect_right(block, key, key=self._key)
            found += block[start : start + limit - len(found)]
            if len(found) == limit:
                break
        return found

    def highest(self, limit: int, *, below: Any = None, skip: int = 0) -> list[T]:
        """Return up to *limit* items whose key is lower than *below*, highest first.

        The *skip* highest of them are left out.
        """
        found: list[T] = []
        number = len(self._blocks) - 1 if below is None else self._block_for(below)
        if number == len(self._blocks):
            number, below = number - 1, None
        while number >= 0 and len(found) < limit:
            block = self._blocks[number]
            end = len(block) if below is None else bisect_left(block, below, key=self._key)
            skipped = min(skip, end)
            skip -= skipped
            end -= skipped
            start = max(0, end - (limit - len(found)))
            found += reversed(block[start:end])
            number, below = number - 1, None
        return found

    def _block_for(self, key: Any) -> int:
        """Tell in which block *key* is, or would be; past the last: it is higher than all."""
        return bisect_left(self._blocks, key, key=lambda block: self._key(block[-1]))
