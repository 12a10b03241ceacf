"""The order management system as one object: what embedding programs and servers use."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from attrs import evolve, field, frozen

from oms_core.application.actions import actions_of
from oms_core.application.chronicle import chronicle_of
from oms_core.application.doctor import ClaimCheck, Doctor, Patience, StockCheck
from oms_core.application.driving import Driving
from oms_core.application.feed_retention import FeedRetention
from oms_core.application.inbox_applier import InboxApplier
from oms_core.application.list_orders import LIST_LIMIT_MAX, list_orders
from oms_core.application.operation_queue import OperationQueue
from oms_core.application.operation_sagas import operation_sagas
from oms_core.application.order_changes import OrderChanges
from oms_core.application.order_operations import OrderOperations
from oms_core.application.order_watch import OrderWatch
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.payment_steps import ref_of
from oms_core.application.place_order import Placed, PlaceOrder, place_order
from oms_core.application.place_order_saga import place_order_saga
from oms_core.application.provider_gate import ProviderGates
from oms_core.application.read_feed import read_feed
from oms_core.application.receive_webhook import Received, Webhook, receive_webhook
from oms_core.application.reconciliation import Pace, Reconciler
from oms_core.application.saga_moves import SagaMoves
from oms_core.application.saga_runner import RunnerSettings, SagaRunner
from oms_core.application.saga_settings import PlaceOrderSettings
from oms_core.application.steering import Operator, Steering
from oms_core.application.worker import WorkerSettings
from oms_core.domain.appointing import appoint
from oms_core.domain.operation import OperationKind
from oms_core.domain.order import SYSTEM
from oms_core.domain.saga_position import SagaState
from oms_core.errors import ConfigurationError, FeedSwitchedOff
from oms_core.ports.clock import SystemClock, system_randomness
from oms_core.ports.payment_claims import KeepsPaymentClaims
from oms_core.ports.stock_audit import AuditableInventory
from oms_core.ports.storage import OrderPage, OrderQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self
    from uuid import UUID

    from oms_core.application.actions import Action
    from oms_core.application.adjust_stock import AdjustStock
    from oms_core.application.chronicle import ChronicleEntry
    from oms_core.application.webhooks import Webhooks
    from oms_core.domain.events import HistoryEntry
    from oms_core.domain.inventory import StockLevel
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock, Randomness
    from oms_core.ports.event_log import EventLog, LoggedEvent
    from oms_core.ports.inbox import ReceivedEvent, WebhookInbox
    from oms_core.ports.inventory import Inventory, StockPage
    from oms_core.ports.payments import PaymentProvider
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.storage import OrderStorage


@frozen
class Settings:
    """All times, limits and models of the core; the defaults suit one machine."""

    saga: PlaceOrderSettings = field(factory=PlaceOrderSettings)
    runner: RunnerSettings = field(factory=RunnerSettings)
    worker: WorkerSettings = field(factory=WorkerSettings)
    keep_events_s: float | None = None
    """How long the feed keeps events; ``None``: for ever."""


class OrderManagement:
    """Accepts orders once and only once, and drives each one to its end.

    Give it adapters, ours or your own. Nothing runs by itself until ``start`` (worker
    threads) or ``run_until_idle`` (this thread) is called; any number of processes may run
    against one store. All methods are safe to call from any thread.

    Every method raises ``StoreUnavailable`` when the store cannot answer: nothing was
    acknowledged, repeat the same call.
    """

    def __init__(
        self,
        *,
        storage: OrderStorage,
        inventory: Inventory,
        payments: PaymentDirectory | Mapping[str, PaymentProvider],
        publisher: EventPublisher | None = None,
        inbox: WebhookInbox | None = None,
        event_log: EventLog | None = None,
        webhooks: Webhooks | None = None,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Put the parts together; *payments* maps the names that requests use to providers.

        Without an *inbox* no notifications of providers can be received.
        """
        self.storage = storage
        self.inventory = inventory
        self._clock = clock or SystemClock()
        directory = (
            payments if isinstance(payments, PaymentDirectory) else PaymentDirectory(payments)
        )
        self.payments = evolve(directory, gates=ProviderGates(self._clock))
        self.settings = settings or Settings()
        self.inbox = inbox
        self._publisher = publisher
        self._event_log = event_log
        self._webhooks = webhooks
        self._watch = OrderWatch()
        saga = self.settings.saga
        self._saga = place_order_saga(inventory, self.payments, saga)
        queue = self._queue = OperationQueue(operation_sagas(inventory, self.payments, saga))
        moves = SagaMoves(
            [self._saga],
            queue,
            randomness or system_randomness(),
            bug_attempts_max=self.settings.runner.bug_attempts_max,
        )
        self._runner = SagaRunner(
            moves,
            storage=storage,
            clock=self._clock,
            settings=self.settings.runner,
            on_saved=self._saved,
        )
        self._driving = Driving(
            self._runner,
            storage,
            inventory,
            self._clock,
            settings=self.settings.worker,
            publisher=publisher,
            event_log=event_log,
            applier=None if inbox is None else InboxApplier(inbox, storage, self.payment_changed),
            webhooks=webhooks,
            retention=self._make_retention(),
        )
        self._changes = OrderChanges(storage, self._clock, self._saved_from_outside)
        self.operations = OrderOperations(self._changes, queue, self.payments, saga)
        """What can be asked of an order after it was placed."""
        self.steering = Steering(self._changes, moves, queue, recheck_s=saga.recheck_s)
        """What operators can do about a saga."""

    # -- orders --------------------------------------------------------------------------

    def place_order(self, scope: Scope, request: PlaceOrder, *, actor: str = SYSTEM) -> Placed:
        """Accept an order, once: durably stored when this returns, worked on afterwards.

        The same request under the same idempotency key answers with the same order,
        whenever and from wherever it comes.

        Raises:
            IdempotencyKeyReused: the key names a different request; nothing was changed.
            PaymentReferenceInUse: the reference backs another live order.
            InvalidInput: the payment provider is not configured for this tenant.
        """
        worker = self._driving.worker
        ready = worker is not None and worker.wait_for_room(scope.tenant_id)
        placed = place_order(
            request,
            scope,
            actor=actor,
            at=self._clock.now(),
            saga=self._saga,
            storage=self.storage,
            payments=self.payments,
            holder=worker.holder if worker is not None and ready else None,
            lease_s=self.settings.runner.lease_s,
        )
        if worker is not None:
            if placed.claim is not None:
                worker.offer(placed.claim)
            worker.has_news()
        return evolve(placed, claim=None)

    def get_order(self, scope: Scope, order_id: UUID) -> Order:
        """Read one order.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        return self.storage.get(scope, order_id)

    def timeline(self, scope: Scope, order_id: UUID) -> tuple[HistoryEntry, ...]:
        """Read everything that happened to an order, oldest first.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        return self.storage.get(scope, order_id).history

    def chronicle(self, scope: Scope, order_id: UUID) -> tuple[ChronicleEntry, ...]:
        """Read all that is known of an order's life, oldest first.

        More than its ``timeline``: also what was tried and how often, and what its payment
        provider notified.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        order = self.storage.get(scope, order_id)
        notified: Sequence[ReceivedEvent] = ()
        if self.inbox is not None:
            notified = self.inbox.of_payment(order.payment.provider, ref_of(order))
        return chronicle_of(order, notified)

    def actions(self, scope: Scope, order_id: UUID) -> tuple[Action, ...]:
        """List what may be asked of an order now, and why the rest may not.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        return actions_of(self.storage.get(scope, order_id))

    def list_orders(self, scope: Scope, query: OrderQuery | None = None) -> OrderPage:
        """List orders, newest first.

        Raises:
            InvalidInput: limit outside 1-100, a negative offset, offset and cursor
                together, or a cursor that was not given out here.
        """
        return list_orders(query or OrderQuery(), scope, self.storage)

    def wait_for(self, scope: Scope, order_id: UUID, *, timeout_s: float) -> Order:
        """Wait until the order settles: ended, or somebody outside must act.

        Somebody must drive it meanwhile: workers here or in another process. Returns the
        order as it is after *timeout_s* seconds if it has not settled by then.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        return self._watch.until_settled(
            lambda: self.storage.get(scope, order_id), timeout_s=timeout_s
        )

    def wake(self, scope: Scope, order_id: UUID) -> Order:
        """Look at a waiting order's payment now instead of at its next poll.

        Harmless at any moment: an order that does not wait is left as it is.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        return self._changes.change(scope, order_id, _due_now)

    # -- notifications of payment providers ------------------------------------------------

    def receive_webhook(self, webhook: Webhook) -> Received:
        """Verify what a provider notifies and store it: durable when this returns.

        The orders that it concerns hear of it soon afterwards, once however often it comes.

        Raises:
            ProviderNotFound: the tenant has no account of this name.
            WebhookRejected: forged, stale or malformed; nothing was stored.
            RetryableNotExecuted: whether it is authentic cannot be told now.
            ConfigurationError: there is no inbox to store it in.
        """
        if self.inbox is None:
            raise ConfigurationError(
                ["Notifications cannot be kept; give OrderManagement an inbox to receive them."]
            )
        received = receive_webhook(
            webhook, payments=self.payments, inbox=self.inbox, at=self._clock.now()
        )
        if received.new:
            self._driving.has_mail()
        return received

    def payment_changed(self, scope: Scope, order_id: UUID) -> bool:
        """Hear that something happened to an order's payment: it asks the provider what.

        Harmless at any moment, and however often. ``False``: a step is under way that may have
        asked the provider just before this happened, and will only then begin to wait; tell the
        order again in a while.

        Raises:
            OrderNotFound: unknown in this tenant and organization.
        """
        will_look = True

        def ask(order: Order, at: datetime) -> Order:
            nonlocal will_look
            will_look = order.saga.state is not SagaState.RUNNING
            if order.saga.phase.is_over:
                checked = appoint(order, OperationKind.CHECK_PAYMENT, at=at)
                return self._queue.go_on(checked, at)
            return _due_now(order, at)

        self._changes.change(scope, order_id, ask)
        return will_look

    # -- operators -----------------------------------------------------------------------

    def list_sagas(
        self, states: Collection[SagaState], *, scope: Scope | None = None, limit: int = 50
    ) -> Sequence[Order]:
        """List unfinished orders by the state of their saga; ``scope=None``: all tenants."""
        return self.storage.list_sagas(states, scope=scope, limit=limit)

    def retry_saga(self, scope: Scope, order_id: UUID, *, reason: str, actor: str) -> Order:
        """Let an order that needs attention go on at once, after its cause was mended.

        The step it stopped at is tried again with its whole retry budget.

        Raises:
            NothingToSteer: the order does not need attention.
            NotPossible: it is paused, and does not need attention.
            OrderNotFound: unknown in this tenant and organization.
        """
        return self.steering.retry(scope, order_id, Operator(actor, reason))

    def reconciler(
        self,
        *,
        calls_per_second: float = 0.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> Reconciler:
        """Make what compares orders with their payment providers; 0: as fast as it goes."""
        return Reconciler(
            storage=self.storage,
            payments=self.payments,
            runner=self._runner,
            clock=self._clock,
            tell=self.payment_changed,
            pace=Pace(calls_per_second, sleep=sleep),
            holder=f"reconciler:{uuid4()}",
            sleep=sleep,
        )

    def doctor(self, patience: Patience | None = None) -> Doctor:
        """Make what checks that everything that is stored fits together."""

        def released(order: Order) -> Order:
            return self._changes.change(
                order.scope, order.id, lambda order, at: order.record_release(at=at)
            )

        inventory = self.inventory
        audit = inventory.stock_audit() if isinstance(inventory, AuditableInventory) else None
        storage = self.storage
        claims = storage.payment_claims() if isinstance(storage, KeepsPaymentClaims) else None
        return Doctor(
            storage=self.storage,
            stock=StockCheck(self.storage, inventory, audit, released),
            claims=None if claims is None else ClaimCheck(self.storage, claims),
            inbox=self.inbox,
            event_log=self._event_log,
            events_leave=self.events_leave,
            definitions=self._runner.definitions,
            clock=self._clock,
            ask_provider=lambda order: self.payment_changed(order.scope, order.id),
            give_turn=lambda order: self._changes.change(order.scope, order.id, self._queue.go_on),
            patience=patience or Patience(),
        )

    # -- events --------------------------------------------------------------------------

    def events(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Read what happened in *scope* above position *after*, in order; 0: from the beginning.

        Positions count without a gap, and none appears below one that was read: reading on from
        the last one misses nothing, whatever other machines do meanwhile.

        Raises:
            FeedSwitchedOff: no event log was given to this system.
            InvalidInput: *after* lies beyond the last position, or below what is kept.
        """
        if self._event_log is None:
            raise FeedSwitchedOff
        return read_feed(self._event_log, scope, after=after, limit=limit)

    @property
    def events_leave(self) -> bool:
        """Whether somebody takes events; else they stay with their orders, and that is right."""
        return self._event_log is not None or self._publisher is not None

    def events_lag_s(self) -> float:
        """Tell for how many seconds the order whose events leave next has waited; 0: none.

        Raises:
            StoreUnavailable: nobody knows now.
        """
        since = self.storage.unpublished_since()
        if since is None:
            return 0.0
        # It happened by the clock of whoever moved the order, which may be ahead of ours.
        return max(0.0, (self._clock.now() - since).total_seconds())

    @property
    def delivers(self) -> bool:
        """Whether there are ``webhooks``."""
        return self._webhooks is not None

    @property
    def webhooks(self) -> Webhooks:
        """Subscriptions to webhooks, and what was not delivered to them.

        Raises:
            FeedSwitchedOff: none were given to this system.
        """
        if self._webhooks is None:
            raise FeedSwitchedOff
        return self._webhooks

    # -- stock ---------------------------------------------------------------------------

    def adjust_stock(
        self, scope: Scope, request: AdjustStock, *, idempotency_key: str, actor: str
    ) -> StockLevel:
        """Book goods in or out, once per idempotency key; answers with the level after it.

        Raises:
            InsufficientStock: it would leave less on hand than is promised.
            IdempotencyKeyReused: the key names a different ledger entry.
            InventoryUnavailable: repeat the same call.
        """
        movement = request.movement(idempotency_key, actor=actor, at=self._clock.now())
        level = self.inventory.adjust(scope, movement)
        self._driving.has_news()
        return level

    def stock_levels(
        self,
        scope: Scope,
        *,
        sku: str | None = None,
        location: str | None = None,
        limit: int = LIST_LIMIT_MAX,
        cursor: str | None = None,
    ) -> StockPage:
        """List stock on hand, reserved and available, sorted by sku and location.

        Raises:
            InvalidInput: the cursor was not given out here.
            InventoryUnavailable: repeat the same call.
        """
        return self.inventory.levels(scope, sku=sku, location=location, limit=limit, cursor=cursor)

    # -- driving -------------------------------------------------------------------------

    def start(self) -> None:
        """Start worker threads; orders accepted from now on are driven at once.

        Starting again before ``stop`` changes nothing.
        """
        self._driving.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Finish what is being driven and stop; ``True`` if all of it ended in time.

        What did not end is safe: another worker goes on from the last durable step.
        """
        return self._driving.stop(timeout_s)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run worker threads for the length of a ``with`` block."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def run_until_idle(self) -> int:
        """Drive every due order in this thread, publish its events; returns how many drives.

        What providers notified is applied, too. For programs and tests without worker
        threads. Orders that wait or back off are left alone; call again later.
        """
        return self._driving.run_until_idle()

    def on_change(self, observer: Callable[[Order], None]) -> None:
        """Tell *observer* of every step an order takes in this process.

        For metrics and displays: called in the worker's thread, best effort, never again
        for what was missed; its errors are logged. Use a publisher for events that must not
        be lost.
        """
        self._watch.add(observer)

    # -- life ----------------------------------------------------------------------------

    def ping(self) -> None:
        """Raise unless store and inventory can be used now.

        Raises:
            StoreUnavailable: the store cannot be used.
            InventoryUnavailable: the inventory cannot be used.
        """
        self.storage.ping()
        self.inventory.ping()

    def close(self) -> None:
        """Stop the workers and let go of the store. Repeatable."""
        self.stop()
        if self._webhooks is not None:
            self._webhooks.close()
        self.storage.close()

    def __enter__(self) -> Self:
        """Use as ``with OrderManagement(...) as oms``: closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    # ------------------------------------------------------------------------------------

    def _make_retention(self) -> FeedRetention | None:
        keep_s = self.settings.keep_events_s
        if self._event_log is None or keep_s is None:
            return None
        subscriptions = None if self._webhooks is None else self._webhooks.subscriptions
        return FeedRetention(self._event_log, subscriptions, keep_s=keep_s, clock=self._clock)

    def _saved_from_outside(self, order: Order) -> None:
        self._saved(order)
        self._driving.look_now()

    def _saved(self, order: Order) -> None:
        self._watch.tell(order)
        self._driving.has_news()


def _due_now(order: Order, at: datetime) -> Order:
    """Have a waiting order look at its payment now; one that does not wait stays as it is."""
    if order.saga.wait is None or order.saga.due_at is None:
        return order
    return evolve(order, saga=evolve(order.saga, due_at=at))
