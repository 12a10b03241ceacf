"""The calls that have events posted to an address."""

from __future__ import annotations

from typing import Final

from oms_core import errors
from oms_core.application.webhooks import ChangeSubscription, ReplayDeadLetters, Subscribe
from oms_core.ports.authentication import Role
from oms_entrypoints.http import subscriptions
from oms_entrypoints.http.headers import IDEMPOTENCY_KEY
from oms_entrypoints.http.openapi.call import Answer, HeaderParameter, Operation
from oms_entrypoints.http.openapi.refusals import NOBODYS, STORE, invalid
from oms_entrypoints.http.views import (
    DeadLetterListView,
    NewSecretView,
    NewSubscriptionView,
    ReplayedView,
    SubscriptionListView,
    SubscriptionView,
)

_TAG: Final = "webhooks"
_INVALID_URL: Final = invalid("/url", "must begin with https://")


def _of_one(
    method: str,
    path: str,
    name: str,
    summary: str,
    answer: Answer,
    *refusals: errors.OmsError,
    says: str = "",
    body: type | None = None,
) -> Operation:
    """Describe a call to one subscription; *refusals* are those of this call alone."""
    return Operation(
        method,
        path,
        name,
        _TAG,
        summary,
        says=says,
        role=Role.ADMIN,
        body=body,
        answers=(answer,),
        refusals=(
            *refusals,
            errors.SubscriptionNotFound(NOBODYS),
            errors.FeedSwitchedOff(),
            *STORE,
        ),
    )


WEBHOOK_CALLS: Final = (
    Operation(
        "POST",
        subscriptions.SUBSCRIPTIONS,
        "subscribe",
        _TAG,
        "Have events posted to an address.",
        says=(
            "The answer alone shows the secret that messages are signed with (Standard "
            "Webhooks): keep it. If the answer was lost, send the request again under the same "
            "`Idempotency-Key`, then make a new secret."
        ),
        role=Role.ADMIN,
        body=Subscribe,
        headers=(
            HeaderParameter(
                "Idempotency-Key",
                "The same request again answers with the same subscription, without its secret.",
                IDEMPOTENCY_KEY,
            ),
        ),
        answers=(
            Answer(
                201,
                "Subscribed.",
                NewSubscriptionView,
                headers=("Location", "Idempotent-Replayed"),
            ),
        ),
        refusals=(
            _INVALID_URL,
            errors.FeedSwitchedOff(),
            errors.IdempotencyKeyReused(),
            *STORE,
        ),
    ),
    Operation(
        "GET",
        subscriptions.SUBSCRIPTIONS,
        "listSubscriptions",
        _TAG,
        "List subscriptions with how their deliveries are.",
        role=Role.ADMIN,
        answers=(Answer(200, "All of them.", SubscriptionListView),),
        refusals=(errors.FeedSwitchedOff(), *STORE),
    ),
    _of_one(
        "GET",
        subscriptions.SUBSCRIPTION,
        "getSubscription",
        "Read a subscription with how its deliveries are.",
        Answer(200, "The subscription.", SubscriptionView),
    ),
    _of_one(
        "PATCH",
        subscriptions.SUBSCRIPTION,
        "changeSubscription",
        "Change a subscription, switch it off, or let it go on after a stop.",
        Answer(200, "The subscription after it.", SubscriptionView),
        _INVALID_URL,
        body=ChangeSubscription,
    ),
    _of_one(
        "DELETE",
        subscriptions.SUBSCRIPTION,
        "unsubscribe",
        "Send nothing any more, and forget what waits.",
        Answer(204, "Forgotten.", media_type=None),
    ),
    _of_one(
        "POST",
        subscriptions.SECRET,
        "rotateSecret",
        "Sign with a new secret.",
        Answer(200, "The subscription with its new secret.", NewSecretView),
        says=(
            "For 24 hours messages carry the signatures of the new secret and of the one "
            "before, so that receivers can change over without losing any."
        ),
    ),
    _of_one(
        "GET",
        subscriptions.DEAD_LETTERS,
        "listDeadLetters",
        "List the events that were sent for three days in vain.",
        Answer(200, "All of them.", DeadLetterListView),
    ),
    _of_one(
        "POST",
        subscriptions.REPLAY,
        "replayDeadLetters",
        "Send dead letters again, one or all.",
        Answer(200, "They are on their way.", ReplayedView),
        invalid("/event_id", "must be a UUID"),
        body=ReplayDeadLetters,
    ),
)
