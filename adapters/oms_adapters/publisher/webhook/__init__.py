"""Sends webhooks over HTTP to endpoints that strangers chose."""

from oms_adapters.publisher.webhook.sender import HttpWebhookSender

__all__ = ["HttpWebhookSender"]
