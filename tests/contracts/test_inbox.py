"""Every inbox adapter sits the exam that embedders' own adapters sit."""

from oms_adapters.inbox.memory import MemoryInbox
from oms_core.ports.clock import Clock
from oms_core.ports.inbox import WebhookInbox
from oms_core.testing import InboxContract


class TestMemoryInbox(InboxContract):
    def make_inbox(self, clock: Clock) -> WebhookInbox:
        return MemoryInbox(clock)
