"""Which key the provider is asked with, and when a new one is safe."""

import pytest
from attrs import evolve

from oms_core import OrderStatus, PlaceOrderSettings
from oms_core.domain.payment import PaymentState
from oms_core.domain.scope import effect_key_for
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    PaymentNotFound,
    RetryableNotExecuted,
)
from oms_core.ports.payments import Capabilities
from tests.support.scripted_payments import ScriptedPayments, a_snapshot
from tests.support.scripted_shop import ACTION, AUTHORIZED, CONFIRMABLE, LOST, TOTAL, a_shop


def test_a_key_whose_answers_keep_getting_lost_is_given_up_only_on_proof() -> None:
    """F15: the same key may answer a stored 500 for ever."""
    payments = ScriptedPayments(authorize=[LOST], lookup=[CONFIRMABLE])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=30.0))
    shop.place()
    shop.work(60)

    keys = [command.key for command in payments.asked("authorize")]
    moments = [name for name, _ in payments.calls]
    first_key = keys.count(keys[0])
    assert moments[: first_key + 1] == ["authorize"] * first_key + ["lookup"]
    assert set(keys) == {
        effect_key_for(shop.scope, shop.order().id, "authorize", generation)
        for generation in range(1, len(set(keys)) + 1)
    }
    assert len(set(keys)) > 1
    journal = shop.order().saga.journal_of("authorize_payment", "run")
    assert journal is not None
    assert journal.generations == len(set(keys))


@pytest.mark.parametrize(
    "seen", [AUTHORIZED, a_snapshot(PaymentState.CAPTURED, authorized=TOTAL, captured=TOTAL)]
)
def test_a_look_up_that_finds_the_effect_needs_no_new_key(seen: object) -> None:
    payments = ScriptedPayments(authorize=[LOST], lookup=[seen])
    shop = a_shop(payments)

    order = shop.drive()

    assert order.status is OrderStatus.CONFIRMED
    assert len({command.key for command in payments.asked("authorize")}) == 1


def test_no_new_key_is_used_while_the_first_call_may_still_be_running() -> None:
    payments = ScriptedPayments(authorize=[LOST], lookup=[CONFIRMABLE])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=10_000.0))

    order = shop.drive()

    assert order.failure is not None
    assert order.failure.code == "payment_unavailable"
    assert len({command.key for command in payments.asked("authorize")}) == 1
    assert len(payments.asked("authorize")) == 10


@pytest.mark.parametrize("trouble", [RetryableNotExecuted("429"), CredentialsRejected("401")])
def test_trouble_that_proves_itself_to_have_had_no_effect_keeps_its_key(trouble: Exception) -> None:
    payments = ScriptedPayments(authorize=[*[trouble] * 9, AUTHORIZED])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=0.0))
    shop.place()
    for _ in range(20):
        shop.work(20)
        if shop.order().saga.attention is None:
            break
        shop.clock.advance(60)
        shop.oms.retry_saga(shop.scope, shop.order().id, reason="mended", actor="pat")

    assert shop.order().status is OrderStatus.CONFIRMED
    assert len({command.key for command in payments.asked("authorize")}) == 1
    assert payments.asked("lookup") == []


def test_a_key_that_the_provider_is_about_to_forget_is_not_relied_on() -> None:
    """F13: past 80 % of its life, look-ups only; a new key only when it proved to be void."""
    payments = ScriptedPayments(
        authorize=[IdempotencyMismatch("key_reused"), AUTHORIZED],
        lookup=[CONFIRMABLE],
        capabilities=Capabilities(key_ttl_s=1_000.0),
    )
    shop = a_shop(payments)
    order = shop.drive()
    shop.clock.advance(800)

    shop.oms.retry_saga(shop.scope, order.id, reason="new key", actor="pat")
    shop.work_to_the_end()

    assert [name for name, _ in payments.calls] == ["authorize", "lookup", "authorize"]
    keys = [command.key for command in payments.asked("authorize")]
    assert keys == [effect_key_for(shop.scope, order.id, "authorize", g) for g in (1, 2)]
    assert shop.order().status is OrderStatus.CONFIRMED


def test_a_key_is_relied_on_until_shortly_before_it_is_forgotten() -> None:
    payments = ScriptedPayments(
        authorize=[IdempotencyMismatch("key_reused"), AUTHORIZED],
        capabilities=Capabilities(key_ttl_s=1_000.0),
    )
    shop = a_shop(payments)
    order = shop.drive()
    shop.clock.advance(799)

    shop.oms.retry_saga(shop.scope, order.id, reason="new key", actor="pat")
    shop.work_to_the_end()

    assert [name for name, _ in payments.calls] == ["authorize", "authorize"]


def test_a_key_of_unknown_age_is_relied_on() -> None:
    """As in an order stored before ages were noted."""
    payments = ScriptedPayments(authorize=[LOST, AUTHORIZED])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=0.0))
    order_id = shop.place()
    shop.work_once()
    order = shop.order(order_id)
    shop.storage.save(evolve(order, saga=evolve(order.saga, generation_since=None)))

    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.CONFIRMED
    assert payments.asked("lookup") == []


def test_who_waits_for_a_customer_longer_than_a_key_lives_only_looks() -> None:
    payments = ScriptedPayments(
        authorize=[ACTION],
        lookup=[ACTION, ACTION, AUTHORIZED],
        capabilities=Capabilities(key_ttl_s=50.0),
    )

    order = a_shop(payments).drive()

    assert order.status is OrderStatus.CONFIRMED
    assert [name for name, _ in payments.calls] == ["authorize"] * 3 + ["lookup"] * 3


def test_a_reference_that_vanished_is_no_proof_of_a_hold() -> None:
    payments = ScriptedPayments(authorize=[LOST], lookup=[PaymentNotFound()])

    order = a_shop(payments).drive()

    assert order.failure is not None
    assert order.failure.code == "payment_not_found"
