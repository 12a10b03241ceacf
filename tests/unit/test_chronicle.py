"""Everything that is known of an order's life, in one list that reads from its beginning."""

from datetime import timedelta

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from oms_core.application.actions import Action
from oms_core.application.chronicle import ChronicleKind, chronicle_of
from oms_core.application.operation_requests import (
    CompleteOrder,
    DeliverGoods,
    FulfillOrder,
    RefundPayment,
)
from oms_core.domain.operation import OperationKind
from tests.support.drawn_life import OrderLife

CHOICES = st.lists(st.integers(0, 1_000), max_size=16)


@given(
    reference=st.sampled_from(["good_card", "sim_declined", "sim_asynchronous"]), choices=CHOICES
)
def test_every_change_every_step_and_every_wish_is_in_it_in_order(
    reference: str, choices: list[int]
) -> None:
    life = OrderLife(reference)
    life.live(choices)
    order = life.order

    told = life.oms.chronicle(life.scope, life.order_id)

    changes = [entry.what for entry in told if entry.status_after is not None]
    assert changes == [entry.change.value for entry in order.history]
    moments = [entry.at for entry in told]
    assert moments == sorted(moments)
    journals = [one for saga in (*order.past_sagas, order.saga) for one in saga.journal]
    assert sum(entry.kind is ChronicleKind.ATTEMPT for entry in told) == len(journals)
    people = [one for one in order.operations if one.actor != "system"]
    assert sum(entry.kind is ChronicleKind.ACTION for entry in told) >= len(people)
    assert all(entry.actor == "pat@example.com" for entry in told if entry.kind == "action")


def test_a_machine_whose_clock_is_slow_does_not_turn_the_story_round() -> None:
    life = OrderLife()
    life.work()
    order = life.order
    first, second, *others = order.history
    slow = evolve(second, at=first.at - timedelta(hours=1))

    told = chronicle_of(evolve(order, history=(first, slow, *others)), ())

    changes = [entry.what for entry in told if entry.status_after is not None]
    assert changes == [entry.change.value for entry in order.history]


def test_what_was_refused_is_told_with_its_reason() -> None:
    life = OrderLife("sim_refund_rejected")
    life.work()
    life.ask(Action(OperationKind.FULFILL, None), FulfillOrder())
    life.settle()
    (parcel,) = life.order.fulfillments
    life.ask(Action(OperationKind.DELIVER, None, parcel.id), DeliverGoods())
    life.ask(Action(OperationKind.COMPLETE, None), CompleteOrder())
    life.settle()
    asked = life.ask(Action(OperationKind.REFUND, None), RefundPayment("1.00"))
    life.settle()

    told = life.oms.chronicle(life.scope, life.order_id)

    (refused,) = [entry for entry in told if entry.what == "refund_refused"]
    assert refused.facts["operation_id"] == str(asked.operation.id)
    assert refused.facts["code"] == "refund_rejected"
    assert ("refund_requested", "pat@example.com") in {(e.what, e.actor) for e in told}
