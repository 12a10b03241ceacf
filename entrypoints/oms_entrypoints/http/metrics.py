"""What monitoring sees, in the Prometheus text format. No label holds what a client chose."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from oms_core.domain.saga_position import SagaState
from oms_core.errors import OmsError
from oms_core.ports.webhook_sender import AttemptOutcome
from oms_entrypoints.scheduled_checks import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oms_core.application.order_management import OrderManagement
    from oms_core.application.webhooks import Webhooks
    from oms_entrypoints.scheduled_checks import CheckReports

UNMATCHED: Final = "(unmatched)"
"""The route of a request that no route matched: its path may be anything."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REASON: Final = re.compile(r"[a-z0-9_.-]{1,64}", re.ASCII)
_REASONS_MAX: Final = 50
_LATENCIES_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one application, in a registry of its own: two never mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "oms_http_requests",
            "Requests answered, by route template, method and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "oms_http_request_duration_seconds",
            "From the first byte of a request in the application to its answer.",
            ["method", "route"],
            buckets=_LATENCIES_S,
            registry=self.registry,
        )
        orders = Counter(
            "oms_orders_placed",
            "Orders placed: accepted for the first time, or repeats answered with the same order.",
            ["result"],
            registry=self.registry,
        )
        self._accepted = orders.labels("accepted")
        self._replayed = orders.labels("replayed")
        self._webhooks = Counter(
            "oms_webhooks_received",
            "Notifications of payment providers, by account and what became of them: stored, "
            "repeated (all of it was there), rejected, or failed (the provider sends it again).",
            ["provider", "result"],
            registry=self.registry,
        )
        self._webhook_events = Counter(
            "oms_webhook_events_stored",
            "Events of payment providers stored for the first time, by account.",
            ["provider"],
            registry=self.registry,
        )
        self._webhooks_rejected = Counter(
            "oms_webhooks_rejected",
            "Notifications that were not authentic, too old or malformed, by account and reason.",
            ["provider", "reason"],
            registry=self.registry,
        )
        self._attempts = Counter(
            "oms_delivery_attempts",
            "Attempts of this process to deliver an event to a subscriber's endpoint: taken, "
            "not_taken (it is sent again) or gone (the endpoint answered 410).",
            ["result"],
            registry=self.registry,
        )
        self._reasons: set[str] = set()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self.registry)

    def watch(self, oms: OrderManagement) -> None:
        """Ask store and inventory how they are whenever somebody looks."""
        self.registry.register(_StoresCollector(oms))
        if oms.delivers:
            for outcome in AttemptOutcome:
                self._attempts.labels(outcome.value)
            oms.webhooks.on_attempt(lambda outcome: self._attempts.labels(outcome.value).inc())
            self.registry.register(_DeliveriesCollector(oms.webhooks))

    def watch_checks(self, reports: CheckReports) -> None:
        """Show what scheduled checks came to last, in whichever process."""
        self.registry.register(_ChecksCollector(reports))

    def answered(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            known = method if method in _METHODS else "OTHER"
            children = self._children[known, route, status] = (
                self._requests.labels(known, route, str(status)),
                self._latency.labels(known, route),
            )
        requests, latency = children
        requests.inc()
        latency.observe(duration_s)

    def placed(self, *, replayed: bool) -> None:
        """Count an order."""
        (self._replayed if replayed else self._accepted).inc()

    def webhook_stored(self, provider: str, *, new: int, events: int) -> None:
        """Count a notification that was acknowledged. *provider* is a configured name."""
        result = "repeated" if events and not new else "stored"
        self._webhooks.labels(provider, result).inc()
        self._webhook_events.labels(provider).inc(new)

    def webhook_failed(self, provider: str) -> None:
        """Count a notification that could not be judged or kept now."""
        self._webhooks.labels(provider, "failed").inc()

    def webhook_rejected(self, provider: str, reason: str) -> None:
        """Count a notification that was refused.

        Reasons are an adapter's own codes; should one ever repeat what was sent to it, the
        figures stay few all the same.
        """
        if reason not in self._reasons:
            if len(self._reasons) < _REASONS_MAX and _REASON.fullmatch(reason):
                self._reasons.add(reason)
            else:
                reason = "other"
        self._webhooks.labels(provider, "rejected").inc()
        self._webhooks_rejected.labels(provider, reason).inc()

    def page(self) -> tuple[bytes, str]:
        """Return the figures, counted now, and their content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class _DeliveriesCollector(Collector):
    """Over all tenants together: a label for each subscription would be one for each customer."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the figures without asking anybody: registering must not need it."""
        return self._families()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Ask the store. While it does not answer there is no count, rather than a wrong one."""
        families = subscriptions, held, dead, since = self._families()
        try:
            tally = self._webhooks.tally()
        except OmsError:
            return families
        for state in ("active", "failing", "stopped", "disabled"):
            subscriptions.add_metric([state], getattr(tally, state))
        held.add_metric([], tally.held)
        dead.add_metric([], tally.dead)
        if tally.held_since is not None:
            since.add_metric([], tally.held_since.timestamp())
        return families

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, ...]:
        return (
            GaugeMetricFamily(
                "oms_delivery_subscriptions", "Subscriptions by state.", labels=["state"]
            ),
            GaugeMetricFamily(
                "oms_delivery_held", "Orders and stock items whose next event was not taken yet."
            ),
            GaugeMetricFamily("oms_delivery_dead_letters", "Events that were given up."),
            GaugeMetricFamily(
                "oms_delivery_held_since_timestamp_seconds",
                "When the first of the held events was refused first; none: nothing is held.",
            ),
        )


class _StoresCollector(Collector):
    def __init__(self, oms: OrderManagement) -> None:
        self._oms = oms

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the figures without asking anybody: registering must not need it."""
        yield self._sagas()
        yield self._store_up()
        yield self._webhooks_waiting()
        yield self._events_lag()
        yield self._inventory_up()
        yield self._provider_up()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Ask both. While the store does not answer there is no count, rather than a wrong one."""
        sagas, store_up = self._sagas(), self._store_up()
        webhooks, events_lag = self._webhooks_waiting(), self._events_lag()
        inbox = self._oms.inbox
        try:
            counts = self._oms.storage.count_sagas()
            waiting = None if inbox is None else inbox.count_new()
            lag_s = self._oms.events_lag_s() if self._oms.events_leave else None
        except OmsError:
            store_up.add_metric([], 0)
        else:
            store_up.add_metric([], 1)
            for state in SagaState:
                if state is not SagaState.FINISHED:
                    sagas.add_metric([state], counts.get(state, 0))
            if waiting is not None:
                webhooks.add_metric([], waiting)
            if lag_s is not None:
                events_lag.add_metric([], lag_s)
        yield sagas
        yield store_up
        yield webhooks
        yield events_lag
        inventory_up = self._inventory_up()
        try:
            self._oms.inventory.ping()
        except OmsError:
            inventory_up.add_metric([], 0)
        else:
            inventory_up.add_metric([], 1)
        yield inventory_up
        provider_up = self._provider_up()
        payments = self._oms.payments
        refusing = {one.account.name for one in payments.gates.refusing()}
        for name in sorted(payments.all_names):
            provider_up.add_metric([name], int(name not in refusing))
        yield provider_up

    @staticmethod
    def _provider_up() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "oms_payment_provider_up",
            "0 while the account of this name, or a tenant's own of it, refuses the credentials "
            "of this process.",
            labels=["provider"],
        )

    @staticmethod
    def _sagas() -> GaugeMetricFamily:
        return GaugeMetricFamily("oms_sagas", "Unfinished sagas by state.", labels=["state"])

    @staticmethod
    def _webhooks_waiting() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "oms_webhook_events_waiting", "Stored events of payment providers not acted on yet."
        )

    @staticmethod
    def _events_lag() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "oms_events_lag_seconds",
            "How long the order whose events leave next has waited; 0: none waits.",
        )

    @staticmethod
    def _store_up() -> GaugeMetricFamily:
        return GaugeMetricFamily("oms_store_up", "Whether the store could be asked.")

    @staticmethod
    def _inventory_up() -> GaugeMetricFamily:
        return GaugeMetricFamily("oms_inventory_up", "Whether the inventory can be used.")


class _ChecksCollector(Collector):
    """Before a check's first end there are no figures of it, rather than zeros."""

    def __init__(self, reports: CheckReports) -> None:
        self._reports = reports

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the figures."""
        return (*self._reconciled(), *self._examined())

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Show the last reports. While the store does not answer there are none."""
        return (
            *self._told(Job.RECONCILE, *self._reconciled()),
            *self._told(Job.DOCTOR, *self._examined()),
        )

    def _told(
        self, job: Job, counted: GaugeMetricFamily, ended: GaugeMetricFamily
    ) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        with suppress(OmsError):
            last = self._reports.last_run(job)
            if last is not None:
                ended.add_metric([], last.ended_at.timestamp())
                for name, count in last.counts.items():
                    counted.add_metric([name], count)
        return counted, ended

    @staticmethod
    def _reconciled() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "oms_reconcile_orders",
                "Orders of the last scheduled reconciliation, by what came of it.",
                labels=["verdict"],
            ),
            GaugeMetricFamily(
                "oms_reconcile_last_end_timestamp_seconds",
                "When the last scheduled reconciliation ended.",
            ),
        )

    @staticmethod
    def _examined() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "oms_doctor_findings",
                "What the last scheduled examination found, by kind.",
                labels=["kind"],
            ),
            GaugeMetricFamily(
                "oms_doctor_last_end_timestamp_seconds", "When that examination ended."
            ),
        )
