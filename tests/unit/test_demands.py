"""Pieces of one stock item count together, however they are asked for."""

from hypothesis import given
from hypothesis import strategies as st

from oms_core.domain.inventory import Demand, StockItem, summed

ARMCHAIR, DRUM = StockItem("CRUNCHY-ARMCHAIR"), StockItem("SILENT-DRUM", "north")


def test_two_demands_for_one_item_are_one() -> None:
    """Checked one by one, each of them might fit where both do not."""
    demands = [Demand(DRUM, 1), Demand(ARMCHAIR, 2), Demand(DRUM, 3)]

    assert (Demand(ARMCHAIR, 2), Demand(DRUM, 4)) == summed(demands)


@given(st.lists(st.builds(Demand, st.sampled_from([ARMCHAIR, DRUM]), st.integers(1, 9))))
def test_no_piece_is_lost_and_the_order_is_always_the_same(demands: list[Demand]) -> None:
    """Two callers that take items in different orders would wait for each other for ever."""
    together = summed(demands)

    assert sum(each.quantity for each in together) == sum(each.quantity for each in demands)
    assert [each.item for each in together] == sorted({each.item for each in demands})
