"""The configuration: one TOML file, environment variables over it, everything checked at start."""

from oms_entrypoints.config.find import find_file, load_config
from oms_entrypoints.config.payment_options import (
    AdyenOptions,
    PaypalOptions,
    SimulatedOptions,
    StripeOptions,
)
from oms_entrypoints.config.secret import Secret
from oms_entrypoints.config.sections import (
    AccountPolicy,
    AuthSection,
    Config,
    InventorySection,
    JwtKey,
    LogSection,
    PaymentAccount,
    SagaSection,
    ServerSection,
    StaticToken,
    StorageSection,
    TenantStock,
    WorkerSection,
)
from oms_entrypoints.config.store_uri import store_uri

__all__ = [
    "AccountPolicy",
    "AdyenOptions",
    "AuthSection",
    "Config",
    "InventorySection",
    "JwtKey",
    "LogSection",
    "PaymentAccount",
    "PaypalOptions",
    "SagaSection",
    "Secret",
    "ServerSection",
    "SimulatedOptions",
    "StaticToken",
    "StorageSection",
    "StripeOptions",
    "TenantStock",
    "WorkerSection",
    "find_file",
    "load_config",
    "store_uri",
]
