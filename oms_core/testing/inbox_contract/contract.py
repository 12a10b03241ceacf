"""All parts of the inbox exam together."""

from __future__ import annotations

from oms_core.testing.inbox_contract.claiming import SharesOutEvents
from oms_core.testing.inbox_contract.listing import ListsEvents
from oms_core.testing.inbox_contract.storing import KeepsEvents


class InboxContract(KeepsEvents, SharesOutEvents, ListsEvents):
    """Every promise of ``WebhookInbox``, as tests that pytest runs on your adapter.

    Inherit and say how an inbox is made::

        class TestMyInbox(InboxContract):
            def make_inbox(self, clock: Clock) -> WebhookInbox:
                return MyInbox(clock)

    Each test gets an empty inbox, whose clock is ``self.clock``: nothing sleeps. To clean up
    after a test, extend ``teardown_method``.
    """
