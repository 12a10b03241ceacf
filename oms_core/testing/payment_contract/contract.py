"""All parts of the payments exam together."""

from __future__ import annotations

from oms_core.testing.payment_contract.authorizing import AuthorizingContract
from oms_core.testing.payment_contract.cancelling import CancellingContract
from oms_core.testing.payment_contract.capturing import CapturingContract
from oms_core.testing.payment_contract.notifying import NotifyingContract
from oms_core.testing.payment_contract.reauthorizing import ReauthorizingContract
from oms_core.testing.payment_contract.refunding import RefundingContract


class PaymentContract(
    AuthorizingContract,
    CapturingContract,
    CancellingContract,
    ReauthorizingContract,
    RefundingContract,
    NotifyingContract,
):
    """Every promise of ``PaymentProvider``, as tests that pytest runs on your adapter.

    Inherit and say how a stage is set::

        class TestMyPayments(PaymentContract):
            def make_stage(self, clock: SimulatedClock) -> PaymentStage:
                return MyStage(MyPayments(...), clock)

    The stage prepares payments at a double of the provider. If the double speaks the
    provider's own protocol, the exam covers the provider's SDK too. For readable failures,
    call ``pytest.register_assert_rewrite("oms_core.testing")`` in the ``conftest.py`` at the
    top.
    """
