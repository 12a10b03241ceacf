"""A replica set of three real members on this machine: each can be killed, and come back."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import define, field
from pymongo.errors import PyMongoError

from tests.support import mongo_server

if TYPE_CHECKING:
    from types import TracebackType

MEMBERS: Final = 3
ELECTION_MS: Final = 1_000
STARTS_WITHIN_S: Final = 60.0

_GUARDED: Final = '"$@" </dev/null & read -r _; kill -9 $!; wait $!'
"""kill -9 when our end of the pipe is closed: when we want it, or if the tests are killed."""


@define
class Member:
    """One server: what it has written outlives it."""

    folder: Path
    port: int = field(factory=mongo_server.free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the data it left behind."""
        binary = mongo_server.find_mongod()
        if binary is None:
            raise AssertionError(mongo_server.MISSING)
        self.folder.mkdir(exist_ok=True)
        arguments: list[str | Path] = [
            binary,
            *("--port", str(self.port), "--bind_ip", "127.0.0.1", "--dbpath", self.folder),
            *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
            *("--wiredTigerEngineConfigString", "log=(file_max=8MB)"),
            *("--replSet", "rs0", "--oplogSize", "64"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "transactionLifetimeLimitSeconds=3"),
        ]
        with self.folder.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDED, "guard", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it; nothing is flushed or said."""
        process, self.process = self.process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)

    def hello(self) -> dict[str, Any]:
        """Ask what it is; nothing if it does not answer."""
        if self.process is None:
            return {}
        with suppress(PyMongoError), mongo_server.direct(self.port) as there:
            return dict(there.admin.command("hello"))
        return {}


class ReplicaSet:
    """A set of three, with quick elections; use it as ``with ReplicaSet() as replica_set``."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="oms-set-", dir=mongo_server.memory()))
        self.members = [Member(self._folder / f"member-{number}") for number in range(MEMBERS)]

    @property
    def uri(self) -> str:
        """Where to connect."""
        hosts = ",".join(member.address for member in self.members)
        return f"mongodb://{hosts}/?replicaSet=rs0"

    def __enter__(self) -> Self:
        for member in self.members:
            member.start()
        self._initiate()
        self.wait_until_whole()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for member in self.members:
            member.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def primary(self) -> Member:
        """Wait for a member that takes writes."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            for member in self.members:
                if member.hello().get("isWritablePrimary"):
                    return member
            time.sleep(0.02)
        raise AssertionError("no member becomes the primary")

    def wait_until_whole(self) -> None:
        """Wait until one member takes writes and all others follow it."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            told = [member.hello() for member in self.members]
            roles = [one.get("isWritablePrimary") or one.get("secondary") for one in told]
            if all(roles) and sum(bool(one.get("isWritablePrimary")) for one in told) == 1:
                return
            time.sleep(0.05)
        raise AssertionError("the replica set does not become whole")

    def _initiate(self) -> None:
        configuration = {
            "_id": "rs0",
            "members": [
                {"_id": number, "host": member.address}
                for number, member in enumerate(self.members)
            ],
            "settings": {"electionTimeoutMillis": ELECTION_MS, "heartbeatIntervalMillis": 250},
        }
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                with mongo_server.direct(self.members[0].port) as there:
                    there.admin.command("replSetInitiate", configuration)
            except PyMongoError:
                assert time.monotonic() < deadline, "the members do not answer"
                time.sleep(0.05)
            else:
                return
