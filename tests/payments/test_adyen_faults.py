"""Whatever happens to a call on its way to Adyen and back: one effect, under one key."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from oms_adapters.payments.adyen import AdyenPayments
from oms_core.domain.money import Money
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InProgress,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
    StoreUnavailable,
)
from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import (
    Cancel,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentRef,
    Refund,
)
from oms_core.testing import SimulatedClock, at_once, refusal
from tests.support.adyen_stage import PATHS, AdyenStage
from tests.support.dying_inbox import INBOX_CALLS, DyingInbox, Killed
from tests.support.http_faults import (
    BROKEN_OFF,
    CUT_JSON,
    LATE_ANSWER,
    LATE_BEFORE,
    LOST_ANSWER,
    LOST_BEFORE,
    HttpFault,
    answers,
    html,
)

OPERATIONS = tuple(PATHS)
IN_PROGRESS = b'{"errorCode": "704", "message": "request already processed or in progress"}'
FAULTS: list[tuple[HttpFault, type[PaymentTrouble]]] = [
    (LOST_BEFORE, OutcomeUnknown),
    (LOST_ANSWER, OutcomeUnknown),
    (LATE_BEFORE, OutcomeUnknown),
    (LATE_ANSWER, OutcomeUnknown),
    (CUT_JSON, OutcomeUnknown),
    (BROKEN_OFF, OutcomeUnknown),
    (html(200, executed=True), OutcomeUnknown),
    (html(502, executed=False), OutcomeUnknown),
    (answers(500), OutcomeUnknown),
    (answers(500, executed=True), OutcomeUnknown),
    (answers(503), OutcomeUnknown),
    (answers(504, executed=True), OutcomeUnknown),
    (answers(503, b'{"errorCode": "703"}'), RetryableNotExecuted),
    (answers(500, headers={"transient-error": "true"}), RetryableNotExecuted),
    (answers(429, headers={"Retry-After": "3"}), RetryableNotExecuted),
    (answers(422, IN_PROGRESS), InProgress),
    (answers(409, IN_PROGRESS, executed=True), InProgress),
    (answers(401), CredentialsRejected),
    (answers(403, b'{"errorCode": "901"}'), CredentialsRejected),
]
CASES = [
    pytest.param(fault, trouble, operation, id=f"{operation}-{fault.name}-{trouble.__name__}")
    for operation in OPERATIONS
    for fault, trouble in FAULTS
]


class Scene:
    """A payment that awaits one operation, and that operation."""

    def __init__(self, operation: str, *, timeout_s: float = 5.0) -> None:
        self.clock = SimulatedClock()
        self.stage = AdyenStage(self.clock, timeout_s=timeout_s)
        self.operation = operation
        self.order = uuid4()
        self.ref = self.stage.a_confirmable_payment(Money(10_000, "USD"))
        if operation == "refund":
            self.stage.provider.capture(Capture(self.ref, Money(10_000, "USD"), "ship-0", "k-0"))
            self.stage.settle(self.ref)

    def act(
        self,
        payments: AdyenPayments | None = None,
        *,
        key: str = "key-1",
        name: str = "op-1",
        minor: int = 10_000,
    ) -> OperationResult:
        """Make the call once."""
        provider = payments or self.stage.provider
        amount = Money(minor, "USD")
        match self.operation:
            case "capture":
                return provider.capture(Capture(self.ref, amount, name, key))
            case "cancel":
                return provider.cancel(Cancel(self.ref, self.order, name, key))
            case _:
                return provider.refund(Refund(self.ref, amount, name, key))

    @property
    def effects(self) -> int:
        """How often Adyen did what was asked."""
        return self.stage.effects(self.ref, self.operation)

    @property
    def keys(self) -> list[str | None]:
        """The key of every request of this operation, in order of arrival."""
        return [
            request.headers.get("idempotency-key")
            for request in self.stage.double.server.requests
            if request.path.endswith(PATHS[self.operation])
        ]

    def ends_as(self, name: str = "op-1") -> OperationStatus | None:
        """Tell how the operation ended once everything was notified."""
        self.stage.settle(self.ref)
        found = self.stage.provider.find_operation(self.ref, name)
        return found.status if found else None


@pytest.mark.parametrize(("fault", "trouble", "operation"), CASES)
def test_one_fault_and_a_repeat_make_one_effect_under_one_key(
    fault: HttpFault, trouble: type[PaymentTrouble], operation: str
) -> None:
    scene = Scene(operation, timeout_s=0.2)
    try:
        scene.stage.plan(fault, operation)

        refused = refusal(PaymentTrouble, scene.act)
        assert type(refused) is trouble
        result = scene.act()

        assert result.status is OperationStatus.PENDING
        assert scene.keys == ["key-1", "key-1"]
        assert scene.ends_as() is OperationStatus.DONE
        assert scene.effects == 1
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", ["capture", "refund"])
@pytest.mark.parametrize("fault", [LOST_ANSWER, LOST_BEFORE, answers(500)], ids=lambda f: f.name)
def test_a_new_key_after_an_unknown_outcome_is_not_used(fault: HttpFault, operation: str) -> None:
    """A caller that lost its memory must not be paid twice, or pay back twice."""
    scene = Scene(operation)
    try:
        scene.stage.plan(fault, operation)
        refusal(OutcomeUnknown, scene.act)

        scene.act(scene.stage.another_process(), key="key-2")

        assert scene.keys == ["key-1", "key-1"]
        assert scene.ends_as() is OperationStatus.DONE
        assert scene.effects == 1
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_three_faults_in_a_row_make_one_effect(operation: str) -> None:
    scene = Scene(operation, timeout_s=0.2)
    try:
        for fault in (LOST_ANSWER, answers(500), CUT_JSON):
            scene.stage.plan(fault, operation)
            refusal(OutcomeUnknown, scene.act)

        scene.act()

        assert scene.keys == ["key-1"] * 4
        assert scene.ends_as() is OperationStatus.DONE
        assert scene.effects == 1
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_many_threads_with_one_key_make_one_effect_and_get_one_answer(operation: str) -> None:
    scene = Scene(operation)

    def act(_: int) -> OperationResult:
        while True:
            try:
                return scene.act()
            except InProgress:
                continue

    try:
        results = at_once(act, range(16))

        assert len(set(results)) == 1
        assert set(scene.keys) == {"key-1"}
        assert scene.effects == 1
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_adyen_refuses_had_no_effect_and_may_be_asked_again(operation: str) -> None:
    scene = Scene(operation)
    try:
        scene.stage.plan(answers(422, b'{"errorCode": "130"}'), operation)
        refusal(InvalidRequest, scene.act)

        assert scene.stage.provider.find_operation(scene.ref, "op-1") is None
        scene.act(key="key-2")

        assert scene.keys == ["key-1", "key-2"]
        assert scene.ends_as() is OperationStatus.DONE
        assert scene.effects == 1
    finally:
        scene.stage.close()


def test_an_operation_that_was_rejected_is_so_under_its_key_and_may_be_tried_under_another() -> (
    None
):
    scene = Scene("refund")
    try:
        scene.stage.double.reject_refunds(scene.ref.reference)
        scene.act()
        assert scene.ends_as() is OperationStatus.REJECTED

        again = scene.act()
        assert again.status is OperationStatus.REJECTED
        assert again.reason == "Insufficient balance on payment"
        assert scene.act(key="key-2").status is OperationStatus.PENDING

        assert scene.keys == ["key-1", "key-2"]
    finally:
        scene.stage.close()


def test_a_void_whose_key_answers_an_error_for_ever_is_sent_under_the_new_one() -> None:
    """The core changes the key of a void when answers stay away; a second void does no harm."""
    scene = Scene("cancel")
    try:
        scene.stage.plan(answers(500), "cancel")
        refusal(OutcomeUnknown, scene.act)

        scene.act(key="key-2")

        assert scene.keys == ["key-1", "key-2"]
        assert scene.ends_as() is OperationStatus.DONE
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", ["capture", "refund"])
def test_an_operation_with_another_amount_is_another_operation(operation: str) -> None:
    scene = Scene(operation)
    try:
        scene.act()

        refusal(IdempotencyMismatch, lambda: scene.act(minor=9_999))

        assert scene.effects == 1
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", ["capture", "refund"])
def test_what_was_never_heard_of_is_not_repeated_once_the_key_is_forgotten(operation: str) -> None:
    scene = Scene(operation)
    try:
        scene.stage.plan(LOST_ANSWER, operation)
        refusal(OutcomeUnknown, scene.act)
        scene.clock.advance(6 * 86_400)

        trouble = refusal(OutcomeUnknown, scene.act)

        assert trouble.reason == "sent_long_ago_and_never_heard_of"
        assert scene.keys == ["key-1"]
        assert scene.ends_as() is OperationStatus.DONE
        assert scene.act().status is OperationStatus.DONE
    finally:
        scene.stage.close()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("", "op-1"),
        ("k" * 65, "op-1"),
        ("é", "op-1"),
        ("a\nb", "op-1"),
        ("k", ""),
        ("k", "o" * 256),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_name_that_adyen_would_not_take_is_refused_before_any_call(
    operation: str, key: str, name: str
) -> None:
    scene = Scene(operation)
    try:
        refusal(InvalidRequest, lambda: scene.act(key=key, name=name))

        assert scene.keys == []
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_long_operation_id_is_sent_shortened_and_known_by_its_whole(operation: str) -> None:
    scene = Scene(operation)
    try:
        scene.act(name="o" * 255)

        assert scene.ends_as("o" * 255) is OperationStatus.DONE
        assert scene.ends_as("o" * 254) is None
    finally:
        scene.stage.close()


def test_a_payment_that_adyen_does_not_know_is_not_found() -> None:
    stage = AdyenStage(SimulatedClock())
    try:
        ref = PaymentRef(stage.tenant_id, "MADEUPPAYMENT082")

        refused = refusal(
            PaymentNotFound, lambda: stage.provider.cancel(Cancel(ref, uuid4(), "undo-1", "k"))
        )

        assert refused.reason == "http_422_167"
    finally:
        stage.close()


def test_a_payment_that_was_never_heard_of_can_be_cancelled() -> None:
    """The order gives up waiting; the notification of the authorization comes afterwards."""
    stage = AdyenStage(SimulatedClock())
    try:
        ref = stage.a_pending_payment(Money(10_000, "USD"))

        result = stage.provider.cancel(Cancel(ref, uuid4(), "undo-1", "k"))
        stage.settle(ref)

        assert result.status is OperationStatus.PENDING
        assert stage.provider.lookup(ref).state == "cancelled"
        assert stage.double.books(ref.reference) == (0, 0, True)
    finally:
        stage.close()


def test_wrong_credentials_are_told_as_such_by_a_probe() -> None:
    stage = AdyenStage(SimulatedClock())
    try:
        stage.provider.probe()
        stage.double.api_key = "another"

        trouble = refusal(CredentialsRejected, stage.provider.probe)

        assert trouble.reason == "http_401_000"
    finally:
        stage.close()


def test_a_thread_keeps_its_connection() -> None:
    stage = AdyenStage(SimulatedClock())
    try:
        for _ in range(5):
            stage.provider.probe()

        assert len(stage.double.server.requests) == 5
        assert stage.double.server.connections == 1
    finally:
        stage.close()


def test_the_api_key_shows_in_no_representation_of_anything() -> None:
    stage = AdyenStage(SimulatedClock())
    try:
        stage.plan(answers(422, b'{"errorCode": "130"}'), "cancel")
        ref = stage.a_pending_payment(Money(10_000, "USD"))
        trouble = refusal(
            PaymentTrouble, lambda: stage.provider.cancel(Cancel(ref, uuid4(), "undo-1", "k"))
        )

        shown = repr([stage.account, stage.provider, trouble, trouble.__cause__]) + str(trouble)

        for secret in (
            stage.account.api_key,
            *stage.account.hmac_keys,
            stage.account.webhook_credentials.password,  # type: ignore[union-attr]
        ):
            assert secret not in shown
    finally:
        stage.close()


# -- crashes and a store that does not answer ------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, INBOX_CALLS + 1))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_process_that_dies_at_any_moment_leaves_one_effect(
    operation: str,
    at: int,
    after: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A void under a new key is a second one, which does no harm; so it gets the key it had."""
    scene = Scene(operation)
    try:
        dying = DyingInbox(scene.stage.inbox, at, Killed, after=after)
        doomed = scene.stage.another_process(dying)
        with pytest.raises(Killed):
            scene.act(doomed)

        key = "key-1" if operation == "cancel" else "key-2"
        scene.act(scene.stage.another_process(), key=key)

        assert scene.ends_as() is OperationStatus.DONE
        assert scene.effects == 1
    finally:
        scene.stage.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, INBOX_CALLS + 1))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_does_not_answer_is_trouble_of_the_port_and_a_repeat_succeeds(
    operation: str,
    at: int,
    after: bool,  # noqa: FBT001 - a column of the table
) -> None:
    scene = Scene(operation)
    try:
        broken = DyingInbox(scene.stage.inbox, at, StoreUnavailable, after=after)
        payments = scene.stage.another_process(broken)

        trouble = refusal(PaymentTrouble, lambda: scene.act(payments))

        expected = RetryableNotExecuted if at <= 3 else OutcomeUnknown
        assert type(trouble) is expected
        scene.act(payments)
        assert scene.ends_as() is OperationStatus.DONE
        assert scene.effects == 1
    finally:
        scene.stage.close()


def test_an_operation_makes_as_many_calls_of_the_inbox_as_are_tried() -> None:
    scene = Scene("capture")
    try:
        counting = DyingInbox(scene.stage.inbox, 0, Killed, after=False)

        scene.act(scene.stage.another_process(counting))

        assert -counting.left == INBOX_CALLS
    finally:
        scene.stage.close()


def test_the_journal_needs_nobody_to_act_on_it() -> None:
    scene = Scene("capture")
    try:
        scene.stage.inbox.mark(
            scene.stage.inbox.claim_new("worker", limit=100, lease_s=30), InboxState.APPLIED
        )

        scene.act()

        assert scene.stage.inbox.count_new() == 0
    finally:
        scene.stage.close()


# -- what must not be asked ------------------------------------------------------------------


def test_a_void_while_a_capture_is_under_way_is_refused() -> None:
    """Two requests at once would leave it to chance which of them Adyen does."""
    scene = Scene("capture")
    try:
        scene.act()

        refusal(
            InvalidState,
            lambda: scene.stage.provider.cancel(Cancel(scene.ref, scene.order, "undo-1", "k")),
        )

        assert scene.stage.effects(scene.ref, "cancel") == 0
    finally:
        scene.stage.close()


def test_a_capture_while_a_void_is_under_way_is_refused() -> None:
    scene = Scene("cancel")
    try:
        scene.act()

        capture = Capture(scene.ref, Money(10_000, "USD"), "ship-1", "k")
        refusal(InvalidState, lambda: scene.stage.provider.capture(capture))

        assert scene.stage.effects(scene.ref, "capture") == 0
    finally:
        scene.stage.close()


def test_a_part_cannot_be_captured_without_giving_up_the_rest() -> None:
    scene = Scene("capture")
    try:
        part = Capture(scene.ref, Money(4_000, "USD"), "ship-1", "k", final=False)

        trouble = refusal(InvalidRequest, lambda: scene.stage.provider.capture(part))

        assert trouble.reason == "a_payment_is_captured_once"
        assert scene.effects == 0
    finally:
        scene.stage.close()


@pytest.mark.parametrize("operation", ["capture", "refund"])
def test_another_currency_is_refused_before_any_call(operation: str) -> None:
    scene = Scene(operation)
    try:
        amount = Money(100, "EUR")
        call: Callable[[], object] = (
            (lambda: scene.stage.provider.capture(Capture(scene.ref, amount, "op-1", "k")))
            if operation == "capture"
            else (lambda: scene.stage.provider.refund(Refund(scene.ref, amount, "op-1", "k")))
        )

        assert refusal(InvalidRequest, call).reason == "currency_mismatch"
        assert scene.effects == 0
    finally:
        scene.stage.close()
