"""The exam that every payment provider's adapter sits."""

from oms_core.testing.payment_contract.contract import PaymentContract
from oms_core.testing.payment_contract.stage import PaymentStage, SignedNotification

__all__ = ["PaymentContract", "PaymentStage", "SignedNotification"]
