"""What one subscription is sent before the next one has its turn."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.domain.delivery import GONE, Failure
from oms_core.ports.webhook_sender import AttemptOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oms_core.domain.delivery import DeliveryProgress
    from oms_core.ports.clock import Clock, Randomness
    from oms_core.ports.event_log import EventLog, LoggedEvent
    from oms_core.ports.subscriptions import Subscribed
    from oms_core.ports.webhook_sender import WebhookSender

_log = logging.getLogger("oms_core.webhooks")

PAGE: Final = 100
"""New events of a turn."""


@frozen
class DeliverySettings:
    """How patiently events are delivered to webhooks."""

    threads: int = 16
    """Subscriptions delivered to at once, in this process."""
    poll_s: float = 1.0
    """How often the store is asked for events that other processes published, and for retries."""
    turn_s: float = 5.0
    """How long one subscription has its turn."""
    lease_s: float = 30.0
    """How long a subscription stays with a process that died; longer than a turn and one wait
    for an endpoint."""
    retry_first_s: float = 5.0
    """Longest wait after a first failure; four times as long after each further one."""
    retry_cap_s: float = 3_600.0
    """Longest wait between two attempts."""
    give_up_after_s: float = 259_200.0
    """Three days: then the event is a dead letter."""


class DeliveryTurn:
    """Sends what is held and due, and then what is new, until the turn is over."""

    def __init__(
        self,
        claimed: Subscribed,
        event_log: EventLog,
        sender: WebhookSender,
        clock: Clock,
        randomness: Randomness,
        settings: DeliverySettings,
        must_stop: Callable[[], bool],
        on_attempt: Callable[[AttemptOutcome], None],
    ) -> None:
        """Begin where *claimed* stands."""
        self._subscription = claimed.subscription
        self._progress = claimed.progress
        self._event_log = event_log
        self._sender = sender
        self._clock = clock
        self._randomness = randomness
        self._settings = settings
        self._must_stop = must_stop
        self._on_attempt = on_attempt
        self._ends_at = clock.now() + timedelta(seconds=settings.turn_s)

    def take(self) -> DeliveryProgress:
        """Send; returns how far it came."""
        self._send_held()
        if self._may_go_on():
            self._send_new()
        return self._progress

    def _send_held(self) -> None:
        for held in self._progress.due(self._clock.now()):
            for position in held.positions:
                if not self._may_go_on():
                    return
                (logged,) = self._read(after=position - 1, limit=1)
                if logged.position != position:
                    # It stopped for longer than events are kept.
                    self._progress = self._progress.forgotten(position, held.subject_id)
                elif not self._sent(logged):
                    break

    def _send_new(self) -> None:
        for logged in self._read(after=self._progress.position, limit=PAGE):
            if not self._may_go_on() or not self._progress.has_room:
                return
            event = logged.event
            if not self._subscription.wants(event.event_type):
                self._progress = self._progress.passed(logged.position)
            elif self._progress.holding(event.subject_id) is not None:
                self._progress = self._progress.queued(logged.position, event.subject_id)
            else:
                self._sent(logged)

    def _sent(self, logged: LoggedEvent) -> bool:
        """Send one event, and note what came of it."""
        event = logged.event
        message_id = str(event.event_id)
        body = json.dumps(event.to_document(), separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "oms-core",
            **self._subscription.headers(message_id, body, at=self._clock.now()),
        }
        attempt = self._sender.send(self._subscription.url, headers, body)
        self._on_attempt(attempt.outcome)
        now = self._clock.now()
        match attempt.outcome:
            case AttemptOutcome.TAKEN:
                self._progress = self._progress.taken(logged.position, event.subject_id, at=now)
                return True
            case AttemptOutcome.GONE:
                self._progress = self._progress.halted(GONE)
            case AttemptOutcome.NOT_TAKEN:
                held = self._progress.holding(event.subject_id)
                attempts = 1 if held is None else held.attempts + 1
                # In trouble, every probe may be of another order: what counts is all of them.
                wait_s = self._wait_s(
                    max(attempts, self._progress.failures - 1), attempt.retry_after_s
                )
                failure = Failure(now, attempt.error, wait_s, self._settings.give_up_after_s)
                self._progress = self._progress.not_taken(logged.position, event, failure)
                said = {
                    "subscription_id": str(self._subscription.id),
                    "event_id": str(event.event_id),
                    "error": attempt.error,
                }
                _log.info("webhook not taken", extra=said)
        return False

    def _wait_s(self, attempts: int, asked_s: float | None) -> float:
        """Return four times as long with every attempt, less up to half of it by chance."""
        longest = self._settings.retry_first_s * 4.0 ** min(attempts - 1, 30)
        longest = min(longest, self._settings.retry_cap_s)
        wait_s = self._randomness.uniform(longest / 2, longest)
        return max(wait_s, min(asked_s or 0.0, self._settings.retry_cap_s))

    def _may_go_on(self) -> bool:
        now = self._clock.now()
        return now < self._ends_at and self._progress.may_send(now) and not self._must_stop()

    def _read(self, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        return self._event_log.read(self._subscription.scope, after=after, limit=limit)
