"""The command line: run in this process, or started as a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from uuid import UUID

from attrs import frozen

from oms_core import NewLineItem, Order, OrderManagement, PlaceOrder, Scope
from oms_core.application.adjust_stock import AdjustStock
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config

OMS: Final = Path(sys.executable).with_name("oms")
TENANT: Final = "11111111-1111-4111-8111-111111111111"
ORG: Final = "22222222-2222-4222-8222-222222222222"
SCOPE: Final = Scope(UUID(TENANT), UUID(ORG))
ARMCHAIR: Final = "CRUNCHY-ARMCHAIR"
READY_MAX_S: Final = 60.0
_DIRECT: Final = build_opener(ProxyHandler({}))


@frozen
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> tuple[int, str]:
        """Exit code and what was said, of a command that printed nothing else."""
        assert self.out == ""
        return self.code, self.err


RunCommand = Callable[..., Ended]


@contextmanager
def store(folder: Path) -> Iterator[OrderManagement]:
    """Open the store of a folder without any configuration, as an operator's command does."""
    environment = {"OMS__STORAGE__PATH": str(folder / "oms.db")}
    with open_system(load_config(environment=environment)) as oms:
        yield oms


def place(
    oms: OrderManagement, key: str, *, quantity: int = 1, reference: str = "", stock: int = 100
) -> Order:
    """Place an order for armchairs; nothing drives it yet."""
    oms.adjust_stock(
        SCOPE,
        AdjustStock(ARMCHAIR, stock, "delivery 4711"),
        idempotency_key="delivery-4711",
        actor="test",
    )
    request = PlaceOrder(
        idempotency_key=key,
        payment_provider="simulated",
        payment_reference=reference or f"card_{key}",
        channel="web",
        line_items=(NewLineItem(ARMCHAIR, quantity, "129.90"),),
    )
    return oms.get_order(SCOPE, oms.place_order(SCOPE, request, actor="pat").order_id)


def environment(**more: str) -> Mapping[str, str]:
    """Return the environment without any setting of ours but *more* and the scope."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
    return {**clean, "OMS_TENANT": TENANT, "OMS_ORG": ORG, **more}


@contextmanager
def started(folder: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start ``oms`` as a process in *folder*; ended by its own id if it still runs."""
    with subprocess.Popen(
        [OMS, *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: subprocess.Popen[str], *, timeout_s: float = 60.0) -> Ended:
    """Wait for the end of a process; its output is what has not been read of it yet."""
    assert process.stdout is not None
    assert process.stderr is not None
    # Not communicate(): it knows nothing of what readline() has read ahead.
    with ThreadPoolExecutor(2) as readers:
        out = readers.submit(process.stdout.read)
        err = readers.submit(process.stderr.read)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Ended(code, out.result(), err.result())


def wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    """Wait until the server answers that it is ready."""
    ends_at = time.monotonic() + READY_MAX_S
    while time.monotonic() < ends_at:
        assert process.poll() is None, ended(process)
        try:
            with _DIRECT.open(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise AssertionError("the server did not get ready")


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Read standard error up to the line with *text* in it; returns that line."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"the process ended without saying {text!r}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
