"""What a payment reference is at Stripe: the id of a PaymentIntent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from oms_core.errors import PaymentNotFound

if TYPE_CHECKING:
    from oms_core.ports.payments import PaymentRef

# A client secret has underscores, and must not go any further.
_REFERENCE: Final = re.compile(r"pi_[A-Za-z0-9]{1,128}", re.ASCII)


def is_reference(text: str) -> bool:
    """Tell whether *text* can be the id of a PaymentIntent."""
    return _REFERENCE.fullmatch(text) is not None


def reference_of(ref: PaymentRef) -> str:
    """Return the PaymentIntent's id.

    Raises:
        PaymentNotFound: Stripe never gave out such an id, so it need not be asked.
    """
    if not is_reference(ref.reference):
        raise PaymentNotFound(reason="not_a_payment_intent_id")
    return ref.reference
