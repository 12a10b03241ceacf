"""Webhooks to subscribers, made as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.application.delivery_turn import DeliverySettings
from oms_core.application.webhooks import Webhooks
from oms_entrypoints.bootstrap.stores import CLOCK

if TYPE_CHECKING:
    from oms_core.ports.event_log import EventLog
    from oms_entrypoints.bootstrap.stores import Store
    from oms_entrypoints.config import Config


def make_webhooks(config: Config, store: Store, event_log: EventLog) -> Webhooks:
    """Deliver from *event_log* to the subscriptions in *store*."""
    from oms_adapters.publisher.webhook import HttpWebhookSender

    section = config.webhooks
    sender = HttpWebhookSender(
        timeout_s=section.timeout_s,
        allow_http=section.allow_http,
        allow_private=section.allow_private_addresses,
    )
    turn_s = min(DeliverySettings().turn_s, config.worker.lease_s)
    settings = DeliverySettings(
        threads=section.threads,
        poll_s=config.worker.poll_s,
        turn_s=turn_s,
        # Longer than a turn and the last wait in it, however long that is configured to be.
        lease_s=turn_s + section.timeout_s + config.worker.lease_s / 2,
        retry_first_s=section.retry_first_s,
        retry_cap_s=section.retry_cap_s,
        give_up_after_s=section.give_up_after_s,
    )
    return Webhooks(store.subscriptions(), event_log, sender, clock=CLOCK, settings=settings)
