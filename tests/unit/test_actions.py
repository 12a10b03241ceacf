"""What may be asked of an order, said beforehand and in the same words."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_core.application.actions import ASKED_BY_PEOPLE, Action, actions_of
from oms_core.domain.operation import OperationKind
from oms_core.errors import NotPossible, PartNotFound
from tests.support.drawn_life import CHAIR, HOW_TO_ASK, ON_HAND, OrderLife

CHOICES = st.lists(st.integers(0, 1_000), max_size=20)
REFERENCES = st.sampled_from(
    ["good_card", "sim_asynchronous", "sim_requires_action", "sim_declined", "sim_captured"]
)
BY_THE_SYSTEM = {OperationKind.RENEW_AUTHORIZATION, OperationKind.CHECK_PAYMENT}


def test_every_kind_of_operation_is_listed_or_asked_for_by_the_system_alone() -> None:
    listed = {action.kind for action in actions_of(OrderLife().order)}

    assert listed == set(ASKED_BY_PEOPLE) == set(HOW_TO_ASK)
    assert listed == set(OperationKind) - BY_THE_SYSTEM


@given(reference=REFERENCES, choices=CHOICES, last=st.integers(0, 100))
def test_an_action_that_is_allowed_succeeds_and_any_other_is_refused_in_the_same_words(
    reference: str, choices: list[int], last: int
) -> None:
    life = OrderLife(reference)
    life.live(choices)
    before = life.order

    for action in life.actions:
        if action.why_not is None:
            continue
        if action.subject is None and HOW_TO_ASK[action.kind].method.endswith(
            ("deliver", "approve_return", "reject_return", "receive_return")
        ):
            with pytest.raises(PartNotFound):
                life.ask(Action(action.kind, None, uuid4()))
            continue
        with pytest.raises(NotPossible) as refusal:
            life.ask(action)
        assert refusal.value.sentence == action.why_not
    assert life.order == before

    if life.allowed:
        asked = life.ask(life.allowed[last % len(life.allowed)])
        assert asked.order.version > before.version


def test_an_action_about_a_part_is_listed_for_each_part() -> None:
    life = OrderLife()
    life.work()
    fulfill = next(one for one in life.actions if one.kind is OperationKind.FULFILL)
    requests = HOW_TO_ASK[OperationKind.FULFILL].others
    ids = {life.ask(fulfill, request).operation.id for request in requests}

    listed = {one.subject for one in life.actions if one.kind is OperationKind.DELIVER}

    assert listed == ids


def test_a_return_of_which_everything_came_back_is_not_received_once_more() -> None:
    """The parcel is written down, and stock has not been told yet."""
    life = OrderLife()
    life.work()
    for kind in (
        OperationKind.FULFILL,
        OperationKind.DELIVER,
        OperationKind.REQUEST_RETURN,
        OperationKind.APPROVE_RETURN,
    ):
        life.ask(the(life, kind))
        life.work()
    life.ask(the(life, OperationKind.RECEIVE_RETURN))

    again = the(life, OperationKind.RECEIVE_RETURN)
    with pytest.raises(NotPossible) as refusal:
        life.ask(again)
    life.work()

    assert again.why_not == "All goods of the return came back and are being booked."
    assert refusal.value.sentence == again.why_not
    (came,) = life.order.returns
    assert (came.received(1), came.received(2)) == (2, 3)
    assert len(came.receipts) == 1
    assert life.stock()[CHAIR] == (ON_HAND, 0)


def the(life: OrderLife, kind: OperationKind) -> Action:
    """Find the last action of a kind."""
    return [action for action in life.actions if action.kind is kind][-1]
