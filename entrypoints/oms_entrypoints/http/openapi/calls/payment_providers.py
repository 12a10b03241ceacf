"""The call that payment providers make."""

from __future__ import annotations

from typing import Final

from oms_core import errors
from oms_entrypoints.http import webhooks
from oms_entrypoints.http.openapi.call import Answer, Operation
from oms_entrypoints.http.openapi.refusals import STORE, invalid

PAYMENT_PROVIDER_CALLS: Final = (
    Operation(
        "POST",
        webhooks.WEBHOOKS,
        "receiveWebhook",
        "payment providers",
        "Notify what happened to a payment.",
        says=(
            "For payment providers, to be configured at them. There is no token: the signature "
            "is verified, over the body as it comes. The answer comes when the notification is "
            "stored durably; the order hears of it afterwards. A repeat is acknowledged and "
            "changes nothing. Any other answer means that nothing was kept: send it again after "
            "a 503, or when the reason for a 4xx is mended."
        ),
        foreign_body="What the provider sends, as its own documents say.",
        answers=(Answer(204, "Stored, now or before.", media_type=None),),
        refusals=(
            invalid("", "the body ended after 17 of 512 bytes"),
            errors.WebhookRejected(),
            errors.ProviderNotFound(),
            errors.RetryableNotExecuted(),
            *STORE,
        ),
    ),
)
