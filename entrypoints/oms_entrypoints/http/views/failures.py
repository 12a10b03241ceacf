"""What clients see of why something was refused or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

from oms_entrypoints.http.views.shown import Shown

if TYPE_CHECKING:
    from oms_core.domain.failure import FailureReason


class FailureView(TypedDict):
    """Why an order failed, or something that was asked of it was refused."""

    code: Annotated[str, Shown("For programs, such as `payment_declined`.")]
    message: Annotated[str, Shown("For people.")]
    provider_code: Annotated[str | None, Shown("The payment provider's own code.")]


def failure_view(failure: FailureReason | None) -> FailureView | None:
    """Show why; ``None``: nothing failed."""
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": failure.message,
        "provider_code": failure.provider_code,
    }
