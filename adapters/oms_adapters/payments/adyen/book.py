"""What is known of a payment: everything notified and sent, folded into one state.

Every question is answered from the *set* of what was heard: order, repeats and delays make no
difference, and nothing that comes late takes anything back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_adapters.payments.adyen.amounts import from_adyen
from oms_adapters.payments.adyen.journal import (
    Modification,
    Request,
    is_ours,
    reference_of,
    requests_in,
)
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.ports.payments import OperationResult, OperationStatus, PaymentSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from oms_core.ports.inbox import ReceivedEvent
    from oms_core.ports.payments import ProviderEvent

_CODE_OF: Final = {
    Modification.CAPTURE: ("CAPTURE",),
    Modification.CANCEL: ("CANCELLATION", "TECHNICAL_CANCEL", "CANCEL_OR_REFUND"),
    Modification.REFUND: ("REFUND",),
}
"""The notifications that tell how a modification ended."""
_UNDONE_BY: Final = {
    Modification.CAPTURE: ("CAPTURE_FAILED",),
    Modification.CANCEL: (),
    Modification.REFUND: ("REFUND_FAILED", "REFUNDED_REVERSED"),
}
"""The notifications that take back a modification that was done. They come as a success."""
_RELEASES: Final = (*_CODE_OF[Modification.CANCEL], "EXPIRE")
"""The notifications after which nothing is held any more."""
_CHARGED_BACK: Final = ("CHARGEBACK", "SECOND_CHARGEBACK")
_CHARGEBACK_WON: Final = ("CHARGEBACK_REVERSED", "PREARBITRATION_WON")
HELD: Final = frozenset({PaymentState.AUTHORIZED, PaymentState.PARTIALLY_CAPTURED})
"""The states in which there is something to capture."""
_NOTHING_HELD: Final = frozenset(
    {PaymentState.DECLINED, PaymentState.CANCELLED, PaymentState.EXPIRED}
)
_UNKNOWN_CURRENCY: Final = "USD"
"""In which nothing is held while nothing has been heard."""


@frozen
class Heard:
    """One verified item that Adyen notified."""

    code: str
    psp: str
    success: bool
    value: int
    currency: str
    reference: str
    reason: str | None
    at: datetime | None

    @property
    def order(self) -> tuple[str, str, int]:
        """Make the same order of the same set, whatever order it came in."""
        return (self.psp, self.code, self.value)


@frozen
class Book:
    """All that is known of the payment *psp*."""

    psp: str
    heard: tuple[Heard, ...]
    requests: tuple[Request, ...]
    in_parts: bool = False
    """The account may capture a payment several times; otherwise the first capture is the last."""

    # -- the payment -------------------------------------------------------------------------

    def snapshot(self, currency: str | None = None) -> PaymentSnapshot:
        """Tell the payment's state; *currency*: in which nothing is held, before it is known."""
        state, raw_status = self._state()
        held = self._authorized()
        currency = held.currency if held else currency or _UNKNOWN_CURRENCY
        try:
            self._check_currencies(currency)
            authorized = from_adyen(self.authorized_value, currency)
            captured = from_adyen(self.captured_value, currency)
            refunded = from_adyen(self.refunded_value, currency)
        except ValueError:
            # Money moved, but no sum that any order can cost: it is never taken for one.
            state, raw_status = PaymentState.PENDING, "amount_not_representable"
            authorized = captured = refunded = Money.zero(_UNKNOWN_CURRENCY)
        refusal = self._first("AUTHORISATION", success=False)
        declined = state is PaymentState.DECLINED and refusal is not None
        return PaymentSnapshot(
            state=state,
            authorized=authorized,
            captured=captured,
            refunded=refunded,
            provider_id=self.psp if held else None,
            reason=(refusal.reason or "refused") if declined and refusal else None,
            raw_status=raw_status,
        )

    def _check_currencies(self, currency: str) -> None:
        moved = (*self._done(Modification.CAPTURE), *self._done(Modification.REFUND))
        if any(one.currency != currency for one in moved):
            raise ValueError("sums of several currencies")

    def _state(self) -> tuple[PaymentState, str]:
        if self._done(Modification.CAPTURE):
            raw_status = "CHARGEBACK" if self.charged_back_value else "CAPTURE"
            if not self._holds_a_rest():
                return PaymentState.CAPTURED, raw_status
            failed = self.has_failed_capture
            return PaymentState.PARTIALLY_CAPTURED, "CAPTURE_FAILED" if failed else raw_status
        for code in _CODE_OF[Modification.CANCEL]:
            if self._first(code, success=True):
                return PaymentState.CANCELLED, code
        if self._first("EXPIRE", success=True):
            return PaymentState.EXPIRED, "EXPIRE"
        if self._first("CAPTURE_FAILED", success=True):
            # The money was promised and then refused: neither held nor taken for certain.
            return PaymentState.PENDING, "CAPTURE_FAILED"
        if self._first("AUTHORISATION", success=True):
            return PaymentState.AUTHORIZED, "AUTHORISATION"
        if self._first("OFFER_CLOSED", success=True):
            return PaymentState.EXPIRED, "OFFER_CLOSED"
        if self._first("AUTHORISATION", success=False):
            return PaymentState.DECLINED, "AUTHORISATION"
        return PaymentState.PENDING, self.heard[0].code if self.heard else "nothing_heard"

    def _holds_a_rest(self) -> bool:
        """Tell whether something is left to capture of a payment of which a part was captured."""
        captures = [one for one in self.requests if one.modification is Modification.CAPTURE]
        # A payment that was begun in parts stays so, whatever the account is configured as now.
        if not self.in_parts and all(one.final for one in captures):
            return False
        if any(self._first(code, success=True) for code in _RELEASES):
            return False
        done = {one.psp for one in self._done(Modification.CAPTURE)}
        is_closed = any(one.final and self._psp_of(one) in done for one in captures)
        return not is_closed and self.captured_value < self.authorized_value

    def _authorized(self) -> Heard | None:
        """Find what was held last, or what was taken of it if only that was heard."""
        made = self._first("AUTHORISATION", success=True)
        changes = [one for one in self.heard if one.code == "AUTHORISATION_ADJUSTMENT"]
        adjusted = [one for one in changes if one.success and one.at is not None]
        if made is not None and adjusted:
            return max(adjusted, key=lambda one: (one.at, one.order))
        return made or next(iter(self._done(Modification.CAPTURE)), None)

    @property
    def authorized_value(self) -> int:
        """What is or was held, in Adyen's minor units."""
        held = self._authorized()
        if held is None or held.code == "CAPTURE":
            return self.captured_value
        return held.value

    @property
    def currency(self) -> str | None:
        """In which the payment is, once that is known."""
        held = self._authorized()
        return held.currency if held else None

    @property
    def captured_value(self) -> int:
        """What was taken for good, in Adyen's minor units."""
        return sum(one.value for one in self._done(Modification.CAPTURE))

    @property
    def capturable_value(self) -> int:
        """What may be captured beside what is under way, in Adyen's minor units."""
        if self._state()[0] not in HELD:
            return 0
        under_way = sum(one.value for one in self.under_way(Modification.CAPTURE))
        return self.authorized_value - self.captured_value - under_way

    @property
    def has_failed_capture(self) -> bool:
        """Money was promised and then refused, and nobody has captured it anew.

        Adyen may do so by itself, and a person at Adyen: by a capture that is none of ours.
        """
        ours = {self._psp_of(one) for one in self.requests}
        anew = sum(one.value for one in self._done(Modification.CAPTURE) if one.psp not in ours)
        return sum(one.value for one in self._failures(Modification.CAPTURE)) > anew

    @property
    def refunded_value(self) -> int:
        """What was given back for good, in Adyen's minor units."""
        by_hand = self.captured_value and self._first("CANCEL_OR_REFUND", success=True)
        if by_hand:
            return self.captured_value
        return sum(one.value for one in self._done(Modification.REFUND))

    @property
    def charged_back_value(self) -> int:
        """What the customer's bank took back, in Adyen's minor units."""
        lost = sum(one.value for one in self.heard if one.success and one.code in _CHARGED_BACK)
        won = sum(one.value for one in self.heard if one.success and one.code in _CHARGEBACK_WON)
        return max(0, lost - won)

    @property
    def refundable_value(self) -> int:
        """What may be given back beside what is under way, in Adyen's minor units."""
        under_way = sum(one.value for one in self.under_way(Modification.REFUND))
        return self.captured_value - self.refunded_value - self.charged_back_value - under_way

    # -- its operations ----------------------------------------------------------------------

    def result_of(self, request: Request) -> OperationResult | None:
        """Tell how a request ended; ``None``: it was sent, and nothing has been heard since."""
        psp = self._psp_of(request)
        if psp is None:
            is_over = request.modification is Modification.CANCEL and self._holds_nothing()
            return OperationResult(OperationStatus.DONE) if is_over else None
        if request.modification is Modification.CANCEL and self._holds_nothing():
            return OperationResult(OperationStatus.DONE, psp)
        if psp in {one.psp for one in self._done(request.modification)}:
            return OperationResult(OperationStatus.DONE, psp)
        failed = self._failure_of(request.modification, psp)
        if failed is not None:
            reason = failed.reason or failed.code.lower()
            return OperationResult(OperationStatus.REJECTED, psp, reason)
        return OperationResult(OperationStatus.PENDING, psp)

    def requests_for(self, operation_id: str) -> tuple[Request, ...]:
        """Find what was sent for an operation and not refused."""
        return tuple(
            one for one in self.requests if one.operation_id == operation_id and not one.refused
        )

    def heard_of(self, operation_id: str) -> OperationResult | None:
        """Tell how an operation ended that nobody wrote down, from what was notified alone.

        As after the store was restored from a backup that is older than the operation.
        """
        for modification in Modification:
            forgotten = Request(modification, operation_id, "", 0, "")
            if self._psp_of(forgotten) is not None:
                return self.result_of(forgotten)
        return None

    def next_number(self, request: Request) -> int:
        """Number *request* among those of its operation and key."""
        name = (request.modification, request.operation_id, request.key)
        return 1 + sum((r.modification, r.operation_id, r.key) == name for r in self.requests)

    def under_way(self, modification: Modification) -> tuple[Request, ...]:
        """List what may still be done: sent or accepted, and not known to have ended."""
        return tuple(
            request
            for request in self.requests
            if request.modification is modification
            and not request.refused
            and _is_open(self.result_of(request))
        )

    def _psp_of(self, request: Request) -> str | None:
        """Find Adyen's name of a request: by its answer, or by what a notification refers to."""
        if request.psp is not None:
            return request.psp
        codes = _CODE_OF[request.modification]
        named = {one.psp for one in self.requests}
        wanted = reference_of(request.operation_id)
        return next(
            (
                one.psp
                for one in self.heard
                if one.code in codes and one.reference == wanted and one.psp not in named
            ),
            None,
        )

    def _holds_nothing(self) -> bool:
        return self._state()[0] in _NOTHING_HELD

    def _done(self, modification: Modification) -> tuple[Heard, ...]:
        """List the modifications of a kind that were done and not taken back."""
        undone = self._undone(modification)
        return tuple(one for one in self._succeeded(modification) if one.psp not in undone)

    def _succeeded(self, modification: Modification) -> tuple[Heard, ...]:
        codes = _CODE_OF[modification]
        return tuple(one for one in self.heard if one.success and one.code in codes)

    def _failures(self, modification: Modification) -> tuple[Heard, ...]:
        codes = _UNDONE_BY[modification]
        return tuple(one for one in self.heard if one.success and one.code in codes)

    def _failure_of(self, modification: Modification, psp: str) -> Heard | None:
        """Find why a modification that is not done failed, at once or later."""
        codes = _CODE_OF[modification]
        for one in self.heard:
            if one.psp == psp and one.code in codes and not one.success:
                return one
        return self._undone(modification).get(psp) or next(
            (one for one in self._failures(modification) if one.psp == psp), None
        )

    def _undone(self, modification: Modification) -> dict[str, Heard]:
        """Match each failure with the modification that it takes back.

        It names it by Adyen's id or by our reference. One that does neither takes back one of
        the same amount: the last one that was sent, for the goods of that may still be here.
        """
        failures = self._failures(modification)
        if not failures:
            return {}
        sent = {psp: one for one in self.requests if (psp := self._psp_of(one)) is not None}
        ours = {one.reference for one in self.requests}

        def is_named(failure: Heard, one: Heard) -> bool:
            return one.psp in sent and failure.reference == sent[one.psp].reference

        def may_be_meant(failure: Heard, one: Heard) -> bool:
            is_of_another = failure.psp in sent or (one.psp in sent and failure.reference in ours)
            return not is_of_another and _same_amount(failure, one)

        def is_called_alike(failure: Heard, one: Heard) -> bool:
            # Perhaps by the payment's reference, which all of them may repeat.
            return may_be_meant(failure, one) and failure.reference == one.reference

        def age(one: Heard) -> tuple[bool, float, tuple[str, str, int]]:
            """Order by the time of sending; what has no answer yet was sent last."""
            sent_at = sent[one.psp].sent_at if one.psp in sent else None
            return (sent_at is None, sent_at.timestamp() if sent_at else 0.0, one.order)

        undone: dict[str, Heard] = {}
        left = list(failures)
        last_first = sorted(self._succeeded(modification), key=age, reverse=True)
        for is_about in (_same_psp, is_named, is_called_alike, may_be_meant):
            for failure in tuple(left):
                found = next(
                    (one for one in last_first if one.psp not in undone and is_about(failure, one)),
                    None,
                )
                if found is not None:
                    undone[found.psp] = failure
                    left.remove(failure)
        return undone

    def _first(self, code: str, *, success: bool) -> Heard | None:
        """Find an item of this kind; an authorization must be the payment's own."""
        for one in self.heard:
            if one.code == code and one.success is success:
                if code == "AUTHORISATION" and one.psp != self.psp:
                    continue
                return one
        return None


def read_book(psp: str, events: Iterable[ReceivedEvent], *, in_parts: bool = False) -> Book:
    """Fold all *events* of the payment *psp*; *in_parts*: as the account may capture it."""
    events = tuple(events)
    heard = {_heard(one.event) for one in events if not is_ours(one.event)}
    known = (one for one in heard if one is not None)
    ordered = tuple(sorted(known, key=lambda one: one.order))
    return Book(psp, ordered, requests_in(events), in_parts)


def _heard(event: ProviderEvent) -> Heard | None:
    """Read an item; ``None``: another adapter stored it, which once had the account's name."""
    facts = event.facts
    if not {"psp", "success", "value", "currency"} <= facts.keys():
        return None
    return Heard(
        event.kind,
        facts["psp"],
        facts["success"] == "true",
        int(facts["value"]),
        facts["currency"],
        facts.get("reference", ""),
        facts.get("reason"),
        event.occurred_at,
    )


def _is_open(result: OperationResult | None) -> bool:
    return result is None or result.status is OperationStatus.PENDING


def _same_psp(failure: Heard, one: Heard) -> bool:
    return failure.psp == one.psp


def _same_amount(failure: Heard, one: Heard) -> bool:
    return (failure.value, failure.currency) == (one.value, one.currency)
