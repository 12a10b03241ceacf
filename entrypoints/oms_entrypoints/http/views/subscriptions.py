"""What clients see of subscriptions to webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import UUID

from oms_entrypoints.http.views.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.application.webhooks import NewSecret, NewSubscription
    from oms_core.domain.delivery import DeadLetter
    from oms_core.ports.subscriptions import Subscribed


class SubscriptionView(TypedDict):
    """A subscription to webhooks, and how its deliveries are."""

    subscription_id: UUID
    url: str
    event_types: Annotated[list[str], Shown("Only these; empty: all.")]
    enabled: bool
    stopped: Annotated[
        str | None, Shown("Why nothing is sent until somebody sets `enabled` to true.")
    ]
    position: Annotated[
        int, Shown("Everything in the feed up to here was taken, is held, or is a dead letter.")
    ]
    held_orders: Annotated[int, Shown("Orders and stock items whose next event was not taken yet.")]
    failures_in_a_row: int
    next_attempt_at: Annotated[
        datetime | None, Shown("When it is tried again what was not taken; null: at once.")
    ]
    last_error: Annotated[str | None, Shown("Why the last of the held events was not taken.")]
    dead_letters: int
    created_at: datetime


class NewSecretView(SubscriptionView):
    """A subscription with its new secret, which is never shown again."""

    secret: Annotated[str, Shown("Verifies `webhook-signature` (Standard Webhooks).")]


class NewSubscriptionView(SubscriptionView):
    """A new subscription with its secret, which is never shown again."""

    secret: Annotated[
        str | None,
        Shown(
            "Verifies `webhook-signature` (Standard Webhooks). null: a repeat under the same "
            "Idempotency-Key; it was shown the first time."
        ),
    ]


class SubscriptionListView(TypedDict):
    """All subscriptions, the oldest first."""

    subscriptions: list[SubscriptionView]


class DeadLetterView(TypedDict):
    """An event that was given up."""

    position: Annotated[int, Shown("In the feed.")]
    event_id: UUID
    event_type: str
    order_id: UUID | None
    sequence: int
    attempts: int
    first_tried_at: datetime
    given_up_at: datetime
    error: Annotated[str, Shown("Why it was not taken the last time.")]


class DeadLetterListView(TypedDict):
    """All dead letters of a subscription, the oldest first."""

    dead_letters: list[DeadLetterView]


class ReplayedView(TypedDict):
    """How many dead letters are sent again."""

    replayed: int


def subscription_view(subscribed: Subscribed) -> SubscriptionView:
    """Show a subscription; its secrets are never shown again."""
    subscription, progress = subscribed.subscription, subscribed.progress
    last = max(progress.held, key=lambda held: held.due_at, default=None)
    return {
        "subscription_id": subscription.id,
        "url": subscription.url,
        "event_types": list(subscription.event_types),
        "enabled": subscription.is_enabled,
        "stopped": progress.stopped,
        "position": progress.position,
        "held_orders": len(progress.held),
        "failures_in_a_row": progress.failures,
        "next_attempt_at": progress.next_held_at,
        "last_error": None if last is None else last.error,
        "dead_letters": len(progress.dead),
        "created_at": subscription.created_at,
    }


def new_subscription_view(new: NewSubscription) -> NewSubscriptionView:
    """Show a new subscription with its secret, this once."""
    return {**subscription_view(new.subscribed), "secret": new.secret}


def new_secret_view(new: NewSecret) -> NewSecretView:
    """Show a subscription with its secret, this once."""
    return {**subscription_view(new.subscribed), "secret": new.secret}


def subscription_list_view(subscriptions: Sequence[Subscribed]) -> SubscriptionListView:
    """Show all subscriptions."""
    return {"subscriptions": [subscription_view(each) for each in subscriptions]}


def dead_letter_list_view(dead: Sequence[DeadLetter]) -> DeadLetterListView:
    """Show all dead letters."""
    return {
        "dead_letters": [
            {
                "position": letter.position,
                "event_id": letter.event_id,
                "event_type": letter.event_type,
                "order_id": letter.order_id,
                "sequence": letter.sequence,
                "attempts": letter.attempts,
                "first_tried_at": letter.since,
                "given_up_at": letter.at,
                "error": letter.error,
            }
            for letter in dead
        ]
    }


def replayed_view(replayed: int) -> ReplayedView:
    """Show how many are sent again."""
    return {"replayed": replayed}
