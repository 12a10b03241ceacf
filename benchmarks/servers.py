"""Servers that are measured: ours as ``oms serve`` starts it, and the bare one beside it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import field, frozen

from benchmarks.child import ROOT
from benchmarks.order_body import SKUS, STOCK
from oms_core import Scope
from oms_core.ports.authentication import Principal, Role
from oms_entrypoints import bootstrap
from oms_entrypoints.config import AuthSection, Config, JwtKey, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ADJUST: Final = "/api/v1/inventory/adjust"
SCOPE: Final = Scope(
    UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
)
_VARIABLE: Final = "OMS_BENCHMARKS_KEY"
_TOKEN_S: Final = 86_400.0
_START_MAX_S: Final = 30.0
_OMS: Final = Path(sysconfig.get_path("scripts")) / "oms"


@frozen
class Server:
    """A server that is listening."""

    pid: int
    port: int
    headers: Mapping[str, str] = field(repr=False)
    folder: Path

    @property
    def memory_bytes(self) -> int:
        """How much memory the process holds now (resident set, Linux)."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        message = f"process {self.pid} has no memory: it has ended"
        raise RuntimeError(message)

    def post(self, path: str, document: Any, *, key: str) -> None:
        """Send one request that must succeed."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {**self.headers, "Content-Type": "application/json", "Idempotency-Key": key}
        connection.request("POST", path, json.dumps(document), headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status < 300, text

    def receive_stock(self) -> None:
        """Book in what all orders of a benchmark need."""
        for sku in SKUS:
            movement = {"sku": sku, "quantity_delta": STOCK, "reason": "delivery"}
            self.post(ADJUST, movement, key=f"delivery-{sku}")


@contextmanager
def our_server(
    *, storage: str, workers: bool, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run ``oms serve`` as it comes, on an empty store of the kind *storage*.

    *settings* are variables of its environment: where the store is, if it is not here.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        secret = token_urlsafe(32)
        environment = {
            **os.environ,
            **(settings or {}),
            "OMS__STORAGE__KIND": storage,
            "OMS__AUTH__KEYS__BENCHMARKS__SECRET": f"env:{_VARIABLE}",
            _VARIABLE: secret,
        }
        headers = {
            "Authorization": f"Bearer {_token(secret)}",
            "X-Tenant-ID": str(SCOPE.tenant_id),
            "X-Org-ID": str(SCOPE.org_id),
        }
        port = free_port()
        command = [str(_OMS), "serve", "--port", str(port)]
        if not workers:
            command.append("--no-workers")
        with _listening(command, port, folder, folder, environment) as pid:
            yield Server(pid, port, headers, folder)


def _token(secret: str) -> str:
    """Mint a JWT as any issuer would that shares the secret with the server."""
    config = Config(auth=AuthSection(keys={"benchmarks": JwtKey(secret=Secret(secret))}))
    client = Principal("benchmarks", SCOPE, Role.EDITOR)
    return bootstrap.mint_token(config, client, lifetime_s=_TOKEN_S)


@contextmanager
def bare_server() -> Iterator[Server]:
    """Run the bare server."""
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        command = [sys.executable, "-m", "benchmarks.sides.bare_server", str(port)]
        with _listening(command, port, ROOT, folder, dict(os.environ)) as pid:
            yield Server(pid, port, {}, folder)


@contextmanager
def _listening(
    command: Sequence[str],
    port: int,
    working_folder: Path,
    log_folder: Path,
    environment: Mapping[str, str],
) -> Iterator[int]:
    log_file = log_folder / "server.log"
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command, cwd=working_folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_until_listening(port, process, log_file)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], log_file: Path) -> None:
    ends_at = time.monotonic() + _START_MAX_S
    while process.poll() is None and time.monotonic() < ends_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    message = f"the server does not listen; its log: {log_file.read_text(errors='replace')}"
    raise RuntimeError(message)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
