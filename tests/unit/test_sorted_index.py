"""The memory store's index agrees with a plain sorted list, however its blocks are cut."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from oms_adapters.storage.memory.sorted_index import SortedIndex


class Item:
    """Compared by identity, as the store's records are."""

    def __init__(self, key: int) -> None:
        self.key = key


def key_of(item: Item) -> int:
    return item.key


KEYS = st.integers(min_value=0, max_value=60)


class SortedIndexAgreesWithAList(RuleBasedStateMachine):
    @initialize(block_max=st.integers(min_value=1, max_value=5))
    def begin(self, block_max: int) -> None:
        self.index: SortedIndex[Item] = SortedIndex(key_of, block_max=block_max)
        self.items: dict[int, Item] = {}

    @rule(key=KEYS)
    def add(self, key: int) -> None:
        if key not in self.items:
            self.items[key] = Item(key)
            self.index.add(self.items[key])

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.index.remove(self.items.pop(data.draw(st.sampled_from(sorted(self.items)))))

    @rule(key=KEYS)
    def refuse_to_remove_a_stranger(self, key: int) -> None:
        with pytest.raises(LookupError):
            self.index.remove(Item(key))

    @rule(below=st.none() | KEYS, limit=st.none() | st.integers(min_value=0, max_value=70))
    def lowest(self, below: int | None, limit: int | None) -> None:
        expected = [item for item in self._sorted() if below is None or item.key < below]

        assert self.index.lowest(limit, below=below) == expected[:limit]

    @rule(
        below=st.none() | KEYS,
        limit=st.integers(min_value=0, max_value=70),
        skip=st.integers(min_value=0, max_value=70),
    )
    def highest(self, below: int | None, limit: int, skip: int) -> None:
        expected = [item for item in self._sorted() if below is None or item.key < below][::-1]

        found = self.index.highest(limit, below=below, skip=skip)

        assert found == expected[skip : skip + limit]

    @invariant()
    def length_and_first_agree(self) -> None:
        assert len(self.index) == len(self.items)
        assert self.index.first() is next(iter(self._sorted()), None)

    def _sorted(self) -> list[Item]:
        return sorted(self.items.values(), key=key_of)


TestSortedIndexAgreesWithAList = SortedIndexAgreesWithAList.TestCase
