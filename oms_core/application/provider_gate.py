"""Before each payment account a gate, which closes while the account refuses our credentials.

Wrong credentials are nobody's order's fault: orders wait. So that thousands of them do not hammer
a provider that refuses every call, calls are held back for a while, and then one of them is let
through to see; if it is accepted, all go on. A single payment that is refused may be that payment's
own trouble (a restricted payee, a permission that is missing for refunds), so that calls are held
back only once two payments in a row were refused.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import evolve, frozen

from oms_core.application.at_work import away
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InvalidRequest,
    InvalidState,
    PaymentNotFound,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.ports.clock import Clock
    from oms_core.ports.payments import (
        Authorize,
        Cancel,
        Capabilities,
        Capture,
        OperationResult,
        PaymentProvider,
        PaymentRef,
        PaymentSnapshot,
        ProviderEvent,
        Reauthorize,
        Refund,
    )

T = TypeVar("T")

_log = logging.getLogger("oms_core.payments")

HOLD_FIRST_S: Final = 5.0
HOLD_CAP_S: Final = 60.0
"""Calls are held back for so long, doubled from the first to the cap, between two tries."""
ODD_MAX: Final = 1_000
"""So many payments are remembered that are refused while others are accepted."""
_ANSWERS: Final = (IdempotencyMismatch, InvalidRequest, InvalidState, PaymentNotFound)
"""What a provider only says to somebody whom it knows."""


@frozen
class Account:
    """A configured payment account: a name, and the tenant whose own it is, if it is."""

    name: str
    tenant_id: UUID | None = None


@frozen
class Refusing:
    """An account that refuses our credentials, as this process has last heard from it."""

    account: Account
    since: datetime
    reason: str
    """The provider's own code; no secret."""


@frozen
class _Trouble:
    since: datetime
    reason: str
    first: PaymentRef
    """Whose call was the first to be refused."""
    hold_s: float = 0.0
    held_until: datetime | None = None
    """Calls are held back until then; ``None``: not yet."""


class ProviderGate:
    """One account behind its gate: a ``PaymentProvider`` itself. Thread-safe."""

    def __init__(self, provider: PaymentProvider, account: Account, clock: Clock) -> None:
        """Stand before *provider*."""
        self._provider = provider
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._trouble: _Trouble | None = None
        self._odd: deque[PaymentRef] = deque(maxlen=ODD_MAX)

    @property
    def refusing(self) -> Refusing | None:
        """Since when and why the account refuses us; ``None``: it does not."""
        trouble = self._trouble
        if trouble is None:
            return None
        return Refusing(self._account, trouble.since, trouble.reason)

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do."""
        return self._provider.capabilities

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask for the payment's state."""
        return self._ask(ref, lambda: self._provider.lookup(ref))

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Hold money."""
        return self._ask(command.ref, lambda: self._provider.authorize(command))

    def capture(self, command: Capture) -> OperationResult:
        """Take money that is held."""
        return self._ask(command.ref, lambda: self._provider.capture(command))

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Hold the same money for longer."""
        return self._ask(command.ref, lambda: self._provider.reauthorize(command))

    def cancel(self, command: Cancel) -> OperationResult:
        """Void the hold."""
        return self._ask(command.ref, lambda: self._provider.cancel(command))

    def refund(self, command: Refund) -> OperationResult:
        """Give money back."""
        return self._ask(command.ref, lambda: self._provider.refund(command))

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Tell how an operation ended."""
        return self._ask(ref, lambda: self._provider.find_operation(ref, operation_id))

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Verify a notification: that needs other secrets, and is never held back."""
        return self._provider.parse_webhook(tenant_id, headers, body)

    def probe(self) -> None:
        """Ask for a person, who is never held back."""
        self._provider.probe()

    def _ask(self, ref: PaymentRef, call: Callable[[], T]) -> T:
        tries = self._trouble is not None and self._let_pass()
        try:
            with away():
                answer = call()
        except CredentialsRejected as rejected:
            self._rejected(ref, rejected, tries=tries)
            raise
        except _ANSWERS:
            self._accepted(ref)
            raise
        self._accepted(ref)
        return answer

    def _let_pass(self) -> bool:
        """Hold the call back, or let it through; ``True``: it is the one that tries.

        Raises:
            CredentialsRejected: it is held back; the provider is not called.
        """
        now = self._clock.now()
        with self._lock:
            trouble = self._trouble
            if trouble is None or trouble.held_until is None:
                return False
            if now < trouble.held_until:
                left_s = (trouble.held_until - now).total_seconds()
                raise CredentialsRejected(trouble.reason, left_s)
            # Until it is answered, all others are held back.
            self._trouble = _held(trouble, now, trouble.hold_s)
            return True

    def _rejected(self, ref: PaymentRef, rejected: CredentialsRejected, *, tries: bool) -> None:
        now = self._clock.now()
        with self._lock:
            trouble = self._trouble
            if trouble is None:
                if ref in self._odd:
                    return
                self._trouble = _Trouble(now, rejected.reason, ref)
            elif tries:
                self._trouble = _held(trouble, now, min(trouble.hold_s * 2, HOLD_CAP_S))
            elif trouble.held_until is None and ref != trouble.first:
                self._trouble = _held(trouble, now, HOLD_FIRST_S)
        if trouble is None:
            extra = {**self._named(), "reason": rejected.reason}
            _log.error("payment provider refuses our credentials", extra=extra)

    def _accepted(self, ref: PaymentRef) -> None:
        if self.refusing is None:
            return
        with self._lock:
            trouble, self._trouble = self._trouble, None
            if trouble is None:
                return
            if trouble.held_until is not None:
                self._odd.clear()
            elif trouble.first != ref:
                self._odd.append(trouble.first)
        _log.info("payment provider accepts our credentials again", extra=self._named())

    def _named(self) -> dict[str, str]:
        named = {"provider": self._account.name}
        if self._account.tenant_id is not None:
            named["tenant_id"] = str(self._account.tenant_id)
        return named


def _held(trouble: _Trouble, now: datetime, hold_s: float) -> _Trouble:
    return evolve(trouble, hold_s=hold_s, held_until=now + timedelta(seconds=hold_s))


class ProviderGates:
    """The gates of one process, one for each account that orders have used."""

    def __init__(self, clock: Clock) -> None:
        """Hold calls back by *clock*."""
        self._clock = clock
        self._lock = threading.Lock()
        self._gates: dict[Account, ProviderGate] = {}

    def before(self, provider: PaymentProvider, account: Account) -> ProviderGate:
        """Return the gate before *provider*."""
        gate = self._gates.get(account)
        if gate is None:
            with self._lock:
                gate = self._gates.setdefault(account, ProviderGate(provider, account, self._clock))
        return gate

    def refusing(self) -> list[Refusing]:
        """List the accounts that refuse our credentials, as this process has last heard."""
        with self._lock:
            gates = list(self._gates.values())
        return [refusing for gate in gates if (refusing := gate.refusing) is not None]
