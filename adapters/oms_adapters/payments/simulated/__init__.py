"""The simulated payment provider: stateful, persistent, and as unpleasant as a real one.

::

    payments = SimulatedPayments(MemoryLedger())
    payments = SimulatedPayments(SqliteLedger(database), webhook_secret="whsec_...")
"""

from oms_adapters.payments.simulated.audit import OperationAudit, PaymentAudit
from oms_adapters.payments.simulated.behaviours import (
    BEHAVIOURS,
    PLAIN,
    Behaviour,
    Fault,
    Operation,
    behaviour_of,
)
from oms_adapters.payments.simulated.ledger import Ledger, MemoryLedger
from oms_adapters.payments.simulated.notifications import Notification
from oms_adapters.payments.simulated.provider import SimulatedPayments
from oms_adapters.payments.simulated.sqlite_ledger import SqliteLedger

__all__ = [
    "BEHAVIOURS",
    "PLAIN",
    "Behaviour",
    "Fault",
    "Ledger",
    "MemoryLedger",
    "Notification",
    "Operation",
    "OperationAudit",
    "PaymentAudit",
    "SimulatedPayments",
    "SqliteLedger",
    "behaviour_of",
]
