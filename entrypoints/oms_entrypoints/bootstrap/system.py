"""The whole system, put together and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_core import OrderManagement, Settings
from oms_core.application.saga import Backoff
from oms_core.application.saga_runner import RunnerSettings
from oms_core.application.saga_settings import PlaceOrderSettings
from oms_core.application.worker import WorkerSettings
from oms_core.domain.inventory import Allocation, AllocationModel
from oms_core.errors import ConfigurationError
from oms_entrypoints.bootstrap.authentication import key_source, static_tokens
from oms_entrypoints.bootstrap.mistakes import Mistakes
from oms_entrypoints.bootstrap.payments import make_payments
from oms_entrypoints.bootstrap.stores import CLOCK, check_uri, http_inventory, open_store
from oms_entrypoints.bootstrap.webhooks import make_webhooks

if TYPE_CHECKING:
    from oms_entrypoints.config import Config

_DAY_S: Final = 86_400.0


def open_system(config: Config) -> OrderManagement:
    """Open the store and put the order management together; close it at the end.

    Nothing runs yet: ``start()`` starts the workers. Events leave into the feed, where they stay
    for whoever comes later; without a feed they stay in the outbox, since nobody in such a
    process subscribes.

    Raises:
        StoreUnusable: the database file cannot be opened or is not ours.
        ConfigurationError: a payment adapter does not accept its options.
    """
    store = open_store(config)
    try:
        event_log = store.event_log() if config.events.feed else None
        return OrderManagement(
            storage=store.storage,
            inventory=store.inventory,
            payments=make_payments(config, store),
            inbox=store.inbox(),
            event_log=event_log,
            webhooks=None if event_log is None else make_webhooks(config, store, event_log),
            settings=_settings(config),
        )
    except BaseException:
        store.close()
        raise


def check(config: Config) -> None:
    """Make everything that can be made without opening the store or making a secret.

    Raises:
        ConfigurationError: every mistake.
    """
    mistakes = Mistakes()
    for name, key in config.auth.keys.items():
        with mistakes.of(f"auth.keys.{name}"):
            key_source(key)
    with mistakes.of("auth.tokens"):
        static_tokens(config)
    if config.storage.uri is not None:
        with mistakes.of("storage.uri"):
            check_uri(config.storage.uri.value)
    if config.inventory.kind == "http":
        with mistakes.of("inventory"):
            http_inventory(config)
    make_payments(config, None, mistakes)
    mistakes.refuse()


def audit_simulated(config: Config, account: str) -> list[dict[str, object]]:
    """Tell what the simulated provider's own books say of *account*: a row a payment and order.

    Raises:
        ConfigurationError: no such account, or its adapter is not the simulated one.
    """
    from oms_adapters.payments.simulated import SimulatedPayments

    simulated = [name for name, one in config.payments.items() if one.adapter == "simulated"]
    if account not in simulated:
        known = ", ".join(simulated) or "none"
        raise ConfigurationError(
            [f"There is no simulated payment account named {account}; configured: {known}."]
        )
    store = open_store(config)
    try:
        provider = SimulatedPayments(store.ledger(), CLOCK, account)
        return [row.as_document() for row in provider.audit()]
    finally:
        store.close()


def _settings(config: Config) -> Settings:
    saga, worker, stock = config.saga, config.worker, config.inventory
    return Settings(
        saga=PlaceOrderSettings(
            action_deadline_s=saga.action_deadline_s,
            pending_deadline_s=saga.pending_deadline_s,
            poll_s=saga.poll_s,
            proof_after_s=saga.proof_after_s,
            recheck_s=saga.recheck_s,
            complete_after_s=saga.complete_after_s,
            retry=Backoff(saga.attempts_max, saga.retry_first_s, saga.retry_cap_s),
            allocation=Allocation(AllocationModel(stock.allocation), stock.ttl_s),
            allocation_by_tenant={
                tenant_id: Allocation(AllocationModel(own.allocation), own.ttl_s)
                for tenant_id, own in stock.tenants.items()
            },
        ),
        runner=RunnerSettings(lease_s=worker.lease_s),
        worker=WorkerSettings(
            worker.threads, worker.poll_s, worker.queue_max, at_once=worker.at_once
        ),
        keep_events_s=config.events.keep_days * _DAY_S or None,
    )
