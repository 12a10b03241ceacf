"""Checks that orders, payments, stock, ledger, inbox and events fit each other."""

from oms_core.application.doctor.doctor import Doctor
from oms_core.application.doctor.finding import Finding, Fix, Kind, Severity
from oms_core.application.doctor.patience import Patience
from oms_core.application.doctor.payment_claims import ClaimCheck
from oms_core.application.doctor.payments import check_payments
from oms_core.application.doctor.stock import StockCheck

__all__ = [
    "ClaimCheck",
    "Doctor",
    "Finding",
    "Fix",
    "Kind",
    "Patience",
    "Severity",
    "StockCheck",
    "check_payments",
]
