"""Webhooks: who subscribes to what, and what becomes of events that nobody took."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from attrs import evolve, field, frozen

from oms_core.application.deliveries import Deliveries
from oms_core.application.delivery_turn import DeliverySettings
from oms_core.domain.delivery import DeliveryProgress
from oms_core.domain.events import EVENT_TYPES
from oms_core.domain.rules import (
    Flag,
    SomeOf,
    Text,
    UuidText,
    Whole,
    check,
    require,
    ruled,
)
from oms_core.domain.subscription import SigningSecret, Subscription, subscription_id_for
from oms_core.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    Mistake,
    StoreUnavailable,
    SubscriptionNotFound,
)
from oms_core.ports.clock import SystemClock, system_randomness
from oms_core.ports.event_log import not_kept
from oms_core.ports.subscriptions import Subscribed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock, Randomness
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.subscriptions import DeliveryTally, Subscriptions
    from oms_core.ports.webhook_sender import AttemptOutcome, WebhookSender

_log = logging.getLogger("oms_core.webhooks")

SUBSCRIPTIONS_MAX: Final = 50
"""Of one organization: each of them is looked at several times a second."""
SECRET_BYTES: Final = 32
OVERLAP_S: Final = 86_400.0
"""How long a replaced secret goes on signing."""
POSITION_MAX: Final = 2**53
_CHANGES_MAX: Final = 50

_URL: Final = Text(
    chars_max=2_000,
    pattern=r"https?://[!-~]+",
    says="must be a URL that begins with https://",
    example="https://shop.example.com/hooks/orders",
)
_TYPES: Final = SomeOf(EVENT_TYPES)


@frozen
class Subscribe:
    """A request for webhooks."""

    url: str = ruled(_URL, says="Where events are posted to.")
    event_types: tuple[str, ...] = ruled(_TYPES, says="Only these; empty: all.", default=())
    after: int | None = ruled(
        Whole(0, POSITION_MAX, example=0),
        says="The position in the feed after which to begin; left out: what happens from now on.",
        default=None,
    )

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class ChangeSubscription:
    """A change of a subscription: what is left out stays as it is."""

    url: str | None = ruled(_URL, says="Where events are posted to.", default=None)
    event_types: tuple[str, ...] | None = ruled(
        _TYPES, says="Only these; empty: all.", default=None
    )
    enabled: bool | None = ruled(
        Flag(),
        says="false: nothing is sent; true: go on where it stopped, also after a stop of ours.",
        default=None,
    )

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class ReplayDeadLetters:
    """A request to send dead letters again."""

    event_id: str | None = ruled(UuidText(), says="Only this one; left out: all.", default=None)

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class NewSecret:
    """A subscription and its new secret, which is shown this once."""

    subscribed: Subscribed
    secret: str = field(repr=False)


@frozen
class NewSubscription:
    """A subscription and its first secret, which is shown this once."""

    subscribed: Subscribed
    secret: str | None = field(repr=False)
    """``None``: a repeat of what was done before; the secret was shown then."""


def random_secret() -> bytes:
    """Return bytes that nobody can guess."""
    return os.urandom(SECRET_BYTES)


class Webhooks:
    """Keeps subscriptions and delivers to them, from ``start`` to ``stop``.

    Any number of processes may do so against one store. All methods are safe to call from any
    thread, and raise ``StoreUnavailable`` when the store cannot answer.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        event_log: EventLog,
        sender: WebhookSender,
        *,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        settings: DeliverySettings | None = None,
        new_secret: Callable[[], bytes] = random_secret,
    ) -> None:
        self._subscriptions = subscriptions
        self._event_log = event_log
        self._sender = sender
        self._clock = clock or SystemClock()
        self._randomness = randomness or system_randomness()
        self._settings = settings or DeliverySettings()
        self._new_secret = new_secret
        self._observers: list[Callable[[AttemptOutcome], None]] = []
        self._deliveries = self._make_deliveries()
        self._is_running = False

    @property
    def subscriptions(self) -> Subscriptions:
        """Where they are kept."""
        return self._subscriptions

    # -- subscriptions -------------------------------------------------------------------------

    def subscribe(
        self, scope: Scope, request: Subscribe, *, idempotency_key: str | None = None
    ) -> NewSubscription:
        """Send events of *scope* to an endpoint from now on.

        The same request under the same *idempotency_key* answers with the same subscription, as
        it is by now, without its secret: whoever lost the first answer makes a new one with
        ``rotate_secret``. Once the subscription is removed, its key may make it anew.

        Raises:
            InvalidInput: the URL is none that is sent to, or there are too many already.
            IdempotencyKeyReused: the key names a different request; nothing was changed.
        """
        self._require_url(request.url)
        own = uuid4()
        if idempotency_key is not None:
            own = subscription_id_for(scope, idempotency_key)
            known = self._subscriptions.find(scope, own)
            if known is not None:
                return _repeated(known, request)
        if len(self._subscriptions.list_all(scope)) >= SUBSCRIPTIONS_MAX:
            sentence = f"has {SUBSCRIPTIONS_MAX} subscriptions already; delete one"
            raise InvalidInput((Mistake("", sentence),))
        head = self._event_log.heads([scope])[scope]
        if request.after is not None and request.after > head:
            raise InvalidInput((Mistake("/after", f"lies beyond the last position, {head}"),))
        oldest = self._event_log.oldest(scope)
        if request.after is not None and request.after < oldest - 1:
            raise InvalidInput((Mistake("/after", not_kept(oldest)),))
        secret = SigningSecret.of_bytes(self._new_secret())
        subscription = Subscription(
            own,
            scope,
            request.url,
            tuple(request.event_types),
            (secret,),
            self._clock.now(),
            asked="" if idempotency_key is None else _fingerprint(request),
        )
        progress = DeliveryProgress(head if request.after is None else request.after)
        subscribed = Subscribed(subscription, progress)
        self._subscriptions.add(subscribed)
        if idempotency_key is not None:
            # Of two at once one is kept, with its own secret alone.
            kept = self.get(scope, own)
            if secret.value not in {each.value for each in kept.subscription.secrets}:
                return _repeated(kept, request)
        self._deliveries.look_now()
        return NewSubscription(subscribed, secret.value)

    def get(self, scope: Scope, subscription_id: UUID) -> Subscribed:
        """Read one.

        Raises:
            SubscriptionNotFound: unknown in this scope.
        """
        found = self._subscriptions.find(scope, subscription_id)
        if found is None:
            raise SubscriptionNotFound(subscription_id)
        return found

    def list_all(self, scope: Scope) -> Sequence[Subscribed]:
        """Read all of *scope*, the oldest first."""
        return self._subscriptions.list_all(scope)

    def change(
        self, scope: Scope, subscription_id: UUID, request: ChangeSubscription
    ) -> Subscribed:
        """Change what the request names.

        Raises:
            InvalidInput: the URL is none that is sent to.
            SubscriptionNotFound: unknown in this scope.
        """
        if request.url is not None:
            self._require_url(request.url)

        def changed(subscription: Subscription, _: datetime) -> Subscription:
            if request.url is not None:
                subscription = evolve(subscription, url=request.url)
            if request.event_types is not None:
                subscription = evolve(subscription, event_types=tuple(request.event_types))
            if request.enabled is not None:
                subscription = evolve(subscription, is_enabled=request.enabled)
            return subscription

        self._change(scope, subscription_id, changed)
        if request.enabled:
            self._move(scope, subscription_id, lambda progress, at: progress.resumed(at=at))
        self._deliveries.look_now()
        return self.get(scope, subscription_id)

    def rotate_secret(self, scope: Scope, subscription_id: UUID) -> NewSecret:
        """Sign with a new secret; for a day, messages carry the old one's signature as well.

        Raises:
            SubscriptionNotFound: unknown in this scope.
        """
        secret = SigningSecret.of_bytes(self._new_secret())

        def changed(subscription: Subscription, at: datetime) -> Subscription:
            if subscription.secrets[0] == secret:
                return subscription
            return subscription.with_new_secret(secret, at=at, overlap_s=OVERLAP_S)

        self._change(scope, subscription_id, changed)
        return NewSecret(self.get(scope, subscription_id), secret.value)

    def unsubscribe(self, scope: Scope, subscription_id: UUID) -> None:
        """Forget the subscription with all that waits for it.

        Raises:
            SubscriptionNotFound: unknown in this scope.
        """
        if not self._subscriptions.remove(scope, subscription_id):
            raise SubscriptionNotFound(subscription_id)

    def replay(self, scope: Scope, subscription_id: UUID, request: ReplayDeadLetters) -> int:
        """Send dead letters again, after which they are none; returns how many.

        One whose event the feed does not keep any more stays as it is.

        Raises:
            SubscriptionNotFound: unknown in this scope.
        """
        event_id = None if request.event_id is None else UUID(request.event_id)
        kept_from = self._event_log.oldest(scope)
        before, after = self._move(
            scope,
            subscription_id,
            lambda progress, at: progress.replayed(event_id, at=at, kept_from=kept_from),
        )
        self._deliveries.look_now()
        return len(before.dead) - len(after.dead)

    def tally(self) -> DeliveryTally:
        """Count how deliveries are, over all scopes: for monitoring."""
        return self._subscriptions.tally()

    # -- deliveries ------------------------------------------------------------------------------

    def deliver_due(self) -> int:
        """Deliver in this thread until nothing is due; returns how many turns were taken."""
        return self._deliveries.deliver_due()

    def on_attempt(self, observer: Callable[[AttemptOutcome], None]) -> None:
        """Tell *observer* what came of every attempt of this process: for metrics.

        Called in the delivering thread, best effort; its errors are logged.
        """
        self._observers.append(observer)

    def look_now(self) -> None:
        """Hear that events were published."""
        self._deliveries.look_now()

    def start(self) -> None:
        """Deliver in threads of its own until ``stop``. Starting again changes nothing."""
        if not self._is_running:
            self._is_running = True
            self._deliveries.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish the attempts under way; ``True`` if all ended in time."""
        if not self._is_running:
            return True
        self._is_running = False
        ended = self._deliveries.stop(timeout_s)
        self._deliveries = self._make_deliveries()
        return ended

    def close(self) -> None:
        """Let go of connections. Repeatable."""
        self._sender.close()

    # ------------------------------------------------------------------------------------

    def _make_deliveries(self) -> Deliveries:
        return Deliveries(
            self._subscriptions,
            self._event_log,
            self._sender,
            clock=self._clock,
            randomness=self._randomness,
            settings=self._settings,
            on_attempt=self._attempted,
        )

    def _attempted(self, outcome: AttemptOutcome) -> None:
        for observer in self._observers:
            try:
                observer(outcome)
            except Exception:  # noqa: BLE001 - whoever only looks on must not hold up an event
                _log.exception("observer failed")

    def _require_url(self, url: str) -> None:
        wrong = self._sender.mistake_in(url)
        if wrong is not None:
            raise InvalidInput((Mistake("/url", wrong),))

    def _change(
        self,
        scope: Scope,
        subscription_id: UUID,
        change: Callable[[Subscription, datetime], Subscription],
    ) -> None:
        """Apply *change* to the newest version, however often somebody saves in between."""
        for _ in range(_CHANGES_MAX):
            subscription = self.get(scope, subscription_id).subscription
            changed = change(subscription, self._clock.now())
            if changed == subscription or self._subscriptions.save(changed):
                return
        raise StoreUnavailable("others changed the subscription again and again")

    def _move(
        self,
        scope: Scope,
        subscription_id: UUID,
        change: Callable[[DeliveryProgress, datetime], DeliveryProgress],
    ) -> tuple[DeliveryProgress, DeliveryProgress]:
        """Change the progress; whoever is delivering meanwhile cannot record theirs any more.

        What they sent since their last record is sent again: at least once.
        """
        for _ in range(_CHANGES_MAX):
            progress = self.get(scope, subscription_id).progress
            changed = change(progress, self._clock.now())
            if changed == progress or self._subscriptions.record(scope, subscription_id, changed):
                return progress, changed
        raise StoreUnavailable("others changed the subscription again and again")


def _repeated(known: Subscribed, request: Subscribe) -> NewSubscription:
    if known.subscription.asked != _fingerprint(request):
        raise IdempotencyKeyReused
    return NewSubscription(known, None)


def _fingerprint(request: Subscribe) -> str:
    """SHA-256 of what is asked: equal for requests that mean the same."""
    content = [request.url, sorted(set(request.event_types)), request.after]
    text = json.dumps(content, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
