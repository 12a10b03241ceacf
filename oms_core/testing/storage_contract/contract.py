"""All parts of the storage exam together."""

from __future__ import annotations

from oms_core.testing.storage_contract.events import HandsOutEvents
from oms_core.testing.storage_contract.job_turns import TakesTurnsAtJobs
from oms_core.testing.storage_contract.leases import GuardsLeases
from oms_core.testing.storage_contract.listing import ListsOrders
from oms_core.testing.storage_contract.orders import KeepsOrders
from oms_core.testing.storage_contract.payment_lookup import FindsOrdersByPayment
from oms_core.testing.storage_contract.payment_references import KeepsPaymentReferencesApart
from oms_core.testing.storage_contract.sagas import ListsSagas
from oms_core.testing.storage_contract.signals import TellsOfWork
from oms_core.testing.storage_contract.walking import WalksThroughOrders
from oms_core.testing.storage_contract.work import SharesOutWork


class StorageContract(
    KeepsOrders,
    KeepsPaymentReferencesApart,
    FindsOrdersByPayment,
    ListsOrders,
    SharesOutWork,
    TellsOfWork,
    GuardsLeases,
    ListsSagas,
    HandsOutEvents,
    WalksThroughOrders,
    TakesTurnsAtJobs,
):
    """Every promise of ``OrderStorage``, as tests that pytest runs on your adapter.

    Inherit and say how a store is made::

        class TestMyStorage(StorageContract):
            def make_store(self, clock: Clock) -> OrderStorage:
                return MyStorage(clock)

    Each test gets an empty store, whose clock is ``self.clock``: nothing sleeps. To clean up
    after a test, extend ``teardown_method``. For readable failures, let pytest rewrite the
    assertions of these suites: ``pytest.register_assert_rewrite("oms_core.testing")`` in the
    ``conftest.py`` at the top.
    """
