"""Asking everything that the configuration names whether it can be used, now and with our keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.errors import CredentialsRejected, OmsError, PaymentTrouble
from oms_entrypoints.bootstrap.payments import make_payments
from oms_entrypoints.bootstrap.stores import http_inventory, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_core.ports.payments import PaymentProvider
    from oms_entrypoints.config import Config

AT_ONCE_MAX: Final = 8
"""So many are asked at the same time: the slowest says how long it takes, not their sum."""


@frozen
class Checked:
    """What became of asking one thing."""

    setting: str
    """Where it stands in the configuration, e.g. ``payments.card``."""
    trouble: str | None = None
    """What is wrong and what to do, in a sentence without a secret; ``None``: it is good."""
    says: str = "ok"
    """What is told of one that is good."""

    @property
    def is_good(self) -> bool:
        """It can be used."""
        return self.trouble is None


def check_live(config: Config) -> tuple[Checked, ...]:
    """Ask the store, the inventory service and every payment account a harmless question.

    The store is opened as a server opens it, which brings an older one up to date; a SQLite file
    that is not there yet is not made. Check the configuration first; all that it names is asked,
    however many of them fail.
    """
    questions: list[Callable[[], Checked]] = [lambda: _store(config)]
    if config.inventory.kind == "http":
        questions.append(lambda: _inventory(config))
    # Without a store: what the simulated provider needs is the store, and that is asked itself.
    directory = make_payments(config, None)
    for name, account in config.payments.items():
        provider = directory.common.get(name)
        if provider is None:
            simulated = Checked(f"payments.{name}", says="ok: simulated, in the store itself")
            questions.append(partial(_told, simulated))
        else:
            questions.append(_about(f"payments.{name}", provider))
        questions += [
            _about(f"payments.{name}.tenants.{tenant_id}", own)
            for tenant_id in account.tenants
            if (own := directory.by_tenant.get(tenant_id, {}).get(name)) is not None
        ]
    with ThreadPoolExecutor(AT_ONCE_MAX) as pool:
        return tuple(pool.map(lambda ask: ask(), questions))


def _told(checked: Checked) -> Checked:
    return checked


def _about(setting: str, provider: PaymentProvider) -> Callable[[], Checked]:
    """Make the question to a payment account."""

    def ask() -> Checked:
        try:
            provider.probe()
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises is an answer here
            return Checked(setting, _trouble(setting, error))
        return Checked(setting, says="ok: the credentials are accepted")

    return ask


def _trouble(setting: str, error: Exception) -> str:
    match error:
        case CredentialsRejected():
            return (
                f"the provider refuses the credentials{_code(error)}. Correct them in "
                f"[{setting}]; are they of the same environment, test or live?"
            )
        case PaymentTrouble() if error.retryable:
            return (
                f"the provider gives no answer that can be used{_code(error)}. Check its address "
                "in the configuration and the way there (name, proxy, firewall), or try again "
                "later."
            )
        case PaymentTrouble():
            return (
                f"the provider does not understand a harmless question{_code(error)}. Check the "
                f"account and the address in [{setting}]."
            )
        case _:
            return (
                f"its adapter raised an unexpected {type(error).__name__}. That is a mistake in "
                "the adapter; tell whoever wrote it."
            )


def _code(error: PaymentTrouble) -> str:
    return f" ({error.reason})" if error.reason else ""


def _store(config: Config) -> Checked:
    if config.storage.kind == "memory":
        return Checked("storage", says="ok: memory, forgotten at the end")
    if config.storage.kind == "sqlite" and not config.storage.path.exists():
        return Checked("storage", says=f"ok: {config.storage.path} will be made")
    try:
        store = open_store(config)
        try:
            store.storage.ping()
        finally:
            store.close()
    except OmsError as error:
        return Checked("storage", _said(error))
    return Checked("storage", says=f"ok: {config.storage.shown}")


def _inventory(config: Config) -> Checked:
    try:
        http_inventory(config).ping()
    except OmsError as error:
        return Checked("inventory", _said(error))
    return Checked("inventory", says=f"ok: {config.inventory.url}")


def _said(error: OmsError) -> str:
    reason = getattr(error, "reason", "")
    more = f" ({reason})" if reason and reason not in error.sentence else ""
    return error.sentence.rstrip(".") + more + "."
