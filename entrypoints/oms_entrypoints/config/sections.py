"""The tables of the configuration file: each setting, its range and its default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from attrs import field, frozen

from oms_core.application.delivery_turn import DeliverySettings
from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
from oms_core.application.saga_runner import RunnerSettings
from oms_core.application.saga_settings import PlaceOrderSettings
from oms_core.application.worker import WorkerSettings
from oms_core.domain.inventory import Allocation, AllocationModel
from oms_core.ports.authentication import Role
from oms_entrypoints.config.payment_options import SimulatedOptions
from oms_entrypoints.config.rules import (
    Choice,
    FilePath,
    Seconds,
    SecretReference,
    StoreUri,
    Switch,
    TableOf,
    TablesOf,
    Text,
    UuidName,
    Whole,
    setting,
)
from oms_entrypoints.config.secret import Secret
from oms_entrypoints.http.settings import HttpSettings, WsgiServer

_HTTP: Final = HttpSettings()
_SAGA: Final = PlaceOrderSettings()
_RUNNER: Final = RunnerSettings()
_WORKER: Final = WorkerSettings()
_DELIVERY: Final = DeliverySettings()
_POLICY: Final = PaymentPolicy()
_YEAR_S: Final = 31_536_000

_CLAIM: Final = Text(r"[!-~]{1,255}", "must be the name of a claim, without spaces")
_RATE: Final = Text(
    r"[1-9][0-9]{0,8}/(second|minute|hour)",
    'must be a number of requests and a time, such as "600/minute"',
)
_HOST: Final = Text(r"[0-9A-Za-z.:_-]{1,255}", "must be an address or a host name")
_URL: Final = Text(r"https?://[!-~]{1,2000}", "must be a URL that begins with https://")
_SERVICE_URL: Final = Text(
    r"https?://[0-9A-Za-z.:\[\]-]{1,255}(/[0-9A-Za-z._~/-]{0,1000})?",
    "must be a URL that begins with https://, without user, query and fragment",
)
_SHA256: Final = Text(
    r"sha256:[0-9a-f]{64}", "must be sha256: and 64 hexadecimal digits; oms token --static makes it"
)

SECRET_BYTES_MIN: Final = 32
"""HS256 is as strong as its secret: at least as long as the hash (RFC 7518, 3.2)."""


@frozen
class ServerSection:
    """The HTTP server."""

    host: str = setting(
        _HOST, default=_HTTP.host, says="Address to listen on; 0.0.0.0 for every network."
    )
    port: int = setting(
        Whole(0, 65_535), default=_HTTP.port, says="Port to listen on; 0 for a free one."
    )
    threads: int = setting(
        Whole(1, 1_000), default=_HTTP.threads, says="Requests answered at once."
    )
    wsgi: WsgiServer = setting(
        Choice(("waitress", "granian")),
        default=_HTTP.wsgi,
        says="WSGI server; granian needs the extra oms-core[granian].",
    )
    body_limit_bytes: int = setting(
        Whole(1_024, 104_857_600),
        default=_HTTP.body_limit_bytes,
        says="Largest request body; a larger one gets a 413.",
    )
    rate_limit: str | None = setting(
        _RATE,
        default=_HTTP.rate_limit,
        example="600/minute",
        says='Requests per tenant and process, such as "600/minute"; no limit if left out.',
    )
    connection_limit: int = setting(
        Whole(1, 100_000), default=_HTTP.connection_limit, says="Open connections, idle ones too."
    )
    idle_timeout_s: float = setting(
        Seconds(1, 3_600), default=_HTTP.idle_timeout_s, says="When an idle connection is closed."
    )
    stop_timeout_s: float = setting(
        Seconds(0, 3_600),
        default=_HTTP.stop_timeout_s,
        says="How long a stop waits for requests and orders that are under way.",
    )


@frozen
class JwtKey:
    """A key that tokens are signed with. Its kind decides the one algorithm it is for."""

    secret: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_SIGNING_SECRET",
        says="A shared secret of 32 bytes or more (HS256): env:NAME or file:PATH.",
    )
    public_key: Secret | None = setting(
        SecretReference(),
        default=None,
        example="file:issuer.pem",
        says="Or a public key in PEM, RSA (RS256) or P-256 (ES256): env:NAME or file:PATH.",
    )
    jwks_url: str | None = setting(
        _URL,
        default=None,
        example="https://id.example.com/jwks.json",
        says="Or where the issuer publishes its keys (RS256, ES256).",
    )

    def mistakes(self) -> list[tuple[str, str]]:
        """Tell what does not fit together, each with the setting it stands at."""
        given = [one for one in (self.secret, self.public_key, self.jwks_url) if one is not None]
        if len(given) != 1:
            return [("secret", "or public_key or jwks_url must be given, exactly one of them")]
        if self.secret is not None and len(self.secret.value.encode()) < SECRET_BYTES_MIN:
            return [("secret", f"is shorter than {SECRET_BYTES_MIN} bytes; make a longer one")]
        return []


@frozen
class StaticToken:
    """A token for a machine, kept as its hash alone."""

    hash: str = setting(
        _SHA256, example="sha256:HEX", says="sha256: and the token's SHA-256; `oms token --static`."
    )
    tenant: UUID = setting(
        UuidName(), example="11111111-1111-4111-8111-111111111111", says="The tenant it acts for."
    )
    org: UUID = setting(
        UuidName(),
        example="22222222-2222-4222-8222-222222222222",
        says="The organization it acts for.",
    )
    role: str = setting(Choice(tuple(Role)), example="EDITOR", says="What it may do.")


@frozen
class AuthSection:
    """Who may call."""

    issuer: str | None = setting(
        Text(),
        default=None,
        example="https://id.example.com/",
        says="What a token's `iss` must be.",
    )
    audience: str | None = setting(
        Text(), default=None, example="oms", says="What a token's `aud` must name."
    )
    leeway_s: float = setting(
        Seconds(0, 60), default=30.0, says="How far the issuer's clock may be from ours."
    )
    tenant_claim: str = setting(_CLAIM, default="tenant_id", says="Claim that names the tenant.")
    org_claim: str = setting(_CLAIM, default="org_id", says="Claim that names the organization.")
    role_claim: str = setting(_CLAIM, default="role", says="Claim that names the role.")
    subject_claim: str = setting(_CLAIM, default="sub", says="Claim that names the caller.")
    keys: Mapping[str, JwtKey] = setting(
        TablesOf(JwtKey),
        factory=dict,
        says="Keys that sign tokens. With neither keys nor tokens, a secret is made beside the "
        "store at the first start.",
    )
    tokens: Mapping[str, StaticToken] = setting(
        TablesOf(StaticToken), factory=dict, says="Static tokens for machines."
    )


@frozen
class StorageSection:
    """Where orders and stock are kept."""

    kind: str = setting(
        Choice(("sqlite", "memory", "mongodb")),
        default="sqlite",
        says="sqlite keeps a file; memory forgets everything at the end; mongodb is a replica set, "
        "for many machines, and needs the extra oms-core[mongodb].",
    )
    path: Path = setting(
        FilePath(),
        factory=lambda: Path.cwd() / "oms.db",
        example="oms.db",
        says="The database file of sqlite.",
    )
    uri: Secret | None = setting(
        StoreUri(),
        default=None,
        example="env:OMS_MONGODB_URI",
        says="Where mongodb is: env:NAME or file:PATH that holds "
        "mongodb://USER:PASSWORD@HOST:27017/?replicaSet=rs0; without a password also the URI.",
    )
    database: str = setting(
        Text(r"[A-Za-z0-9_-]{1,38}", "must have 1 to 38 letters, digits, - and _"),
        default="oms",
        says="The name of the database in mongodb.",
    )

    def mistakes(self) -> list[tuple[str, str]]:
        """Tell what can be told without opening the store."""
        if self.kind == "mongodb" and self.uri is None:
            return [("uri", 'must be given for kind = "mongodb", such as env:OMS_MONGODB_URI')]
        if self.kind != "sqlite":
            return []
        if self.path.is_dir():
            return [("path", f"names a directory, {self.path}; name a file in it")]
        if not self.path.parent.is_dir():
            return [("path", f"needs the folder {self.path.parent}, which does not exist; make it")]
        return []

    @property
    def shown(self) -> str:
        """Say where it is, for people: nothing of it is secret."""
        match self.kind:
            case "memory":
                return "memory"
            case "mongodb" if self.uri is not None:
                hosts = self.uri.value.partition("://")[2].rpartition("@")[2]
                return f"MongoDB database {self.database} at {re.split('[/?]', hosts)[0]}"
            case _:
                return str(self.path)

    @property
    def secret_file(self) -> Path:
        """Where the signing secret is kept if none is configured."""
        if self.kind == "sqlite":
            return self.path.with_name(self.path.name + ".secret")
        return Path.cwd() / "oms.secret"


@frozen
class TenantStock:
    """A tenant's own way of promising stock."""

    allocation: str = setting(
        Choice(tuple(AllocationModel)),
        default=AllocationModel.HARD.value,
        says="hard: held until released; soft: earmarked for ttl_s.",
    )
    ttl_s: float = setting(
        Seconds(1, _YEAR_S), default=Allocation().ttl_s, says="How long a soft promise lasts."
    )


@frozen
class InventorySection(TenantStock):
    """How stock is promised to orders, and who keeps it."""

    kind: str = setting(
        Choice(("store", "http")),
        default="store",
        says="store: in the same store as orders; http: by an inventory service, such as "
        "another oms serve; needs the extra oms-core[inventory-http].",
    )
    url: str | None = setting(
        _SERVICE_URL,
        default=None,
        example="https://stock.example.com",
        says="Where the inventory service is.",
    )
    token: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_INVENTORY_TOKEN",
        says="The bearer token for it: env:NAME or file:PATH.",
    )
    signing_secret: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_INVENTORY_SECRET",
        says="Or the secret that it verifies tokens with (HS256): a short-lived token is made for "
        "each tenant and organization. env:NAME or file:PATH.",
    )
    token_issuer: str | None = setting(
        Text(), default=None, example="oms", says="`iss` of the tokens that are made."
    )
    token_audience: str | None = setting(
        Text(), default=None, example="stock", says="`aud` of the tokens that are made."
    )
    timeout_s: float = setting(
        Seconds(0.1, 600),
        default=5.0,
        says="How long a whole answer of the service may take; at most a third of worker.lease_s.",
    )
    connect_timeout_s: float = setting(
        Seconds(0.1, 600), default=2.0, says="How long connecting to it may take."
    )
    ca_file: Path | None = setting(
        FilePath(),
        default=None,
        example="stock-ca.pem",
        says="Who may vouch for the service, in PEM, instead of the usual authorities.",
    )
    tenants: Mapping[UUID, TenantStock] = setting(
        TablesOf(TenantStock, names=UuidName()), factory=dict, says="Tenants that differ."
    )

    def mistakes(self) -> list[tuple[str, str]]:
        """Tell what does not fit together, each with the setting it stands at."""
        if self.kind == "store":
            of_a_service = ("url", "token", "signing_secret", "token_issuer", "token_audience")
            return [
                (name, 'is for kind = "http" alone; set that, or leave this out')
                for name in (*of_a_service, "ca_file")
                if getattr(self, name) is not None
            ]
        found = []
        if self.url is None:
            found.append(
                ("url", 'must be given for kind = "http", such as https://stock.example.com')
            )
        if (self.token is None) == (self.signing_secret is None):
            found.append(("token", "or signing_secret must be given, exactly one of them"))
        if self.token is not None and not re.fullmatch(r"[!-~]{1,8000}", self.token.value):
            found.append(("token", "must consist of visible ASCII characters, without spaces"))
        if self.signing_secret is not None:
            if len(self.signing_secret.value.encode()) < SECRET_BYTES_MIN:
                wrong = f"is shorter than {SECRET_BYTES_MIN} bytes; make a longer one"
                found.append(("signing_secret", wrong))
        else:
            found += [
                (name, "is for tokens made with signing_secret alone; leave it out")
                for name in ("token_issuer", "token_audience")
                if getattr(self, name) is not None
            ]
        if self.ca_file is not None and not self.ca_file.is_file():
            found.append(("ca_file", f"names {self.ca_file}, where there is no file; correct it"))
        return found


@frozen
class AccountPolicy:
    """What happens to the payments of an account, whatever adapter it has."""

    capture: str = setting(
        Choice(tuple(CapturePolicy)),
        default=_POLICY.capture.value,
        says="When held money is taken. confirmation: when the order is confirmed; fulfillment: "
        "before goods leave; manual: when somebody asks for it.",
    )
    renew_before_s: float = setting(
        Seconds(1, _YEAR_S),
        default=_POLICY.renew_before_s,
        says="So long before a hold lapses it is made anew, or a person is told; for a short hold, "
        "half of its time.",
    )

    @property
    def policy(self) -> PaymentPolicy:
        """The same, in the core's words."""
        return PaymentPolicy(CapturePolicy(self.capture), self.renew_before_s)


@frozen
class PaymentAccount:
    """A payment provider under the name that orders use."""

    adapter: str
    """simulated, or the name of an installed adapter."""
    options: Any = field(factory=SimulatedOptions)
    """What the adapter asks for: its own class of options, or a dictionary."""
    tenants: Mapping[UUID, Any] = field(factory=dict)
    """The options of tenants that differ."""
    policy: AccountPolicy = AccountPolicy()
    policy_by_tenant: Mapping[UUID, AccountPolicy] = field(factory=dict)
    """The policies of the same tenants."""


@frozen
class SagaSection:
    """How patiently an order is driven."""

    action_deadline_s: float = setting(
        Seconds(1, _YEAR_S), default=_SAGA.action_deadline_s, says="Time for a customer to act."
    )
    pending_deadline_s: float = setting(
        Seconds(1, _YEAR_S), default=_SAGA.pending_deadline_s, says="Time for a provider to decide."
    )
    poll_s: float = setting(
        Seconds(0.01, 3_600), default=_SAGA.poll_s, says="How often a waiting payment is looked up."
    )
    proof_after_s: float = setting(
        Seconds(0, 86_400),
        default=_SAGA.proof_after_s,
        says="How old an unanswered call must be before a look-up proves that it had no effect.",
    )
    recheck_s: float = setting(
        Seconds(1, 86_400),
        default=_SAGA.recheck_s,
        says="How often a refund that the provider has not decided is looked at.",
    )
    complete_after_s: float | None = setting(
        Seconds(0, _YEAR_S),
        default=_SAGA.complete_after_s,
        says="How long after its delivery an order is completed by itself; without it: never.",
    )
    attempts_max: int = setting(
        Whole(1, 1_000), default=_SAGA.retry.attempts_max, says="Attempts at a step."
    )
    retry_first_s: float = setting(
        Seconds(0.001, 3_600), default=_SAGA.retry.first_s, says="Longest wait before the second."
    )
    retry_cap_s: float = setting(
        Seconds(0.001, 86_400), default=_SAGA.retry.cap_s, says="Longest wait between two."
    )


@frozen
class WorkerSection:
    """The threads that drive orders."""

    threads: int = setting(
        Whole(1, 1_000),
        default=_WORKER.threads,
        says="Orders of one tenant driven at once, per process; of all together twice as many.",
    )
    poll_s: float = setting(
        Seconds(0.01, 3_600),
        default=_WORKER.poll_s,
        says="How often the store is asked for orders that other processes accepted.",
    )
    queue_max: int = setting(
        Whole(1, 100_000), default=_WORKER.queue_max, says="Orders of one tenant claimed ahead."
    )
    at_once: int = setting(
        Whole(1, 1_000),
        default=_WORKER.at_once,
        says="Orders worked on at once, per process; those at a payment provider not counted.",
    )
    lease_s: float = setting(
        Seconds(1, 3_600),
        default=_RUNNER.lease_s,
        says="How long an order stays with a process that died; longer than any provider's call.",
    )


@frozen
class EventsSection:
    """What happens to orders, for other programs."""

    feed: bool = setting(
        Switch(),
        default=True,
        says="Keep every event for GET /api/v1/events; false: events stay with their orders.",
    )
    keep_days: int = setting(
        Whole(0, 36_500),
        default=0,
        says="How many days the feed keeps events; 0: for ever.",
    )


@frozen
class WebhooksSection:
    """How events are posted to subscribers."""

    threads: int = setting(
        Whole(1, 1_000),
        default=_DELIVERY.threads,
        says="Subscriptions delivered to at once, per process.",
    )
    timeout_s: float = setting(
        Seconds(0.1, 60), default=10.0, says="How long an endpoint may take to answer."
    )
    retry_first_s: float = setting(
        Seconds(0.001, 3_600),
        default=_DELIVERY.retry_first_s,
        says="Longest wait after a first failure; four times as long after each further one.",
    )
    retry_cap_s: float = setting(
        Seconds(0.001, 86_400), default=_DELIVERY.retry_cap_s, says="Longest wait between two."
    )
    give_up_after_s: float = setting(
        Seconds(0, _YEAR_S),
        default=_DELIVERY.give_up_after_s,
        says="How long an event is tried before it is a dead letter.",
    )
    allow_http: bool = setting(
        Switch(), default=False, says="Post to http:// too, where anybody on the way can read."
    )
    allow_private_addresses: bool = setting(
        Switch(),
        default=False,
        says="Post to private, loopback and link-local addresses: subscribers could reach what "
        "only this machine should.",
    )


@frozen
class ReconcileSection:
    """Comparing orders with their payment providers, every so often."""

    every_s: float = setting(
        Seconds(0, _YEAR_S),
        default=0.0,
        says="How often; 0: never. Of all processes on one store, one at a time does a run.",
    )
    fix: bool = setting(
        Switch(),
        default=True,
        says="Have orders that differ take over what can be proven; false: only tell.",
    )
    within_days: int = setting(
        Whole(0, 36_500),
        default=30,
        says="Only orders that were placed or that changed in so many days; 0: all.",
    )
    calls_per_second: int = setting(
        Whole(1, 10_000), default=5, says="Calls to providers, all together."
    )


@frozen
class DoctorSection:
    """Checking that everything that is stored fits together, every so often."""

    every_s: float = setting(
        Seconds(0, _YEAR_S),
        default=0.0,
        says="How often; 0: never. One process at a time. It only tells; oms doctor --fix mends.",
    )


@frozen
class LogSection:
    """What is logged, to standard error."""

    level: str = setting(
        Choice(("debug", "info", "warning", "error")), default="info", says="From which level on."
    )
    format: str = setting(
        Choice(("auto", "text", "json")),
        default="auto",
        says="auto: text in a terminal, JSON lines elsewhere.",
    )


def _simulated_alone() -> Mapping[str, PaymentAccount]:
    """Return what orders can be paid with if nothing is configured."""
    return {"simulated": PaymentAccount("simulated")}


@frozen
class Config:
    """The whole configuration, checked."""

    server: ServerSection = setting(TableOf(ServerSection), factory=ServerSection, says="")
    auth: AuthSection = setting(TableOf(AuthSection), factory=AuthSection, says="")
    storage: StorageSection = setting(TableOf(StorageSection), factory=StorageSection, says="")
    inventory: InventorySection = setting(
        TableOf(InventorySection), factory=InventorySection, says=""
    )
    payments: Mapping[str, PaymentAccount] = setting(
        TablesOf(PaymentAccount, one_at_least=True),
        factory=_simulated_alone,
        says="Payment providers by name.",
    )
    saga: SagaSection = setting(TableOf(SagaSection), factory=SagaSection, says="")
    worker: WorkerSection = setting(TableOf(WorkerSection), factory=WorkerSection, says="")
    events: EventsSection = setting(TableOf(EventsSection), factory=EventsSection, says="")
    webhooks: WebhooksSection = setting(TableOf(WebhooksSection), factory=WebhooksSection, says="")
    reconcile: ReconcileSection = setting(
        TableOf(ReconcileSection), factory=ReconcileSection, says=""
    )
    doctor: DoctorSection = setting(TableOf(DoctorSection), factory=DoctorSection, says="")
    log: LogSection = setting(TableOf(LogSection), factory=LogSection, says="")
    file: Path | None = field(default=None)
    """The file it was read from."""

    def mistakes(self) -> list[tuple[str, str]]:
        """Tell what does not fit together across sections."""
        stock, lease_s = self.inventory, self.worker.lease_s
        # Connecting, waiting for the answer, reading it: no drive may outlive its lease.
        if stock.kind == "http" and stock.timeout_s * 3 > lease_s:
            wrong = f"must be at most a third of worker.lease_s, which is {lease_s:g}"
            return [("inventory.timeout_s", wrong)]
        return []
