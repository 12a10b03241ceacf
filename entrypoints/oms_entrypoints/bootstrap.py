"""Puts the system together as the configuration says: the only module that picks adapters.

Each adapter is imported when it is asked for, so that what is not used need not be installed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from oms_core import OrderManagement, PaymentDirectory, Settings
from oms_core.application.place_order_saga import PlaceOrderSettings
from oms_core.application.saga import Backoff
from oms_core.application.saga_runner import RunnerSettings
from oms_core.application.worker import WorkerSettings
from oms_core.domain.inventory import Allocation, AllocationModel
from oms_core.domain.scope import Scope
from oms_core.errors import ConfigurationError
from oms_core.ports.authentication import Role
from oms_core.ports.clock import SystemClock
from oms_entrypoints import signing_secret
from oms_entrypoints.config.adapters import ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from oms_adapters.auth.jwt import ClaimNames, KeySource
    from oms_adapters.payments.simulated import Ledger
    from oms_adapters.sqlite import SqliteDatabase
    from oms_core.ports.authentication import Authenticator, Principal
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.payments import PaymentProvider
    from oms_core.ports.storage import OrderStorage
    from oms_entrypoints.config import Config, JwtKey, PaymentAccount, SimulatedOptions

    MakeProvider: TypeAlias = Callable[[str, Any, "Store"], PaymentProvider]

_CLOCK: Final = SystemClock()


@frozen
class Store:
    """Where orders, stock and the simulated provider's books are kept."""

    storage: OrderStorage
    inventory: Inventory
    database: SqliteDatabase | None
    """Set if it is a SQLite file."""
    ledger: Callable[[], Ledger]

    def close(self) -> None:
        """Let go of the file. Repeatable."""
        self.storage.close()


def open_system(config: Config) -> OrderManagement:
    """Open the store and put the order management together; close it at the end.

    Nothing runs yet: ``start()`` starts the workers. There is no publisher, since nobody in
    such a process subscribes: events that left for nobody would be lost to whoever comes later.

    Raises:
        StoreUnusable: the database file cannot be opened or is not ours.
        ConfigurationError: a payment adapter does not accept its options.
    """
    store = open_store(config)
    try:
        return OrderManagement(
            storage=store.storage,
            inventory=store.inventory,
            payments=_payments(config, store),
            settings=_settings(config),
        )
    except BaseException:
        store.close()
        raise


def open_store(config: Config) -> Store:
    """Open the store alone.

    Raises:
        StoreUnusable: the database file cannot be opened or is not ours.
    """
    match config.storage.kind:
        case "memory":
            return _memory_store()
        case "mongodb":
            return _mongo_store(config)
        case _:
            return _sqlite_store(config)


def check(config: Config) -> None:
    """Make everything that can be made without opening the store or making a secret.

    Raises:
        ConfigurationError: every mistake.
    """
    mistakes = _Mistakes()
    for name, key in config.auth.keys.items():
        with mistakes.of(f"auth.keys.{name}"):
            _key_source(key)
    with mistakes.of("auth.tokens"):
        _static_tokens(config)
    if config.storage.uri is not None:
        with mistakes.of("storage.uri"):
            _check_uri(config.storage.uri.value)
    _payments(config, None, mistakes)
    mistakes.refuse()


# -- stores ----------------------------------------------------------------------------------


def _memory_store() -> Store:
    from oms_adapters.inventory.memory import MemoryInventory
    from oms_adapters.storage.memory import MemoryStorage

    ledgers: list[Ledger] = []

    def ledger() -> Ledger:
        from oms_adapters.payments.simulated import MemoryLedger

        if not ledgers:
            ledgers.append(MemoryLedger())
        return ledgers[0]

    return Store(MemoryStorage(_CLOCK), MemoryInventory(_CLOCK), None, ledger)


def _sqlite_store(config: Config) -> Store:
    from oms_adapters.inventory.sqlite import SqliteInventory
    from oms_adapters.sqlite import SqliteDatabase
    from oms_adapters.storage.sqlite import SqliteStorage

    database = SqliteDatabase(config.storage.path)

    def ledger() -> Ledger:
        from oms_adapters.payments.simulated import SqliteLedger

        return SqliteLedger(database)

    try:
        return Store(
            SqliteStorage(database, _CLOCK), SqliteInventory(database, _CLOCK), database, ledger
        )
    except BaseException:
        database.close()
        raise


def _mongo_store(config: Config) -> Store:
    uri = config.storage.uri
    if uri is None:
        raise ConfigurationError(["storage.uri must say where MongoDB is."])
    _check_uri(uri.value)
    from oms_adapters.inventory.mongodb import MongoInventory
    from oms_adapters.mongodb import MongoDatabase
    from oms_adapters.storage.mongodb import MongoStorage

    database = MongoDatabase(uri.value, config.storage.database)

    def ledger() -> Ledger:
        from oms_adapters.payments.simulated.mongo_ledger import MongoLedger

        return MongoLedger(database)

    try:
        # Leases and promises go by the server's clock.
        return Store(MongoStorage(database), MongoInventory(database), None, ledger)
    except BaseException:
        database.close()
        raise


def _check_uri(uri: str) -> None:
    """Refuse a URI that cannot be read or is too weak, and a missing driver."""
    try:
        from oms_adapters.mongodb.connection import require_durable
    except ImportError as missing:
        sentence = (
            f"MongoDB needs the package {missing.name}; install it with "
            "pip install 'oms-core[mongodb]'."
        )
        raise ConfigurationError([sentence]) from missing
    require_durable(uri)


# -- payments --------------------------------------------------------------------------------


def _payments(
    config: Config, store: Store | None, mistakes: _Mistakes | None = None
) -> PaymentDirectory:
    """Make every provider; without a *store*, only those that need none, to check them."""
    found = mistakes or _Mistakes()
    common: dict[str, PaymentProvider] = {}
    by_tenant: dict[Any, dict[str, PaymentProvider]] = {}
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
    return PaymentDirectory(common, by_tenant)


def _maker(account: PaymentAccount) -> Callable[[str, Any, Store | None], PaymentProvider]:
    return _simulated if account.adapter == "simulated" else _installed(account.adapter)


def _simulated(name: str, options: SimulatedOptions, store: Store | None) -> PaymentProvider:
    from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments

    secret = options.webhook_secret
    return SimulatedPayments(
        store.ledger() if store else MemoryLedger(),
        _CLOCK,
        name,
        webhook_secret=secret.value if secret else None,
    )


def _installed(adapter: str) -> Callable[[str, Any, Store | None], PaymentProvider]:
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
        provider = SimulatedPayments(store.ledger(), _CLOCK, account)
        return [row.as_document() for row in provider.audit()]
    finally:
        store.close()


# -- authentication --------------------------------------------------------------------------


def make_authenticator(config: Config) -> Authenticator:
    """Make what tells who is calling; with no keys and no tokens, the secret beside the store.

    Raises:
        ConfigurationError: a key or token is malformed, or the secret cannot be made.
    """
    from oms_adapters.auth.chain import AuthenticatorChain
    from oms_adapters.auth.jwt import JwtAuthenticator, SharedSecret

    auth = config.auth
    mistakes = _Mistakes()
    keys: list[KeySource] = []
    for name, key in auth.keys.items():
        with mistakes.of(f"auth.keys.{name}"):
            keys.append(_key_source(key))
    tokens: Authenticator | None = None
    with mistakes.of("auth.tokens"):
        tokens = _static_tokens(config)
    mistakes.refuse()
    if _uses_own_secret(config):
        keys.append(SharedSecret(signing_secret.read_or_make(config.storage.secret_file)))
    chain: list[Authenticator] = [] if tokens is None else [tokens]
    if keys:
        # Last, because its refusals explain most.
        chain.append(
            JwtAuthenticator(
                keys,
                issuer=auth.issuer,
                audience=auth.audience,
                leeway_s=auth.leeway_s,
                claims=_claim_names(config),
            )
        )
    return chain[0] if len(chain) == 1 else AuthenticatorChain(chain)


def mint_token(config: Config, principal: Principal, *, lifetime_s: float) -> str:
    """Make a token that this configuration accepts.

    Raises:
        ConfigurationError: no configured key is a shared secret: the issuer alone can sign.
    """
    from oms_adapters.auth.jwt import mint_token as mint

    if _uses_own_secret(config):
        secret = signing_secret.read_or_make(config.storage.secret_file)
    else:
        shared = [key.secret for key in config.auth.keys.values() if key.secret is not None]
        if not shared:
            sentence = (
                "No key in [auth.keys] is a shared secret, so only the issuer can sign tokens; "
                "get one there, or configure a static token (oms token --static)."
            )
            raise ConfigurationError([sentence])
        secret = shared[0].value.encode()
    return mint(
        secret,
        principal,
        now=_CLOCK.now(),
        lifetime_s=lifetime_s,
        issuer=config.auth.issuer,
        audience=config.auth.audience,
        claims=_claim_names(config),
    )


def new_static_token() -> tuple[str, str]:
    """Make a static token and the hash under which it is configured."""
    from oms_adapters.auth.static_tokens import hash_of, new_token

    token = new_token()
    return token, hash_of(token)


def _uses_own_secret(config: Config) -> bool:
    return not config.auth.keys and not config.auth.tokens


def _key_source(key: JwtKey) -> KeySource:
    from oms_adapters.auth.jwt import JwksKeys, PublicKey, SharedSecret

    if key.secret is not None:
        return SharedSecret(key.secret.value.encode())
    if key.public_key is not None:
        return PublicKey(key.public_key.value.encode())
    return JwksKeys(key.jwks_url or "")


def _static_tokens(config: Config) -> Authenticator | None:
    if not config.auth.tokens:
        return None
    from oms_adapters.auth.static_tokens import (
        StaticToken,
        StaticTokenAuthenticator,
    )

    return StaticTokenAuthenticator(
        [
            StaticToken(token.hash, name, Scope(token.tenant, token.org), Role(token.role))
            for name, token in config.auth.tokens.items()
        ]
    )


def _claim_names(config: Config) -> ClaimNames:
    from oms_adapters.auth.jwt import ClaimNames

    auth = config.auth
    return ClaimNames(auth.tenant_claim, auth.org_claim, auth.role_claim, auth.subject_claim)


# --------------------------------------------------------------------------------------------


def _settings(config: Config) -> Settings:
    saga, worker, stock = config.saga, config.worker, config.inventory
    return Settings(
        saga=PlaceOrderSettings(
            action_deadline_s=saga.action_deadline_s,
            pending_deadline_s=saga.pending_deadline_s,
            poll_s=saga.poll_s,
            proof_after_s=saga.proof_after_s,
            retry=Backoff(saga.attempts_max, saga.retry_first_s, saga.retry_cap_s),
            allocation=Allocation(AllocationModel(stock.allocation), stock.ttl_s),
            allocation_by_tenant={
                tenant_id: Allocation(AllocationModel(own.allocation), own.ttl_s)
                for tenant_id, own in stock.tenants.items()
            },
        ),
        runner=RunnerSettings(lease_s=worker.lease_s),
        worker=WorkerSettings(worker.threads, worker.poll_s, worker.queue_max),
    )


class _Mistakes:
    """Collects what adapters object to, under the names of the settings."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def of(self, setting: str) -> Iterator[None]:
        """Take down what is raised inside, if it is about the configuration."""
        try:
            yield
        except ConfigurationError as error:
            self._found += [f"{setting}: {sentence}" for sentence in error.mistakes]
        except ValueError as error:
            self._found.append(f"{setting}: {error}")

    def refuse(self) -> None:
        """Raise all that was taken down, if there is any."""
        if self._found:
            raise ConfigurationError(self._found)
