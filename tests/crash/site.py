"""A real installation: one SQLite file, a server, workers; started, killed and paused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

OMS: Final = Path(sys.executable).with_name("oms")
TENANT: Final = "11111111-1111-4111-8111-111111111111"
ORG: Final = "22222222-2222-4222-8222-222222222222"
START_MAX_S: Final = 60.0

CONFIG: Final = """
[server]
port = {port}

[storage]
{storage}

[saga]
poll_s = 0.2
retry_first_s = 0.05
retry_cap_s = 0.5
attempts_max = 60

[worker]
threads = 8
poll_s = 0.1
lease_s = {lease_s}

[log]
level = "warning"
"""

KEY: Final = """
[auth.keys.shared]
secret = "file:key"
"""


@frozen
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: Any


@define
class Site:
    """Processes that share a directory. Every process is ended by its own id."""

    directory: Path
    port: int
    lease_s: float = 2.0
    storage: str = 'path = "oms.db"'
    """The lines of that section of the configuration."""
    key: str = ""
    """Signs the tokens; where it is not the one beside the store."""
    server: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(factory=list)
    token: str = ""

    def __attrs_post_init__(self) -> None:
        """Write the configuration."""
        text = CONFIG.format(port=self.port, lease_s=self.lease_s, storage=self.storage)
        if self.key:
            (self.directory / "key").write_text(self.key)
            text += KEY
        (self.directory / "oms.toml").write_text(text)

    # -- processes -----------------------------------------------------------------------

    def oms(self, *arguments: str) -> str:
        """Run a command to its end and return what it prints."""
        done = subprocess.run(
            [OMS, "--config", "oms.toml", *arguments],
            cwd=self.directory,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def start(self, *, workers: int) -> None:
        """Start whatever is not running, and wait until the server answers."""
        if self.server is None or self.server.poll() is not None:
            self.server = self._popen("serve")
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < workers:
            self.workers.append(self._popen("worker"))
        if not self.token:
            self.token = self.oms(
                "token", "--tenant", TENANT, "--org", ORG, "--role", "ADMIN", "--ttl", "1d"
            ).strip()
        ends_at = time.monotonic() + START_MAX_S
        while not self._is_ready():
            assert self.server.poll() is None, "the server ended by itself; see server.log"
            assert time.monotonic() < ends_at, "the server does not get ready"
            time.sleep(0.02)

    def books(self) -> list[dict[str, Any]]:
        """Read what the simulated provider's own books say."""
        payments: list[dict[str, Any]] = json.loads(self.oms("simulated", "--json"))["payments"]
        return payments

    def stop(self) -> list[int]:
        """Stop everything politely; returns the exit codes."""
        running = [p for p in (self.server, *self.workers) if p and p.poll() is None]
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        return [process.wait(timeout=30) for process in running]

    def kill_all(self) -> None:
        """Leave no process behind, whatever the test came to."""
        for process in (self.server, *self.workers):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def _popen(self, command: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{command}.log").open("ab") as log:
            return subprocess.Popen(
                [OMS, "--config", "oms.toml", command],
                cwd=self.directory,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz").status == 200
        except (OSError, HTTPException):
            return False

    # -- HTTP ----------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own.

        Raises:
            OSError: no connection, or it broke: whether the request had its effect is unknown.
            HTTPException: the answer broke off: likewise.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            sent = {
                "Authorization": f"Bearer {self.token}",
                "X-Tenant-ID": TENANT,
                "X-Org-ID": ORG,
                "Content-Type": "application/json",
                **(headers or {}),
            }
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            raw = response.read()
            parsed = json.loads(raw) if raw else None
            return Answer(response.status, dict(response.getheaders()), parsed)
        finally:
            connection.close()
