"""Whatever happens to an answer of Stripe's, money moves once, and always under the same key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from attrs import frozen

from oms_adapters.payments.stripe import StripePayments
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    InvalidState,
    OutcomeUnknown,
    PaymentTrouble,
    RetryableNotExecuted,
)
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationStatus,
    PaymentRef,
    Refund,
)
from oms_core.testing import SimulatedClock
from tests.support.http_faults import (
    BROKEN_OFF,
    CUT_JSON,
    LATE_ANSWER,
    LATE_BEFORE,
    LOST_ANSWER,
    LOST_BEFORE,
    Harm,
    HttpFault,
    HttpRequest,
    answers,
    html,
)
from tests.support.stripe_double import StripeStage
from tests.support.stripe_double.double import API_KEY, error_body, operation_of

TOTAL = Money(10_000, "USD")
BUSY = answers(429, error_body(code="rate_limit"), {"Retry-After": "7"})
LOCKED = answers(429, error_body(code="lock_timeout"))
CONFLICT = answers(409, error_body(code="idempotency_key_in_use", type="idempotency_error"))
API_ERROR = error_body(type="api_error")

FAULTS: list[tuple[HttpFault, type[PaymentTrouble]]] = [
    (LOST_BEFORE, OutcomeUnknown),
    (LOST_ANSWER, OutcomeUnknown),
    (LATE_BEFORE, OutcomeUnknown),
    (LATE_ANSWER, OutcomeUnknown),
    (CUT_JSON, OutcomeUnknown),
    (BROKEN_OFF, OutcomeUnknown),
    (BUSY, RetryableNotExecuted),
    (LOCKED, InProgress),
    (CONFLICT, InProgress),
    (answers(500, API_ERROR), OutcomeUnknown),
    (answers(500, API_ERROR, executed=True), OutcomeUnknown),
    (answers(503, b""), OutcomeUnknown),
    (answers(200, b"[1, 2]", executed=True), OutcomeUnknown),
    (answers(200, b"null", executed=True), OutcomeUnknown),
    (answers(200, b'{"object": "payment_intent"', executed=True), OutcomeUnknown),
    (html(200), OutcomeUnknown),
    (html(502), OutcomeUnknown),
    (html(404, executed=False), OutcomeUnknown),
]
EVERY_FAULT = pytest.mark.parametrize(
    ("fault", "trouble"), FAULTS, ids=[fault.name for fault, _ in FAULTS]
)
REFUSED = answers(401, error_body(message=f"Invalid API Key provided: {API_KEY}"))
FORBIDDEN = answers(403, error_body(code="more_permissions_required"))


@frozen
class Operation:
    """One change of a payment, ready to be sent again and again."""

    run: Callable[[], object]
    operation_id: str | None


class Scene:
    """A payment in the state in which an operation makes sense."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.stage = StripeStage(self.clock)
        self.stripe: StripePayments = self.stage.provider
        self.order = uuid4()
        self.ref = self.stage.a_confirmable_payment(TOTAL)

    def prepare(self, operation: str) -> Operation:
        """Do all that comes before *operation*, and make its command."""
        ref, stripe, key = self.ref, self.stripe, str(uuid4())
        authorize = Authorize(ref, TOTAL, self.order, key)
        capture = Capture(ref, TOTAL, "ship-1", key)
        cancel = Cancel(ref, self.order, "void-1", key)
        refund = Refund(ref, Money(2_500, "USD"), "return-1", key)
        if operation != "authorize":
            stripe.authorize(Authorize(ref, TOTAL, self.order, str(uuid4())))
        if operation == "refund":
            stripe.capture(Capture(ref, TOTAL, "ship-0", str(uuid4())))
        self.stage.double.server.requests.clear()
        return {
            "authorize": Operation(lambda: stripe.authorize(authorize), None),
            "capture": Operation(lambda: stripe.capture(capture), "ship-1"),
            "cancel": Operation(lambda: stripe.cancel(cancel), "void-1"),
            "refund": Operation(lambda: stripe.refund(refund), "return-1"),
        }[operation]

    def keeps_a_reference_of_the_shop(self) -> None:
        """Leave no room for a reference of ours: what the order needs is marked in metadata."""
        self.stage.intent(self.ref).payment_details = {"order_reference": "CART-17"}

    def hurry(self, fault: HttpFault) -> None:
        """Give up soon if *fault* is silence; otherwise a busy machine is no fault."""
        if fault.harm is Harm.SILENCE:
            url = self.stage.double.server.url
            self.stripe = StripePayments(API_KEY, self.clock, base_url=url, read_timeout_s=0.2)

    @property
    def calls(self) -> list[str]:
        """What was asked of Stripe, in order."""
        return [operation_of(one) for one in self.stage.double.server.requests]

    def keys_of(self, operation: str) -> list[str | None]:
        return [
            key for one, key in self.stage.double.operations(self.ref.reference) if one == operation
        ]


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.stage.close()


OPERATIONS = ("authorize", "capture", "cancel", "refund")


@EVERY_FAULT
@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_effect_and_one_key_whatever_happens_to_the_answer(
    scene: Scene, operation: str, fault: HttpFault, trouble: type[PaymentTrouble]
) -> None:
    scene.hurry(fault)
    command = scene.prepare(operation)
    scene.stage.plan(fault, scene.ref, operation)

    with pytest.raises(PaymentTrouble) as raised:
        command.run()

    assert type(raised.value) is trouble
    assert scene.stage.effects(scene.ref, operation) == int(fault.executed)
    if command.operation_id:
        found = scene.stripe.find_operation(scene.ref, command.operation_id)
        assert (found is not None) == fault.executed
    answers_of_repeats = [command.run() for _ in range(3)]
    assert answers_of_repeats == [answers_of_repeats[0]] * 3
    assert scene.stage.effects(scene.ref, operation) == 1
    keys = scene.keys_of(operation)
    assert keys
    assert len(set(keys)) == 1
    if command.operation_id:
        found = scene.stripe.find_operation(scene.ref, command.operation_id)
        assert found is not None
        assert found.status is OperationStatus.DONE


@EVERY_FAULT
@pytest.mark.parametrize("operation", ["authorize", "cancel"])
def test_a_mark_that_meets_trouble_costs_nothing_but_time(
    scene: Scene, operation: str, fault: HttpFault, trouble: type[PaymentTrouble]
) -> None:
    """Two calls stand between look-up and effect; the first of them may go wrong as well."""
    scene.keeps_a_reference_of_the_shop()
    scene.hurry(fault)
    command = scene.prepare(operation)
    scene.stage.plan(fault, scene.ref, "mark")

    with pytest.raises(PaymentTrouble) as raised:
        command.run()

    assert type(raised.value) is trouble
    assert scene.stage.effects(scene.ref, operation) == 0
    command.run()
    command.run()
    assert scene.stage.effects(scene.ref, operation) == 1
    assert len(set(scene.keys_of("mark"))) == 1


@EVERY_FAULT
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_look_up_that_meets_trouble_stops_everything_else(
    scene: Scene, operation: str, fault: HttpFault, trouble: type[PaymentTrouble]
) -> None:
    scene.hurry(fault)
    command = scene.prepare(operation)
    scene.stage.plan(fault, scene.ref, "lookup")

    with pytest.raises(PaymentTrouble) as raised:
        command.run()

    assert type(raised.value) is trouble
    assert scene.stage.double.operations(scene.ref.reference) == []
    command.run()
    assert scene.stage.effects(scene.ref, operation) == 1


@pytest.mark.parametrize("fault", [REFUSED, FORBIDDEN], ids=["401", "403"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_refused_credentials_are_told_without_the_key(
    scene: Scene, operation: str, fault: HttpFault
) -> None:
    scene.hurry(fault)
    command = scene.prepare(operation)
    scene.stage.plan(fault, scene.ref, operation)

    with pytest.raises(CredentialsRejected) as raised:
        command.run()

    assert API_KEY not in repr(raised.value)
    assert "sk_" not in str(raised.value)
    assert scene.stage.effects(scene.ref, operation) == 0
    command.run()
    assert scene.stage.effects(scene.ref, operation) == 1


def test_how_long_to_wait_is_passed_on(scene: Scene) -> None:
    command = scene.prepare("capture")
    scene.stage.plan(BUSY, scene.ref, "capture")

    with pytest.raises(RetryableNotExecuted) as raised:
        command.run()

    assert raised.value.retry_after_s == 7.0


def test_where_nobody_listens_nothing_was_executed(scene: Scene) -> None:
    command = scene.prepare("capture")
    scene.stage.close()

    with pytest.raises(RetryableNotExecuted) as raised:
        command.run()

    assert raised.value.reason == "cannot_connect"


def test_a_name_that_is_not_found_executed_nothing() -> None:
    nowhere = StripePayments(API_KEY, base_url="https://stripe.invalid", connect_timeout_s=1.0)

    with pytest.raises(RetryableNotExecuted):
        nowhere.lookup(PaymentRef(uuid4(), "pi_1"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failure_that_stripe_stored_stays_unknown_and_a_new_key_gets_through(
    scene: Scene, operation: str
) -> None:
    """Stripe repeats a stored 500 for 24 hours: only a look-up proves that nothing happened."""
    command = scene.prepare(operation)
    scene.stage.double.fails_inside[operation] = 1

    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            command.run()

    assert scene.stage.effects(scene.ref, operation) == 0
    scene.clock.advance(scene.stripe.capabilities.key_ttl_s + 1)
    command.run()
    assert scene.stage.effects(scene.ref, operation) == 1


def test_a_stored_failure_of_the_owners_mark_does_not_bar_the_payment_for_a_day(
    scene: Scene,
) -> None:
    """Its key is shared by all orders, so a new generation of the command's key would not help."""
    scene.keeps_a_reference_of_the_shop()
    command = scene.prepare("authorize")
    scene.stage.double.fails_inside["mark"] = 1
    with pytest.raises(OutcomeUnknown):
        command.run()

    command.run()

    seen = scene.stripe.lookup(scene.ref)
    assert (seen.state, seen.order_id) == (PaymentState.AUTHORIZED, scene.order)
    assert scene.stage.effects(scene.ref, "authorize") == 1


def test_a_request_that_is_still_running_is_in_progress(scene: Scene) -> None:
    """Two workers with one command: the second waits, it does not capture again."""
    scene.prepare("capture")
    inside, go_on = threading.Event(), threading.Event()

    def pause(operation: str) -> None:
        if operation == "capture":
            inside.set()
            assert go_on.wait(10)

    scene.stage.double.pauses_inside = pause
    patient = StripePayments(API_KEY, base_url=scene.stage.double.server.url)
    command = Capture(scene.ref, TOTAL, "ship-1", "one-key")
    first = threading.Thread(target=patient.capture, args=(command,))
    first.start()
    assert inside.wait(10)

    with pytest.raises(InProgress):
        patient.capture(command)

    go_on.set()
    first.join(10)
    assert patient.capture(command).status is OperationStatus.DONE
    assert scene.stage.effects(scene.ref, "capture") == 1


def test_connections_are_kept_open(scene: Scene) -> None:
    scene.prepare("capture").run()
    for _ in range(5):
        scene.stripe.lookup(scene.ref)

    assert scene.stage.double.server.connections == 1


def test_a_first_authorize_takes_one_look_up_and_one_action(scene: Scene) -> None:
    command = scene.prepare("authorize")

    command.run()

    assert scene.calls == ["lookup", "authorize"]


def test_a_payment_that_the_browser_confirmed_takes_one_look_up_and_one_mark(scene: Scene) -> None:
    scene.stage.double.confirm_in_the_browser(scene.stage.intent(scene.ref))
    command = scene.prepare("authorize")

    command.run()

    assert scene.calls == ["lookup", "mark"]


def test_a_payment_with_a_reference_of_the_shop_takes_a_mark_more(scene: Scene) -> None:
    scene.keeps_a_reference_of_the_shop()
    command = scene.prepare("authorize")

    command.run()

    assert scene.calls == ["lookup", "mark", "authorize"]


def test_a_payment_for_which_stripe_takes_no_reference_is_confirmed_without(scene: Scene) -> None:
    """Such as one by a payment method that knows none: that must not cost the order."""
    scene.stage.double.takes_references = lambda _: False
    command = scene.prepare("authorize")

    command.run()

    assert scene.calls == ["lookup", "authorize", "mark", "authorize"]
    assert scene.stage.effects(scene.ref, "authorize") == 1
    with_reference, without = scene.keys_of("authorize")
    assert with_reference != without
    seen = scene.stripe.lookup(scene.ref)
    assert (seen.state, seen.order_id) == (PaymentState.AUTHORIZED, scene.order)


@EVERY_FAULT
@pytest.mark.parametrize("at", ["first_confirm", "mark", "second_confirm"])
def test_trouble_on_the_way_without_a_reference_leaves_one_hold(
    scene: Scene, at: str, fault: HttpFault, trouble: type[PaymentTrouble]
) -> None:
    scene.stage.double.takes_references = lambda _: False
    scene.hurry(fault)
    command = scene.prepare("authorize")

    def is_meant(request: HttpRequest) -> bool:
        if at == "mark":
            return operation_of(request) == "mark"
        has_reference = b"order_reference" in request.body
        return operation_of(request) == "authorize" and has_reference == (at == "first_confirm")

    scene.stage.double.server.plan(fault, is_meant)

    with pytest.raises(PaymentTrouble) as raised:
        command.run()

    assert type(raised.value) is trouble
    assert scene.stage.effects(scene.ref, "authorize") <= 1
    for _ in range(2):
        command.run()
    seen = scene.stripe.lookup(scene.ref)
    assert (seen.state, seen.order_id) == (PaymentState.AUTHORIZED, scene.order)
    assert scene.stage.effects(scene.ref, "authorize") == 1


def test_an_order_that_knows_its_payment_needs_one_call(scene: Scene) -> None:
    command = scene.prepare("authorize")
    command.run()
    scene.stage.double.server.requests.clear()

    command.run()

    assert [one.method for one in scene.stage.double.server.requests] == ["GET"]


def test_a_capture_after_the_void_is_refused_by_state_and_not_by_luck(scene: Scene) -> None:
    scene.prepare("cancel").run()

    with pytest.raises(InvalidState) as raised:
        scene.stripe.capture(Capture(scene.ref, TOTAL, "ship-1", str(uuid4())))

    assert raised.value.reason == "payment_is_cancelled"
