"""The payment providers that the configuration names, made."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from oms_core import PaymentDirectory
from oms_core.errors import ConfigurationError
from oms_entrypoints.bootstrap.mistakes import Mistakes
from oms_entrypoints.bootstrap.stores import CLOCK
from oms_entrypoints.config.adapters import ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias
    from uuid import UUID

    from oms_core.application.payment_policy import PaymentPolicy
    from oms_core.ports.payments import PaymentProvider
    from oms_entrypoints.bootstrap.stores import Store
    from oms_entrypoints.config import (
        AdyenOptions,
        Config,
        PaymentAccount,
        PaypalOptions,
        SimulatedOptions,
        StripeOptions,
    )

    MakeProvider: TypeAlias = Callable[[str, Any, "Store | None"], PaymentProvider]


def make_payments(
    config: Config, store: Store | None, mistakes: Mistakes | None = None
) -> PaymentDirectory:
    """Make every provider; without a *store*, only those that need none, to check them."""
    found = mistakes or Mistakes()
    common: dict[str, PaymentProvider] = {}
    by_tenant: dict[UUID, dict[str, PaymentProvider]] = {}
    for name, account in config.payments.items():
        make = _maker(account)
        if store is None and make is _simulated:
            continue
        with found.of(f"payments.{name}"):
            common[name] = make(name, account.options, store)
        for tenant_id, options in account.tenants.items():
            with found.of(f"payments.{name}.tenants.{tenant_id}"):
                by_tenant.setdefault(tenant_id, {})[name] = make(name, options, store)
    if mistakes is None:
        found.refuse()
    return PaymentDirectory(common, by_tenant, *_policies(config))


def _policies(
    config: Config,
) -> tuple[dict[str, PaymentPolicy], dict[UUID, dict[str, PaymentPolicy]]]:
    """Tell how payments of each account are treated, and of tenants that differ."""
    common = {name: account.policy.policy for name, account in config.payments.items()}
    by_tenant: dict[UUID, dict[str, PaymentPolicy]] = {}
    for name, account in config.payments.items():
        for tenant_id, own in account.policy_by_tenant.items():
            by_tenant.setdefault(tenant_id, {})[name] = own.policy
    return common, by_tenant


def _maker(account: PaymentAccount) -> MakeProvider:
    return _OURS.get(account.adapter) or _installed(account.adapter)


def _simulated(name: str, options: SimulatedOptions, store: Store | None) -> PaymentProvider:
    from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments

    secret = options.webhook_secret
    return SimulatedPayments(
        store.ledger() if store else MemoryLedger(),
        CLOCK,
        name,
        webhook_secret=secret.value if secret else None,
    )


def _paypal(name: str, options: PaypalOptions, store: Store | None) -> PaymentProvider:
    del name, store
    with _from_extra("paypal"):
        from oms_adapters.payments.paypal import (
            LIVE_URL,
            SANDBOX_URL,
            PaypalAccount,
            PaypalPayments,
        )

    account = PaypalAccount(
        client_id=options.client_id,
        client_secret=options.client_secret.value,
        base_url=options.base_url or (LIVE_URL if options.environment == "live" else SANDBOX_URL),
        webhook_id=options.webhook_id,
        connect_timeout_s=options.connect_timeout_s,
        read_timeout_s=options.read_timeout_s,
    )
    return PaypalPayments(account, CLOCK)


def _stripe(name: str, options: StripeOptions, store: Store | None) -> PaymentProvider:
    del name, store
    with _from_extra("stripe"):
        from oms_adapters.payments.stripe import StripePayments

    secret = options.webhook_secret
    return StripePayments(
        options.api_key.value,
        CLOCK,
        webhook_secret=secret.value if secret else None,
        account=options.account,
        return_url=options.return_url,
        multicapture=options.captures == "in_parts",
        base_url=options.base_url,
        connect_timeout_s=options.connect_timeout_s,
        read_timeout_s=options.read_timeout_s,
    )


def _adyen(name: str, options: AdyenOptions, store: Store | None) -> PaymentProvider:
    with _from_extra("adyen"):
        from oms_adapters.payments.adyen import AdyenAccount, AdyenPayments, BasicCredentials
    from oms_adapters.inbox.memory import MemoryInbox

    keys = [key.value for key in (options.hmac_key, options.previous_hmac_key) if key is not None]
    credentials = None
    if options.webhook_username is not None and options.webhook_password is not None:
        credentials = BasicCredentials(options.webhook_username, options.webhook_password.value)
    account = AdyenAccount(
        api_key=options.api_key.value,
        merchant_account=options.merchant_account,
        hmac_keys=tuple(keys),
        live_prefix=options.live_prefix if options.environment == "live" else None,
        base_url=options.base_url,
        timeout_s=options.timeout_s,
        webhook_credentials=credentials,
    )
    return AdyenPayments(
        account,
        # Without a store nothing is looked up: it is only made to be checked.
        store.inbox() if store else MemoryInbox(CLOCK),
        CLOCK,
        name,
        captures_in_parts=options.captures == "in_parts",
    )


_OURS: Final[Mapping[str, MakeProvider]] = {
    "adyen": _adyen,
    "paypal": _paypal,
    "simulated": _simulated,
    "stripe": _stripe,
}


@contextmanager
def _from_extra(extra: str) -> Iterator[None]:
    """Import an adapter of ours; say which extra it needs if its library is not there."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("oms_"):
            raise
        raise ConfigurationError(
            [
                (
                    f"the adapter {extra} needs the package {missing.name}; install it with "
                    f"pip install 'oms-core[{extra}]'."
                )
            ]
        ) from missing


def _installed(adapter: str) -> MakeProvider:
    """Let an adapter of another distribution make the provider."""

    def make(name: str, options: Mapping[str, Any], store: Store | None) -> PaymentProvider:
        from importlib.metadata import entry_points

        del store
        (point, *_) = entry_points(group=ENTRY_POINT_GROUP, name=adapter)
        try:
            factory = point.load()
        except ImportError as missing:
            raise ConfigurationError(
                [f"the adapter {adapter} needs {missing.name or 'a package'}; install it"]
            ) from missing
        provider: PaymentProvider = factory(name, options)
        return provider

    return make
