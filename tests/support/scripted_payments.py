"""A payment provider that answers what the test says, for answers no real one gives on demand."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from oms_core import Money
from oms_core.domain.payment import PaymentState
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capabilities,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentRef,
    PaymentSnapshot,
    ProviderEvent,
    Reauthorize,
    Refund,
)

DONE = OperationResult(OperationStatus.DONE)
PENDING = OperationResult(OperationStatus.PENDING)


def a_snapshot(
    state: PaymentState,
    *,
    authorized: int = 0,
    captured: int = 0,
    refunded: int = 0,
    currency: str = "USD",
    order_id: UUID | None = None,
) -> PaymentSnapshot:
    """Say what the provider says of a payment, in minor units."""
    return PaymentSnapshot(
        state,
        authorized=Money(authorized, currency),
        captured=Money(captured, currency),
        refunded=Money(refunded, currency),
        order_id=order_id,
    )


class ScriptedPayments:
    """Gives each method's answers one after the other, the last one for ever."""

    def __init__(
        self,
        *,
        authorize: Sequence[object] = (),
        lookup: Sequence[object] = (),
        cancel: Sequence[object] = (DONE,),
        refund: Sequence[object] = (DONE,),
        find_operation: Sequence[object] = (None,),
        capabilities: Capabilities | None = None,
    ) -> None:
        self.answers: dict[str, Sequence[object]] = {
            "authorize": authorize,
            "lookup": lookup,
            "cancel": cancel,
            "refund": refund,
            "find_operation": find_operation,
        }
        self.capabilities = capabilities or Capabilities()
        self.calls: list[tuple[str, Any]] = []

    def asked(self, method: str) -> list[Any]:
        """List what *method* was called with."""
        return [command for name, command in self.calls if name == method]

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        return cast("PaymentSnapshot", self._answer("lookup", ref))

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        return cast("PaymentSnapshot", self._answer("authorize", command))

    def capture(self, command: Capture) -> OperationResult:
        return cast("OperationResult", self._answer("capture", command))

    def cancel(self, command: Cancel) -> OperationResult:
        return cast("OperationResult", self._answer("cancel", command))

    def refund(self, command: Refund) -> OperationResult:
        return cast("OperationResult", self._answer("refund", command))

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        return cast("PaymentSnapshot", self._answer("reauthorize", command))

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        del ref
        return cast("OperationResult | None", self._answer("find_operation", operation_id))

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        asked = (tenant_id, headers, body)
        return cast("Sequence[ProviderEvent]", self._answer("parse_webhook", asked))

    def probe(self) -> None:
        self._answer("probe", None)

    def _answer(self, method: str, command: object) -> Any:
        self.calls.append((method, command))
        answers = self.answers[method]
        answer = answers[min(len(self.asked(method)), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer
