"""The webhook sender port: one attempt to hand a message to a subscriber's endpoint."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class AttemptOutcome(StrEnum):
    """What came of an attempt."""

    TAKEN = "taken"
    """The endpoint answered 2xx."""
    NOT_TAKEN = "not_taken"
    """Any other answer, or none: it may have been taken, and is to be sent again."""
    GONE = "gone"
    """The endpoint answered 410: it wants no more."""


@frozen
class Attempt:
    """The outcome; *error* says why not, without a secret and without the endpoint's words."""

    outcome: AttemptOutcome
    error: str = ""
    retry_after_s: float | None = None


class WebhookSender(Protocol):
    """Sends messages to endpoints that strangers chose.

    It follows no redirect, connects only to addresses that it has checked, and waits for a
    bounded time and a bounded answer.
    """

    def mistake_in(self, url: str) -> str | None:
        """Say what is wrong with *url*, as the end of a sentence; ``None``: nothing."""
        ...

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post *body*, once. Never raises for what the endpoint or the network does."""
        ...

    def close(self) -> None:
        """Let go of connections. Repeatable."""
        ...
