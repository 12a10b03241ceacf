"""What the simulated provider does to a payment: pure functions from record to record.

Each takes the record as it is *now* (``settle`` brings it there). A refusal comes before any
change.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from oms_adapters.payments.simulated.behaviours import Operation
from oms_adapters.payments.simulated.record import Hold, Modification, changed
from oms_core.domain.payment import PaymentState
from oms_core.errors import IdempotencyMismatch, InvalidRequest, InvalidState, PaymentTrouble
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentSnapshot,
    Reauthorize,
    Refund,
)

if TYPE_CHECKING:
    from oms_adapters.payments.simulated.record import KeyRecord, PaymentRecord

Answer = PaymentSnapshot | OperationResult | PaymentTrouble
"""What a call ends with; trouble is raised once what led to it is kept."""

_UNDECIDED: Final = (PaymentState.REQUIRES_ACTION, PaymentState.PENDING)


@frozen
class Outcome:
    """A payment after a call, and the call's answer."""

    payment: PaymentRecord
    answer: Answer
    effects: int = 0
    """Whether anything was done at the provider, 0 or 1: a replay does nothing."""
    declined: bool = False
    """The decline is bound to the key it was asked with."""


def settle(payment: PaymentRecord, now: datetime) -> PaymentRecord:
    """Let everything happen that was due by *now*, in the order in which it was due.

    However often and whenever it is called in between, the result is the same.
    """
    while True:
        due = [moment for moment in _due_moments(payment) if moment <= now]
        if not due:
            return payment
        payment = _happen(payment, min(due))


def authorize(
    payment: PaymentRecord, command: Authorize, remembered: KeyRecord | None, now: datetime
) -> Outcome:
    """Hold what is asked if nothing is decided yet; otherwise only tell the state."""
    told = payment.snapshot()
    if payment.state is not PaymentState.CONFIRMABLE:
        return Outcome(payment, told)
    if remembered and remembered.fault:
        return Outcome(payment, remembered.fault.error())
    behaviour = payment.behaviour
    if remembered and remembered.declined:
        replayed = evolve(told, state=PaymentState.DECLINED, reason=behaviour.reason)
        return Outcome(payment, replayed)
    if command.order_id in payment.barred:
        return Outcome(payment, evolve(told, state=PaymentState.CANCELLED, raw_status="barred"))
    decided = behaviour.decides[min(payment.attempts, len(behaviour.decides) - 1)]
    asked = changed(
        payment, order_id=command.order_id, asked=command.amount, attempts=payment.attempts + 1
    )
    payment = _move(asked, decided, now)
    declined = decided is PaymentState.DECLINED
    effects = 0 if declined or behaviour.by_customer else 1
    return Outcome(payment, payment.snapshot(), effects, declined)


def capture(
    payment: PaymentRecord, command: Capture, takes_s: float | None, now: datetime
) -> Outcome:
    """Take held money, once for each operation id."""
    known = payment.modification(command.operation_id, Operation.CAPTURE)
    if known:
        same = (known.minor, known.final) == (command.amount.minor, command.final)
        return _replay(payment, known, same=same)
    hold = payment.hold
    if hold is None or not hold.open_minor or _is_closing(payment):
        return _refuse(payment, InvalidState(reason=f"payment_is_{payment.state}"))
    if command.amount.currency != hold.amount.currency:
        return _refuse(payment, InvalidRequest(reason="currency_mismatch"))
    if command.amount.minor > hold.open_minor - payment.pending_minor(Operation.CAPTURE):
        return _refuse(payment, InvalidState(reason="amount_too_large"))
    accepted = Modification(
        Operation.CAPTURE.value,
        command.operation_id,
        payment.name_for(f"capture/{command.operation_id}"),
        OperationStatus.PENDING,
        minor=command.amount.minor,
        final=command.final,
    )
    return _accept(payment, accepted, takes_s, now)


def reauthorize(payment: PaymentRecord, command: Reauthorize, now: datetime) -> Outcome:
    """Let the hold last as long again from now, once for each operation id."""
    if payment.modification(command.operation_id, Operation.REAUTHORIZE):
        return Outcome(payment, payment.snapshot())
    hold = payment.hold
    untouched = hold is not None and hold.open_minor == hold.amount.minor
    if hold is None or not untouched or _is_closing(payment):
        return _refuse(payment, InvalidState(reason=f"payment_is_{payment.state}"))
    if hold.order_id != command.order_id:
        return _refuse(payment, InvalidState(reason="held_for_another_order"))
    if command.amount != hold.amount:
        return _refuse(payment, InvalidRequest(reason="amount_mismatch"))
    done = Modification(
        Operation.REAUTHORIZE.value,
        command.operation_id,
        payment.name_for(f"reauthorize/{command.operation_id}"),
        OperationStatus.DONE,
        minor=command.amount.minor,
    )
    expires_at = now + timedelta(seconds=payment.behaviour.hold_lasts_s)
    renewed = payment.with_hold(evolve(hold, expires_at=expires_at)).with_modification(done)
    renewed = renewed.saying("payment.reauthorized", now)
    return Outcome(renewed, renewed.snapshot(), effects=1)


def cancel(
    payment: PaymentRecord, command: Cancel, takes_s: float | None, now: datetime
) -> Outcome:
    """Release what is held for the order, or forbid that anything ever is.

    What is held for another order stays held: an order that lost the race for a payment
    must not void the winner's money when it undoes its own steps.
    """
    known = payment.modification(command.operation_id, Operation.CANCEL)
    if known:
        return _replay(payment, known, same=True)
    accepted = Modification(
        Operation.CANCEL.value,
        command.operation_id,
        payment.name_for(f"cancel/{command.operation_id}"),
        OperationStatus.PENDING,
    )
    if payment.order_id not in {None, command.order_id}:
        nothing = evolve(accepted, status=OperationStatus.DONE, reason="held_for_another_order")
        if command.order_id not in payment.barred:
            payment = changed(payment, barred=(*payment.barred, command.order_id))
        return Outcome(payment.with_modification(nothing), _result(nothing))
    hold = payment.hold
    if hold and (hold.captured_minor or payment.pending_minor(Operation.CAPTURE)):
        return _refuse(payment, InvalidState(reason="already_captured"))
    if hold is None or not hold.open_minor:
        # Nothing is to be moved, so even a provider that voids later forbids at once.
        takes_s = None
    over = payment.state in {PaymentState.CANCELLED, PaymentState.EXPIRED}
    outcome = _accept(payment, accepted, takes_s, now)
    return evolve(outcome, effects=0) if over or _is_closing(payment) else outcome


def refund(
    payment: PaymentRecord, command: Refund, takes_s: float | None, now: datetime
) -> Outcome:
    """Give captured money back, once for each refund id."""
    known = payment.modification(command.refund_id, Operation.REFUND)
    if known:
        return _replay(payment, known, same=known.minor == command.amount.minor)
    hold = payment.hold
    if hold is None or not hold.captured_minor:
        return _refuse(payment, InvalidState(reason=f"payment_is_{payment.state}"))
    if command.amount.currency != hold.amount.currency:
        return _refuse(payment, InvalidRequest(reason="currency_mismatch"))
    promised = hold.refunded_minor + payment.pending_minor(Operation.REFUND)
    if command.amount.minor > hold.captured_minor - promised:
        return _refuse(payment, InvalidState(reason="amount_too_large"))
    refused = payment.behaviour.refund_refused
    accepted = Modification(
        Operation.REFUND.value,
        command.refund_id,
        payment.name_for(f"refund/{command.refund_id}"),
        OperationStatus.PENDING,
        minor=command.amount.minor,
        settles_as=OperationStatus.REJECTED if refused else OperationStatus.DONE,
    )
    outcome = _accept(payment, accepted, payment.behaviour.refunds_take_s or takes_s, now)
    return evolve(outcome, effects=0) if refused else outcome


def find_operation(payment: PaymentRecord, operation_id: str) -> OperationResult | None:
    """Tell how the operation with this id ended."""
    known = payment.modification(operation_id)
    return _result(known) if known else None


def conclude_action(payment: PaymentRecord, now: datetime, *, succeeded: bool) -> Outcome:
    """Let the customer act, or fail to."""
    if payment.state is not PaymentState.REQUIRES_ACTION:
        return _refuse(payment, InvalidState(reason=f"payment_is_{payment.state}"))
    decided = PaymentState.AUTHORIZED if succeeded else PaymentState.DECLINED
    payment = _move(payment, decided, now)
    return Outcome(payment, payment.snapshot())


def give_another_card(payment: PaymentRecord) -> Outcome:
    """Let the customer enter another card after a decline."""
    if payment.state is not PaymentState.DECLINED:
        return _refuse(payment, InvalidState(reason=f"payment_is_{payment.state}"))
    payment = changed(payment, state=PaymentState.CONFIRMABLE, raw_status=None)
    return Outcome(payment, payment.snapshot())


def _accept(
    payment: PaymentRecord, accepted: Modification, takes_s: float | None, now: datetime
) -> Outcome:
    done_at = now + timedelta(seconds=takes_s or 0)
    accepted = evolve(accepted, settles_at=done_at)
    payment = settle(payment.with_modification(accepted), now)
    known = payment.modification(accepted.operation_id, accepted.operation)
    return Outcome(payment, _result(known or accepted), effects=1)


def _replay(payment: PaymentRecord, known: Modification, *, same: bool) -> Outcome:
    if not same:
        return _refuse(payment, IdempotencyMismatch(reason="operation_id_with_other_amount"))
    return Outcome(payment, _result(known))


def _refuse(payment: PaymentRecord, trouble: PaymentTrouble) -> Outcome:
    return Outcome(payment, trouble)


def _result(known: Modification) -> OperationResult:
    return OperationResult(known.status, known.provider_ref, known.reason)


def _is_closing(payment: PaymentRecord) -> bool:
    """Say whether a void, or a capture that leaves nothing, is accepted but not yet done."""
    return any(
        one.status is OperationStatus.PENDING
        and (
            one.operation == Operation.CANCEL or (one.operation == Operation.CAPTURE and one.final)
        )
        for one in payment.modifications
    )


def _due_moments(payment: PaymentRecord) -> list[datetime]:
    """List when something will happen by itself."""
    moments = [one.settles_at for one in payment.modifications if _is_pending(one)]
    if payment.state in _UNDECIDED:
        moments.append(payment.settles_at)
    moments += [hold.expires_at for hold in payment.holds if hold.open_minor]
    return [moment for moment in moments if moment is not None]


def _happen(payment: PaymentRecord, moment: datetime) -> PaymentRecord:
    """Do what is due at *moment*: decisions first, then modifications, then lapsing."""
    if payment.state in _UNDECIDED and payment.settles_at == moment:
        return _move(payment, payment.behaviour.settles_as, moment)
    for one in payment.modifications:
        if _is_pending(one) and one.settles_at == moment:
            return _FINISH[one.operation](payment, one, moment)
    return _lapse(payment, moment)


def _is_pending(one: Modification) -> bool:
    return one.status is OperationStatus.PENDING


def _move(payment: PaymentRecord, decided: PaymentState, at: datetime) -> PaymentRecord:
    """Let the provider decide about the money that was asked for."""
    behaviour = payment.behaviour
    payment = changed(payment, state=decided, settles_at=None, raw_status=None)
    if decided in _UNDECIDED:
        after_s = behaviour.settles_after_s
        settles_at = None if after_s is None else at + timedelta(seconds=after_s)
        payment = changed(payment, settles_at=settles_at, raw_status=behaviour.raw_status)
    elif decided is PaymentState.DECLINED:
        payment = changed(payment, reason=behaviour.reason)
    else:
        payment = _hold(payment, at)
        if decided is PaymentState.CAPTURED and (hold := payment.hold):
            payment = payment.with_hold(evolve(hold, captured_minor=hold.amount.minor))
    return payment.saying(f"payment.{decided}", at)


def _hold(payment: PaymentRecord, at: datetime) -> PaymentRecord:
    if payment.asked is None or payment.order_id is None:
        raise InvalidState(reason="nothing_was_asked_for")
    made = Hold(
        id=payment.name_for(f"hold/{len(payment.holds) + 1}"),
        order_id=payment.order_id,
        amount=payment.behaviour.held_for(payment.asked),
        made_at=at,
        expires_at=at + timedelta(seconds=payment.behaviour.hold_lasts_s),
    )
    return changed(payment, holds=(*payment.holds, made))


def _lapse(payment: PaymentRecord, at: datetime) -> PaymentRecord:
    hold = payment.hold
    if hold is None:
        return payment
    state = PaymentState.CAPTURED if hold.captured_minor else PaymentState.EXPIRED
    lapsed = evolve(hold, released_minor=hold.released_minor + hold.open_minor)
    return changed(payment.with_hold(lapsed), state=state).saying("payment.expired", at)


def _finish_capture(payment: PaymentRecord, one: Modification, at: datetime) -> PaymentRecord:
    hold = payment.hold
    if hold is None or hold.open_minor < one.minor:
        failed = evolve(one, status=OperationStatus.REJECTED, reason="hold_expired")
        return payment.with_modification(failed).saying("capture.rejected", at)
    captured = hold.captured_minor + one.minor
    released = hold.amount.minor - captured if one.final else hold.released_minor
    hold = evolve(hold, captured_minor=captured, released_minor=released)
    state = PaymentState.PARTIALLY_CAPTURED if hold.open_minor else PaymentState.CAPTURED
    done = changed(payment.with_hold(hold), state=state)
    done = done.with_modification(evolve(one, status=OperationStatus.DONE))
    return done.saying(f"payment.{state}", at)


def _finish_cancel(payment: PaymentRecord, one: Modification, at: datetime) -> PaymentRecord:
    done = payment.with_modification(evolve(one, status=OperationStatus.DONE))
    if payment.state in {PaymentState.CANCELLED, PaymentState.EXPIRED}:
        return done
    if hold := payment.hold:
        released = hold.released_minor + hold.open_minor
        done = done.with_hold(evolve(hold, released_minor=released))
    done = changed(done, state=PaymentState.CANCELLED, settles_at=None, raw_status=None)
    return done.saying("payment.cancelled", at)


def _finish_refund(payment: PaymentRecord, one: Modification, at: datetime) -> PaymentRecord:
    hold = payment.hold
    if hold is None or one.settles_as is OperationStatus.REJECTED:
        reason = payment.behaviour.refund_refused
        failed = evolve(one, status=OperationStatus.REJECTED, reason=reason)
        return payment.with_modification(failed).saying("refund.rejected", at)
    given = payment.with_hold(evolve(hold, refunded_minor=hold.refunded_minor + one.minor))
    done = given.with_modification(evolve(one, status=OperationStatus.DONE))
    return done.saying("refund.done", at)


_FINISH: Final = {
    Operation.CAPTURE.value: _finish_capture,
    Operation.CANCEL.value: _finish_cancel,
    Operation.REFUND.value: _finish_refund,
}
