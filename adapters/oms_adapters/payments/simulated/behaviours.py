"""What the simulated provider does, chosen by the payment reference: one table."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    InvalidRequest,
    OutcomeUnknown,
    PaymentTrouble,
    RetryableNotExecuted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY_S: Final = 86_400.0


class Operation(StrEnum):
    """The calls of the port that reach the provider."""

    LOOKUP = "lookup"
    FIND = "find_operation"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    REAUTHORIZE = "reauthorize"


CHANGES: Final = (
    Operation.AUTHORIZE,
    Operation.CAPTURE,
    Operation.CANCEL,
    Operation.REFUND,
    Operation.REAUTHORIZE,
)
EVERYTHING: Final = tuple(Operation)

TROUBLES: Final[Mapping[str, type[PaymentTrouble]]] = MappingProxyType(
    {
        kind.code: kind
        for kind in (
            RetryableNotExecuted,
            InProgress,
            OutcomeUnknown,
            InvalidRequest,
            CredentialsRejected,
        )
    }
)
"""The technical trouble a fault can answer with, by the error's code."""


@frozen
class Fault:
    """Technical trouble that a call meets instead of its answer.

    Reading calls (``lookup``, ``find_operation``) leave no trace, so they meet only faults
    without a number of *times*.
    """

    on: tuple[Operation, ...]
    trouble: str
    """Code of the error raised: a key of ``TROUBLES``."""
    reason: str
    executed: bool = False
    """The effect happens nevertheless: only its answer is lost."""
    times: int | None = 1
    """How many calls meet it; ``None``: every call, until it is over."""
    lasts_s: float | None = None
    """Over that many seconds after the payment's first change; ``None``: never."""
    spares_first_call: bool = False
    """Begins after the payment's first changing call."""
    sticks_to_key: bool = False
    """The key it met answers so as long as it is remembered; other keys do not."""
    retry_after_s: float | None = None

    def error(self) -> PaymentTrouble:
        """Make a new error to raise."""
        return TROUBLES[self.trouble](reason=self.reason, retry_after_s=self.retry_after_s)


@frozen
class Behaviour:
    """How the provider treats one kind of payment. Without fields: a plain good card."""

    sentence: str
    """What happens, for the documentation."""
    exists: bool = True
    begins_as: PaymentState = PaymentState.CONFIRMABLE
    decides: tuple[PaymentState, ...] = (PaymentState.AUTHORIZED,)
    """What ``authorize`` leads to, the first time it is executed, the second, ...; the
    last one for ever after. CAPTURED takes the money at once."""
    reason: str | None = None
    """The provider's code when it declines."""
    raw_status: str | None = None
    """The provider's own word for the state after ``authorize``; ``None``: as the state."""
    settles_after_s: float | None = None
    """When REQUIRES_ACTION or PENDING ends by itself; ``None``: it does not."""
    settles_as: PaymentState = PaymentState.AUTHORIZED
    by_customer: bool = False
    """The customer's own device authorized before the order did: no effect of ours."""
    extra_minor: int = 0
    """How much more than asked is held, in minor units."""
    other_currency: bool = False
    hold_lasts_s: float = 7 * DAY_S
    modifications_take_s: float | None = None
    """Capture, cancel and refund answer PENDING and are done after so many seconds."""
    refunds_take_s: float | None = None
    refund_refused: str | None = None
    """The provider's code when it refuses refunds, at once or when they settle."""
    faults: tuple[Fault, ...] = ()

    def held_for(self, asked: Money) -> Money:
        """Say what is held when *asked* should be."""
        if self.other_currency:
            return Money(asked.minor, "EUR" if asked.currency != "EUR" else "USD")
        return Money(asked.minor + self.extra_minor, asked.currency)


PLAIN: Final = Behaviour("A good card: what is asked for is held, taken, voided and given back.")
"""Every reference that begins with none of the names below."""


def _lost(operation: Operation, times: int = 1) -> Fault:
    return Fault((operation,), OutcomeUnknown.code, "read_timeout", executed=True, times=times)


def _broken(operation: Operation, times: int | None) -> Fault:
    return Fault((operation,), OutcomeUnknown.code, "http_500", times=times)


BEHAVIOURS: Final[Mapping[str, Behaviour]] = MappingProxyType(
    {
        # The customer's side
        "sim_declined": Behaviour(
            "Declined with the code `card_declined`, and again under every key.",
            decides=(PaymentState.DECLINED,),
            reason="card_declined",
        ),
        "sim_declined_insufficient_funds": Behaviour(
            "Declined with the code `insufficient_funds`.",
            decides=(PaymentState.DECLINED,),
            reason="insufficient_funds",
        ),
        "sim_declined_once": Behaviour(
            "Declined the first time. After `give_another_card(ref)` a new key succeeds; "
            "the first key answers its decline as long as it is remembered.",
            decides=(PaymentState.DECLINED, PaymentState.AUTHORIZED),
            reason="card_declined",
        ),
        "sim_requires_action": Behaviour(
            "The customer must act (3-D Secure); `complete_action(ref)` or "
            "`fail_action(ref)` is the customer acting. Waits for ever.",
            decides=(PaymentState.REQUIRES_ACTION,),
            reason="authentication_failed",
        ),
        "sim_requires_action_completes": Behaviour(
            "The customer must act, and does so after 5 seconds: authorized.",
            decides=(PaymentState.REQUIRES_ACTION,),
            settles_after_s=5.0,
            reason="authentication_failed",
        ),
        "sim_requires_action_fails": Behaviour(
            "The customer must act, and fails after 5 seconds: declined with the code "
            "`authentication_failed`.",
            decides=(PaymentState.REQUIRES_ACTION,),
            settles_after_s=5.0,
            settles_as=PaymentState.DECLINED,
            reason="authentication_failed",
        ),
        # The provider decides later
        "sim_pending": Behaviour(
            "Pending, then authorized after 3 seconds.",
            decides=(PaymentState.PENDING,),
            settles_after_s=3.0,
        ),
        "sim_pending_declined": Behaviour(
            "Pending, then declined with the code `card_declined` after 3 seconds.",
            decides=(PaymentState.PENDING,),
            settles_after_s=3.0,
            settles_as=PaymentState.DECLINED,
            reason="card_declined",
        ),
        "sim_pending_forever": Behaviour(
            "Pending and never decided.",
            decides=(PaymentState.PENDING,),
        ),
        "sim_unknown_status": Behaviour(
            "The provider's status is a word nobody knows (`requires_alchemy`): pending for ever.",
            decides=(PaymentState.PENDING,),
            raw_status="requires_alchemy",
        ),
        "sim_late_success": Behaviour(
            "The answer to authorize is lost, the payment is pending, and 30 seconds later "
            "the money is held.",
            decides=(PaymentState.PENDING,),
            settles_after_s=30.0,
            faults=(_lost(Operation.AUTHORIZE),),
        ),
        # The payment is not what the order expects
        "sim_authorized": Behaviour(
            "Authorized for what is asked by the customer's own device just before.",
            by_customer=True,
        ),
        "sim_wrong_amount": Behaviour(
            "Holds one minor unit more than was asked.",
            extra_minor=1,
        ),
        "sim_wrong_currency": Behaviour(
            "Holds as many minor units of another currency: EUR, or USD if EUR was asked.",
            other_currency=True,
        ),
        "sim_wrong_amount_void_fails": Behaviour(
            "Holds one minor unit more, and voiding it fails three times, then works.",
            extra_minor=1,
            faults=(_broken(Operation.CANCEL, 3),),
        ),
        "sim_wrong_amount_void_fails_forever": Behaviour(
            "Holds one minor unit more, and voiding it never works.",
            extra_minor=1,
            faults=(_broken(Operation.CANCEL, None),),
        ),
        "sim_captured": Behaviour(
            "The account captures automatically: authorize takes the money at once.",
            decides=(PaymentState.CAPTURED,),
        ),
        "sim_wrong_amount_captured": Behaviour(
            "The account captures automatically, one minor unit more than was asked.",
            decides=(PaymentState.CAPTURED,),
            extra_minor=1,
        ),
        "sim_cancelled": Behaviour(
            "Was cancelled before the order came.",
            begins_as=PaymentState.CANCELLED,
        ),
        "sim_expired": Behaviour(
            "Expired before the order came.",
            begins_as=PaymentState.EXPIRED,
        ),
        "sim_short_hold": Behaviour(
            "The hold lapses by itself after 60 seconds (others after 7 days).",
            hold_lasts_s=60.0,
        ),
        "sim_not_found": Behaviour(
            "The provider does not know the reference.",
            exists=False,
        ),
        # Technical trouble while authorizing
        "sim_lost_answer_once": Behaviour(
            "The money is held, but the first answer to authorize is lost.",
            faults=(_lost(Operation.AUTHORIZE),),
        ),
        "sim_lost_answer_thrice": Behaviour(
            "The money is held, but the first three answers to authorize are lost.",
            faults=(_lost(Operation.AUTHORIZE, 3),),
        ),
        "sim_not_executed_once": Behaviour(
            "The first authorize does not reach the provider; retry after 2 seconds.",
            faults=(
                Fault(
                    (Operation.AUTHORIZE,),
                    RetryableNotExecuted.code,
                    "connection_refused",
                    retry_after_s=2.0,
                ),
            ),
        ),
        "sim_rate_limited": Behaviour(
            "The first three calls that change something are refused as too many; "
            "retry after 1 second.",
            faults=(
                Fault(
                    CHANGES,
                    RetryableNotExecuted.code,
                    "rate_limited",
                    times=3,
                    retry_after_s=1.0,
                ),
            ),
        ),
        "sim_in_progress_once": Behaviour(
            "The first authorize is answered 'in progress' while it runs; retry after 1 second.",
            faults=(
                Fault(
                    (Operation.AUTHORIZE,),
                    InProgress.code,
                    "idempotency_key_in_use",
                    executed=True,
                    retry_after_s=1.0,
                ),
            ),
        ),
        "sim_error_replayed": Behaviour(
            "Authorize fails without effect, and its key answers that error as long as it is "
            "remembered; another key works.",
            faults=(
                Fault(
                    (Operation.AUTHORIZE,),
                    OutcomeUnknown.code,
                    "http_500_replayed",
                    sticks_to_key=True,
                ),
            ),
        ),
        "sim_outage": Behaviour(
            "Every call fails, reading ones too, until `heal(ref)`.",
            faults=(Fault(EVERYTHING, OutcomeUnknown.code, "http_503", times=None),),
        ),
        "sim_outage_after_hold": Behaviour(
            "The money is held, the answer is lost, and every further call fails until 60 "
            "seconds have passed since.",
            faults=(
                _lost(Operation.AUTHORIZE),
                Fault(
                    EVERYTHING,
                    OutcomeUnknown.code,
                    "http_503",
                    times=None,
                    lasts_s=60.0,
                    spares_first_call=True,
                ),
            ),
        ),
        "sim_credentials_rejected": Behaviour(
            "The provider refuses our credentials for every call, until `heal(ref)`.",
            faults=(Fault(EVERYTHING, CredentialsRejected.code, "http_401", times=None),),
        ),
        "sim_invalid_request": Behaviour(
            "The provider refuses every authorize as malformed.",
            faults=(
                Fault(
                    (Operation.AUTHORIZE,),
                    InvalidRequest.code,
                    "parameter_unknown",
                    times=None,
                ),
            ),
        ),
        # Trouble afterwards
        "sim_void_fails_thrice": Behaviour(
            "Voiding fails three times without effect, then works.",
            faults=(_broken(Operation.CANCEL, 3),),
        ),
        "sim_void_fails_forever": Behaviour(
            "Voiding fails without effect, until `heal(ref)`.",
            faults=(_broken(Operation.CANCEL, None),),
        ),
        "sim_void_answer_lost_once": Behaviour(
            "The money is released, but the first answer to cancel is lost.",
            faults=(_lost(Operation.CANCEL),),
        ),
        "sim_capture_answer_lost_once": Behaviour(
            "The money is taken, but the first answer to capture is lost.",
            faults=(_lost(Operation.CAPTURE),),
        ),
        "sim_refund_answer_lost_once": Behaviour(
            "The money is given back, but the first answer to refund is lost.",
            faults=(_lost(Operation.REFUND),),
        ),
        "sim_refund_pending": Behaviour(
            "A refund is pending and done after 10 seconds.",
            refunds_take_s=10.0,
        ),
        "sim_refund_rejected": Behaviour(
            "A refund is rejected at once with the code `insufficient_balance`.",
            refund_refused="insufficient_balance",
        ),
        "sim_refund_fails_later": Behaviour(
            "A refund is pending and rejected after 10 seconds with the code `account_closed`.",
            refunds_take_s=10.0,
            refund_refused="account_closed",
        ),
        "sim_asynchronous": Behaviour(
            "Capture, cancel and refund answer pending and are done after 5 seconds.",
            modifications_take_s=5.0,
        ),
    }
)
"""Beginning of the payment reference → behaviour. The longest name that fits wins, so
``sim_declined_once_42`` is declined once. ``docs/simulated-provider.md`` shows this table."""

_LONGEST_FIRST: Final = tuple(sorted(BEHAVIOURS.items(), key=lambda row: -len(row[0])))


def behaviour_of(reference: str) -> Behaviour:
    """Say how the provider treats the payment with this *reference*."""
    if reference.startswith("sim_"):
        for name, behaviour in _LONGEST_FIRST:
            if reference.startswith(name):
                return behaviour
    return PLAIN
