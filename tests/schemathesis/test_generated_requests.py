"""Requests that nobody would write by hand, against the running server."""

import json
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(sysconfig.get_path("scripts"))
TENANT = "11111111-1111-4111-8111-111111111111"
ORG = "22222222-2222-4222-8222-222222222222"
EXAMPLES_PER_OPERATION = 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server without any configuration, on an empty store; yields its address."""
    port = free_port()
    with (
        (tmp_path / "server.log").open("wb") as log,
        subprocess.Popen(
            [SCRIPTS / "oms", "serve", "--port", str(port)],
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_for_connections(port, process)
            yield f"http://127.0.0.1:{port}"
            process.terminate()
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def test_no_generated_request_gets_a_5xx_or_an_answer_that_is_not_documented(
    server: str, tmp_path: Path
) -> None:
    """Every operation of the document is tried, with data that fits it and data that does not."""
    report_file = tmp_path / "report.json"

    run = subprocess.run(
        [
            *(SCRIPTS / "schemathesis", "run", f"{server}/openapi.json", "--no-color"),
            *("--request-timeout", "30"),
            *("--max-examples", str(EXAMPLES_PER_OPERATION), "--generation-deterministic"),
            *("--continue-on-failure", "--no-shrink"),
            # A well-formed order may still name a provider that is not configured: that is a 400.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--header", f"Authorization: Bearer {token(tmp_path)}"),
            *("--header", f"X-Tenant-ID: {TENANT}", "--header", f"X-Org-ID: {ORG}"),
            *("--report", "json", "--report-json-path", report_file),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr + (tmp_path / "server.log").read_text()
    report = json.loads(report_file.read_text())
    operations = report["operations"]
    assert operations["total"] > 0
    assert operations["tested"] == operations["total"]
    # Had every request been turned away at the door, nothing behind it would have been tried.
    assert accepted(report, "POST /api/v1/oms/orders") > 0
    assert accepted(report, "GET /api/v1/oms/orders") > 0
    assert accepted(report, "GET /api/v1/oms/orders/{order_id}/actions") > 0
    assert accepted(report, "GET /api/v1/oms/orders/{order_id}/timeline") > 0
    assert accepted(report, "POST /api/v1/inventory/reservations") > 0
    assert accepted(report, "POST /api/v1/inventory/movements") > 0


def token(folder: Path) -> str:
    """Mint a token that may do everything, with the secret made beside the store."""
    return subprocess.run(
        [SCRIPTS / "oms", "token", "--tenant", TENANT, "--org", ORG, "--role", "ADMIN"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_connections(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the server listens: it made its secret before that."""
    while True:
        assert process.poll() is None, "the server ended before it listened"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return


def accepted(report: dict[str, Any], operation: str) -> int:
    """How many of the requests that fit the document were answered with success."""
    return sum(phase["accepted"] for phase in report["valid_rates"][operation].values())
