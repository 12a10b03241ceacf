"""The PayPal adapter: what the port asks, done with orders, authorizations, captures, refunds."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve

from oms_adapters.payments.paypal.amounts import write_amount
from oms_adapters.payments.paypal.client import PaypalClient, check_key
from oms_adapters.payments.paypal.names import (
    cancelled_mark,
    is_paypal_id,
    operation_name,
    owner_mark,
)
from oms_adapters.payments.paypal.order import (
    TAKEN,
    read_capture,
    read_order,
    read_refund,
    related_order_id,
    together,
)
from oms_adapters.payments.paypal.states import is_ours_alone, snapshot_of, was_given_up
from oms_adapters.payments.paypal.verdict import ActionRequired, Declined, Lapsed
from oms_adapters.payments.paypal.webhooks import NotificationReader
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    RetryableNotExecuted,
)
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import Capabilities, OperationResult, OperationStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from oms_adapters.payments.paypal.account import PaypalAccount
    from oms_adapters.payments.paypal.order import Movement, PaypalOrder
    from oms_core.domain.money import Money
    from oms_core.ports.clock import Clock
    from oms_core.ports.payments import (
        Authorize,
        Cancel,
        Capture,
        PaymentRef,
        PaymentSnapshot,
        ProviderEvent,
        Reauthorize,
        Refund,
    )

T = TypeVar("T")

CAPABILITIES: Final = Capabilities(
    can_reauthorize=True,
    key_ttl_s=6 * 3_600.0,
    modification_key_ttl_s=45 * 86_400.0,
)
HONOR_PERIOD: Final = timedelta(days=3)
"""PayPal: how long the money of a hold is certain; it cannot be made anew before."""
_TOO_SOON: Final = "REAUTHORIZATION_TOO_SOON"
_CLOCKS_APART_S: Final = 3_600.0
LOOKS_MAX: Final = 3
"""How often an order is looked at anew because it moved between look and action."""

_ORDERS: Final = ("v2", "checkout", "orders")
_AUTHORIZATIONS: Final = ("v2", "payments", "authorizations")
_CAPTURES: Final = ("v2", "payments", "captures")


class PaypalPayments:
    """Holds, takes and gives back money through a PayPal account.

    The payment reference is the id of an order with the intent AUTHORIZE and one purchase unit,
    which the shop created and the buyer approved. The decisions are in
    ``docs/adr/0015-paypal-without-an-sdk.md``. May be shared between threads.
    """

    def __init__(self, account: PaypalAccount, clock: Clock | None = None) -> None:
        """Use the *account*; nothing is asked before the first call."""
        self.base_url = account.base_url
        """Where it talks to PayPal."""
        self._clock = clock or SystemClock()
        self._client = PaypalClient(account, self._clock)
        self._notifications = NotificationReader(account.webhook_id, self._client, self._clock)

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do; constant."""
        return CAPABILITIES

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask for the payment's state. Has no effect."""
        return self._told(self._order(ref))

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Hold the order's amount if the buyer approved it; otherwise only tell its state.

        PayPal holds what the order says, whatever is asked; the caller compares.
        """
        write_amount(command.amount)
        check_key(command.key)
        moved = InvalidState()
        for _ in range(LOOKS_MAX):
            order = self._order(command.ref)
            seen = self._told(order)
            self._check_kind(order)
            if seen.state is not PaymentState.CONFIRMABLE:
                return seen
            if order.owner not in {None, command.order_id}:
                return seen
            # A hold's first answer and its look-up tell the same: whose it is included.
            seen = evolve(seen, order_id=command.order_id)
            try:
                return self._hold(order, command)
            except Declined as no:
                return evolve(seen, state=PaymentState.DECLINED, reason=no.reason)
            except Lapsed as late:
                return evolve(seen, state=PaymentState.EXPIRED, raw_status=late.reason)
            except ActionRequired as needed:
                return self._awaiting_buyer(command.ref, seen, needed)
            except InvalidState as error:
                moved = error
        raise moved

    def capture(self, command: Capture) -> OperationResult:
        """Take money that is held, once for each operation id."""
        amount = write_amount(command.amount)
        check_key(command.key)
        order = self._order(command.ref)
        name = operation_name(order.id, command.operation_id)
        known = order.find(name)
        if known is not None:
            return known
        held = order.authorization
        if held is None or self._told(order).state not in {
            PaymentState.AUTHORIZED,
            PaymentState.PARTIALLY_CAPTURED,
        }:
            raise InvalidState(reason="nothing_is_held")
        if command.amount.currency != held.amount.currency:
            raise InvalidRequest(reason="AUTH_CAPTURE_CURRENCY_MISMATCH")
        # PayPal itself would take up to 115 % of what is held.
        if command.amount > held.amount - order.taken - order.being_taken:
            raise InvalidState(reason="MAX_CAPTURE_AMOUNT_EXCEEDED")
        body = {"amount": amount, "invoice_id": name, "final_capture": command.final}
        path = (*_AUTHORIZATIONS, held.id, "capture")
        take = partial(self._client.post, *path, key=command.key, body=body)
        return self._once(command.ref, name, read_capture, take)

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Hold the same money anew, which makes a new authorization.

        A hold that was made anew less than an honor period ago is told as it is: PayPal would
        refuse, and the answer to the call that made it may have been lost.

        Raises:
            InvalidState: nothing is held, or the honor period is not over yet; then
                ``retry_after_s`` says when it is.
        """
        amount = write_amount(command.amount)
        check_key(command.key)
        order = self._order(command.ref)
        seen, held = self._told(order), order.authorization
        if held is None or seen.state is not PaymentState.AUTHORIZED:
            raise InvalidState(reason="nothing_is_held")
        if order.owner not in {None, command.order_id}:
            raise InvalidState(reason="held_for_another_order")
        age = self._clock.now() - held.created_at
        if len(order.authorizations) > 1 and age < HONOR_PERIOD:
            return seen
        if age < HONOR_PERIOD:
            raise InvalidState(_TOO_SOON, (HONOR_PERIOD - age).total_seconds())
        # If several hold money, PayPal wants the oldest to be held anew.
        oldest = min(
            (one for one in order.authorizations if one.is_open), key=lambda one: one.created_at
        )
        path = (*_AUTHORIZATIONS, oldest.id, "reauthorize")
        try:
            self._client.post(*path, key=command.key, body={"amount": amount})
        except InvalidState as refused:
            if refused.reason != _TOO_SOON:
                raise
            # By PayPal's clock, which may be behind ours.
            raise InvalidState(_TOO_SOON, refused.retry_after_s or _CLOCKS_APART_S) from None
        return self.lookup(command.ref)

    def cancel(self, command: Cancel) -> OperationResult:
        """Void what is held, or take away from an order that it can be authorized.

        Raises:
            InvalidState: money was captured, or is held for another order.
        """
        check_key(command.key)
        moved = InvalidState()
        for _ in range(LOOKS_MAX):
            order = self._order(command.ref)
            if order.owner not in {None, command.order_id}:
                raise InvalidState(reason="held_for_another_order")
            if order.taken or order.being_taken:
                raise InvalidState(reason="money_was_captured")
            try:
                return self._let_go(order, command)
            except Lapsed:
                return OperationResult(OperationStatus.DONE, order.id)
            except InvalidState as error:
                moved = error
        raise moved

    def refund(self, command: Refund) -> OperationResult:
        """Give captured money back, once for each refund id.

        From the oldest capture first, if there are several and one is not enough.
        """
        write_amount(command.amount)
        check_key(command.key)
        order = self._order(command.ref)
        name = operation_name(order.id, command.refund_id)
        done = [one for one in order.refunds if name in one.names]
        captures = sorted(
            (one for one in order.captures if one.status in TAKEN), key=lambda one: one.created_at
        )
        known = together(done)
        if known is not None and (len(captures) == 1 or known.status is OperationStatus.REJECTED):
            return known
        missing = command.amount
        for one in done:
            missing -= one.amount
        served = {one.capture_id for one in done}
        parts = _divide(order, [one for one in captures if one.id not in served], missing)
        for capture, amount in parts:
            key = command.key if capture is captures[0] else f"{command.key}.{capture.id}"
            # An invoice id cannot be used twice, so a part of a refund has one of its own.
            part = name if len(captures) == 1 else f"{name}.{capture.id}"
            body = {"amount": write_amount(amount), "custom_id": name, "invoice_id": part}
            give = partial(self._client.post, *_CAPTURES, capture.id, "refund", key=key, body=body)
            result = self._once(command.ref, part, read_refund, give)
            if known is None or result.status is not OperationStatus.DONE:
                known = result
            if result.status is OperationStatus.REJECTED:
                break
        return known or OperationResult(OperationStatus.DONE)

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Tell how a capture or refund ended; a void has no name, a look-up tells it."""
        order = self._order(ref)
        return order.find(operation_name(order.id, operation_id))

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Have PayPal verify a notification on its raw bytes, and return its items."""
        return self._notifications.read(tenant_id, headers, body)

    def probe(self) -> None:
        """Fetch a new token, and ask for an order that does not exist."""
        self._client.authenticate()
        try:
            self._client.get(*_ORDERS, "0")
        except PaymentNotFound:
            return

    def _order(self, ref: PaymentRef) -> PaypalOrder:
        """Read the order that *ref* names, or that the authorization it names belongs to."""
        if not is_paypal_id(ref.reference):
            raise PaymentNotFound(reason="reference_is_no_paypal_id")
        try:
            return _read(read_order, self._client.get(*_ORDERS, ref.reference), harmless=True)
        except PaymentNotFound:
            # The ids look alike.
            authorization = self._client.get(*_AUTHORIZATIONS, ref.reference)
        order_id = related_order_id(authorization)
        if order_id is None:
            raise PaymentNotFound(reason="authorization_without_an_order")
        return _read(read_order, self._client.get(*_ORDERS, order_id), harmless=True)

    def _told(self, order: PaypalOrder) -> PaymentSnapshot:
        return snapshot_of(order, self._clock.now())

    @staticmethod
    def _check_kind(order: PaypalOrder) -> None:
        """Refuse an order that was not made for this, before anything is done to it."""
        if order.units != 1:
            raise InvalidRequest(reason="more_than_one_purchase_unit")
        if order.captures or order.authorizations or order.status == "VOIDED":
            return
        if not is_ours_alone(order) and not was_given_up(order):
            raise InvalidRequest(reason="intent_is_not_AUTHORIZE")

    def _hold(self, order: PaypalOrder, command: Authorize) -> PaymentSnapshot:
        if order.owner is None:
            self._client.patch(
                *_ORDERS,
                order.id,
                body=[_mark(order, owner_mark(command.order_id))],
                harmless=True,
            )
        answer = self._client.post(*_ORDERS, order.id, "authorize", key=command.key)
        # The answer need not repeat all that stands in the order.
        held = _read(read_order, {**order.document, **answer})
        if held.authorization is None or held.owner is None:
            return self.lookup(command.ref)
        return self._told(held)

    def _awaiting_buyer(
        self, ref: PaymentRef, seen: PaymentSnapshot, needed: ActionRequired
    ) -> PaymentSnapshot:
        url = self._order(ref).action_url
        return evolve(
            seen,
            state=PaymentState.REQUIRES_ACTION,
            next_action=url or seen.next_action,
            raw_status=needed.reason,
        )

    def _let_go(self, order: PaypalOrder, command: Cancel) -> OperationResult:
        seen, held = self._told(order), order.authorization
        gone = OperationResult(OperationStatus.DONE, held.id if held else order.id)
        if held is None:
            if seen.state is PaymentState.CANCELLED:
                return gone
            self._client.patch(
                *_ORDERS,
                order.id,
                body=[
                    {"op": "replace", "path": "/intent", "value": "CAPTURE"},
                    _mark(order, cancelled_mark(command.order_id)),
                ],
            )
            return gone
        if held.has_lapsed(self._clock.now()):
            return gone
        for one in order.authorizations:
            if one.is_open:
                key = command.key if one is held else f"{command.key}.{one.id}"
                self._client.post(*_AUTHORIZATIONS, one.id, "void", key=key)
        return gone

    def _once(
        self,
        ref: PaymentRef,
        name: str,
        read: Callable[[Mapping[str, Any]], Movement],
        act: Callable[[], Mapping[str, Any]],
    ) -> OperationResult:
        """Act; if PayPal says that it was done already, tell how."""
        try:
            return _read(read, act()).result
        except Declined as no:
            return OperationResult(OperationStatus.REJECTED, reason=no.reason)
        except (InvalidState, InvalidRequest) as error:
            found = self._order(ref).find(name)
            if found is not None:
                return found
            if error.reason == "DUPLICATE_INVOICE_ID":
                # It knows the name, but does not show what bears it.
                raise OutcomeUnknown(error.reason) from None
            raise


def _mark(order: PaypalOrder, mark: str) -> dict[str, str]:
    """Write into ``custom_id``, unless somebody did since the order was read.

    PayPal refuses to add what is there already (INVALID_PATCH_OPERATION): of two orders that
    want one payment, one is told so.
    """
    unit = order.reference_id.replace("~", "~0").replace("/", "~1")
    return {
        "op": "add" if order.custom_id is None else "replace",
        "path": f"/purchase_units/@reference_id=='{unit}'/custom_id",
        "value": mark,
    }


def _divide(
    order: PaypalOrder, captures: Sequence[Movement], amount: Money
) -> list[tuple[Movement, Money]]:
    """Divide a refund over captures.

    Raises:
        InvalidState: there is not so much left.
    """
    parts = []
    for capture in captures:
        if capture.amount.currency != amount.currency:
            raise InvalidRequest(reason="REFUND_CAPTURE_CURRENCY_MISMATCH")
        part = min(amount, order.refundable(capture))
        if part.minor > 0:
            parts.append((capture, part))
            amount -= part
    if amount.minor > 0:
        raise InvalidState(reason="REFUND_AMOUNT_EXCEEDED")
    return parts


def _read(
    read: Callable[[Mapping[str, Any]], T], document: Mapping[str, Any], *, harmless: bool = False
) -> T:
    """Read an answer; one that is not what it should be leaves the outcome unknown."""
    try:
        return read(document)
    except (AttributeError, LookupError, TypeError, ValueError):
        if harmless:
            raise RetryableNotExecuted(reason="answer_unreadable") from None
        raise OutcomeUnknown(reason="answer_unreadable") from None
