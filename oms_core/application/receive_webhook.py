"""Receive webhook: verify what a payment provider notifies, store it, and only then return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from oms_core.errors import ProviderNotFound, WebhookRejected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.ports.inbox import WebhookInbox
    from oms_core.ports.payments import ProviderEvent


@frozen
class Webhook:
    """A request as it came to the address of one tenant's account at a provider."""

    tenant_id: UUID
    provider: str
    """The configured name of the account."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """As it came: the signature is over these very bytes."""


@frozen
class Received:
    """A notification is stored: how many events it tells, and how many of them are new."""

    events: int
    new: int


def receive_webhook(
    webhook: Webhook, *, payments: PaymentDirectory, inbox: WebhookInbox, at: datetime
) -> Received:
    """Store what *webhook* tells, each event once; whoever sent it may forget it then.

    Nothing is acted on here: the sender waits, and the inbox applier does that.

    Raises:
        ProviderNotFound: the tenant has no account of this name.
        WebhookRejected: forged, stale or malformed; nothing was stored.
        RetryableNotExecuted: whether it is authentic cannot be told now: send it again.
        StoreUnavailable: it may not be stored: send it again.
    """
    provider = payments.find(webhook.tenant_id, webhook.provider)
    if provider is None:
        raise ProviderNotFound
    events = provider.parse_webhook(webhook.tenant_id, webhook.headers, webhook.body)
    for event in events:
        _require_ours(event, webhook.tenant_id)
    new = inbox.store(webhook.provider, events, at=at) if events else 0
    return Received(len(events), new)


def _require_ours(event: ProviderEvent, tenant_id: UUID) -> None:
    """Whoever holds the secret is authentic, and may still send what nobody can keep."""
    if event.ref.tenant_id != tenant_id:
        raise WebhookRejected(reason="of_another_tenant")
    for text in (event.event_id, event.ref.reference):
        try:
            is_storable = bool(text) and bool(text.encode())
        except UnicodeEncodeError:
            is_storable = False
        if not is_storable:
            raise WebhookRejected(reason="malformed_body")
