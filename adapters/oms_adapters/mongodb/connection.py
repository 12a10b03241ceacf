"""Connecting to a replica set, and refusing what would weaken its promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import (
    ConfigurationError as DriverConfigurationError,
)
from pymongo.errors import (
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from oms_core.errors import ConfigurationError, StoreUnusable

Document: TypeAlias = "dict[str, Any]"
Client: TypeAlias = "MongoClient[Document]"

SELECTION_TIMEOUT_S: Final = 5.0
"""How long a call waits for a primary: an election takes a second or two (F32)."""
CONNECT_TIMEOUT_S: Final = 5.0
SOCKET_TIMEOUT_S: Final = 10.0
WRITE_CONCERN_TIMEOUT_S: Final = 5.0

DURABLE: Final = WriteConcern(w="majority", j=True, wtimeout=int(WRITE_CONCERN_TIMEOUT_S * 1_000))
"""A write is acknowledged once it is in the journals of a majority: no failover, and no power
cut, takes it back."""
COMMITTED: Final = ReadConcern("majority")
"""A read decides on nothing that a failover could take back."""

SNAPSHOT: Final = ReadConcern("snapshot")
"""Within a transaction everything is read as of one committed moment."""

_WIRE_VERSION_MIN: Final = 17
"""MongoDB 6.0."""
_BAD_CREDENTIALS: Final = 18
NOT_PERMITTED: Final = 13


class _PlainIntegers(TypeDecoder):
    """Reads 64-bit integers as Python's own: the driver's class would leak into the domain."""

    @property
    def bson_type(self) -> Any:
        """The class that is replaced."""
        return Int64

    def transform_bson(self, value: Any) -> int:
        """Return the same number."""
        return int(value)


CODEC: Final[CodecOptions[Document]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD,
    type_registry=TypeRegistry([_PlainIntegers()]),
)


def _is_not(*strong: object) -> Callable[[object], bool]:
    return lambda value: value not in strong


_WEAKENING: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "w": (_is_not("majority"), "acknowledged orders could be lost in a failover"),
    "journal": (_is_not(True), "acknowledged orders could be lost in a power cut"),
    "fsync": (_is_not(True), "it replaces the journal, which acknowledged orders rely on"),
    "readConcernLevel": (_is_not("majority"), "decisions could be made on what is taken back"),
    "readPreference": (_is_not("primary"), "decisions could be made on what is out of date"),
    "retryWrites": (_is_not(True), "a failover would reach clients as an error"),
    "retryReads": (_is_not(True), "a failover would reach clients as an error"),
    "tlsInsecure": (_is_not(False), "anybody on the way could pose as the server"),
    "tlsAllowInvalidCertificates": (
        _is_not(False),
        "anybody on the way could pose as the server",
    ),
}
"""Options of the URI that take away a promise: which values do, and what would happen."""

_WAITS: Final[Mapping[str, float]] = {
    "serverSelectionTimeoutMS": SELECTION_TIMEOUT_S,
    "connectTimeoutMS": CONNECT_TIMEOUT_S,
    "socketTimeoutMS": SOCKET_TIMEOUT_S,
    "wTimeoutMS": WRITE_CONCERN_TIMEOUT_S,
}
"""Options that may make a call give up sooner, in seconds, but not wait for longer."""


def require_durable(uri: str) -> None:
    """Check *uri* without connecting (but for the DNS look-ups of ``mongodb+srv``).

    Raises:
        ConfigurationError: it is no MongoDB URI, or an option of it weakens a promise. No
            sentence repeats the URI, which may hold a password.
    """
    try:
        if not uri.isprintable():
            raise InvalidURI
        options = dict(parse_uri(uri, validate=True, warn=False)["options"])
    except (PyMongoError, ValueError, TypeError):
        # Without the driver's words: they may quote a part of a password.
        sentence = (
            "The MongoDB URI cannot be read; it looks like "
            "mongodb://USER:PASSWORD@HOST:27017/?replicaSet=rs0, with special characters of the "
            "user and the password percent-encoded."
        )
        raise ConfigurationError([sentence]) from None
    given = {str(name).lower(): value for name, value in options.items()}
    mistakes = [
        f"The MongoDB URI sets {name}, and {consequence}; leave that option out."
        for name, (weakens, consequence) in _WEAKENING.items()
        if name.lower() in given and weakens(given[name.lower()])
    ]
    mistakes += [
        f"The MongoDB URI lets a call wait too long; set {name} to {limit_s * 1_000:g} or less, "
        "or leave it out."
        for name, limit_s in _WAITS.items()
        if name.lower() in given and not 0 < _seconds(name, given[name.lower()]) <= limit_s
    ]
    if mistakes:
        raise ConfigurationError(mistakes)


def _seconds(name: str, value: Any) -> float:
    """Return a time-out in seconds; the driver has divided all but one of them already."""
    if value is None:
        return 0.0
    return float(value) / 1_000 if name == "wTimeoutMS" else float(value)


def connect(uri: str, *, application: str = "oms") -> Client:
    """Make a client of the replica set that *uri* names, and see that it can be relied on.

    Raises:
        ConfigurationError: the URI cannot be read or is too weak.
        StoreUnusable: the server cannot be reached, refuses the credentials, is no replica
            set, or is too old. The sentence names the hosts and no secret.
    """
    require_durable(uri)
    try:
        client: Client = MongoClient(uri, **_defaults(uri), appname=application)
    except (PyMongoError, ValueError, TypeError, OSError):
        sentence = (
            "The options of the MongoDB URI do not fit together, or a file that they name cannot "
            "be read; correct them."
        )
        raise ConfigurationError([sentence]) from None
    try:
        _require_replica_set(client, hosts_of(uri))
    except BaseException:
        client.close()
        raise
    return client


def _defaults(uri: str) -> Document:
    """Return the options that hold unless the URI says otherwise."""
    given = {name.lower() for name in parse_uri(uri, validate=False, warn=False)["options"]}
    defaults: Document = {
        "serverSelectionTimeoutMS": int(SELECTION_TIMEOUT_S * 1_000),
        "connectTimeoutMS": int(CONNECT_TIMEOUT_S * 1_000),
        "socketTimeoutMS": int(SOCKET_TIMEOUT_S * 1_000),
        # Threads that wait for a connection wait no longer than for a primary.
        "waitQueueTimeoutMS": int(SELECTION_TIMEOUT_S * 1_000),
        "heartbeatFrequencyMS": 500,
        "maxPoolSize": 200,
        "retryWrites": True,
        "retryReads": True,
    }
    return {name: value for name, value in defaults.items() if name.lower() not in given}


def hosts_of(uri: str) -> str:
    """Name the hosts of *uri*, and nothing else of it."""
    try:
        nodes = parse_uri(uri, validate=False, warn=False)["nodelist"]
    except (PyMongoError, ValueError, TypeError):
        return "the configured hosts"
    return ", ".join(f"{host}:{port}" for host, port in nodes)


def _require_replica_set(client: Client, hosts: str) -> None:
    try:
        hello = client.admin.command("hello", read_preference=ReadPreference.PRIMARY)
    except ServerSelectionTimeoutError:
        raise StoreUnusable(_unreachable(client, hosts)) from None
    except OperationFailure as error:
        if error.code in {_BAD_CREDENTIALS, NOT_PERMITTED}:
            raise StoreUnusable(
                f"MongoDB at {hosts} refuses the user or the password of the URI; correct them, "
                "and authSource if the user was made in another database."
            ) from None
        raise StoreUnusable(
            f"MongoDB at {hosts} refuses to serve this program (code {error.code}); "
            "look into its log."
        ) from None
    except (InvalidURI, DriverConfigurationError):
        raise StoreUnusable(
            f"MongoDB at {hosts} cannot be used by this driver; use MongoDB 6.0 or later."
        ) from None
    except PyMongoError:
        raise StoreUnusable(_unreachable(client, hosts)) from None
    if int(hello.get("maxWireVersion", 0)) < _WIRE_VERSION_MIN:
        raise StoreUnusable(f"MongoDB at {hosts} is too old; use 6.0 or later.")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StoreUnusable(
            f"MongoDB at {hosts} is a standalone server, which can lose acknowledged orders and "
            "has no transactions; start it with --replSet rs0 and run rs.initiate() once. A "
            "replica set may have one member."
        )


def _unreachable(client: Client, hosts: str) -> str:
    """Say whether nobody answers, or the wrong ones do, or there is no primary."""
    servers = client.topology_description.server_descriptions().values()
    if not servers:
        # The driver forgets whoever is of another set.
        return (
            f"MongoDB at {hosts} answers but is no member of the replica set that the URI names; "
            "correct replicaSet in the URI: rs.status().set tells it there."
        )
    if any(server.is_server_type_known for server in servers):
        return (
            f"MongoDB at {hosts} answers but has no primary; see rs.status() there, and that "
            "replicaSet in the URI is the name of the set. A new set needs rs.initiate() once."
        )
    return (
        f"MongoDB at {hosts} cannot be reached; start it, or correct the host and port "
        "(and tls) of the URI."
    )
