"""The quickstart, typed into a shell as it stands, against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import pages

START_MAX_S = 60.0
STOP_MAX_S = 30.0
ORDER_ID = "bdd38b20-160e-52a3-a4f6-408817602d9b"
"""As the page shows it: it follows from the tenant, the organization and the key."""

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("bash") is None, reason="needs bash and curl"
)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def environment(port: int) -> dict[str, str]:
    """The variables of somebody who has just installed the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "OMS__SERVER__PORT": str(port)}


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(["oms", "serve"], cwd=tmp_path, env=environment)  # noqa: S607 - ours, by PATH
    try:
        _wait_until_it_listens(port, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_MAX_S)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + START_MAX_S
    while time.monotonic() < ends_at and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def typed(page: Path) -> list[str]:
    """Return the blocks that are typed while the server runs, without its installation."""
    blocks = pages.blocks(page.read_text(encoding="utf-8"), "bash")
    return [
        re.sub(r'^export PATH="\$PWD.*$', "", block, flags=re.MULTILINE)
        for block in blocks
        if "pip install" not in block and "oms serve" not in block
    ]


def run(commands: list[str], folder: Path, environment: dict[str, str], port: int) -> str:
    script = "\n".join(["set -eu", *commands]).replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - whichever the reader has
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_whoever_follows_the_quickstart_sees_what_it_shows(
    tmp_path: Path, environment: dict[str, str], port: int
) -> None:
    commands = typed(pages.DOCS / "quickstart.md")
    place = next(block for block in commands if "-d '{" in block)

    out = run([*commands, place.replace("curl -sS", "curl -sSi")], tmp_path, environment, port)

    first_answer = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
    assert first_answer == json.loads(pages.blocks(pages.read("quickstart.md"), "json")[0])
    assert f"Order {ORDER_ID}  confirmed" in out
    assert "264.70 USD" in out
    assert "HTTP/1.1 200" in out
    assert "Idempotent-Replayed: true" in out
    assert re.search(r"card-4711 +authorized +264\.70 USD +1", out), "one hold, although sent twice"


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_whoever_follows_the_readme_gets_a_confirmed_order(
    tmp_path: Path, environment: dict[str, str], port: int
) -> None:
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    blocks = pages.blocks(pages.section(text, "## A first order"), "bash")
    setting = re.findall(r"^export OMS_TENANT.*$", blocks[0], re.MULTILINE)

    out = run([*setting, blocks[1], "oms orders watch " + ORDER_ID], tmp_path, environment, port)

    assert json.loads(next(line for line in out.splitlines() if line.startswith("{")))["order_id"]
    assert f"Order {ORDER_ID}  confirmed" in out


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_whoever_follows_the_life_of_an_order_sees_what_it_shows(
    tmp_path: Path, environment: dict[str, str], port: int
) -> None:
    commands = typed(pages.DOCS / "order-life.md")

    out = run(commands, tmp_path, environment, port)

    assert '"captured":"132.35"' in out, "the dry run"
    answers = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert not [answer for answer in answers if "detail" in answer]
    statuses = [
        entry["status_after"]
        for answer in answers
        for entry in answer.get("timeline", ())
        if entry["status_after"] not in {None, entry["status_before"]}
    ]
    assert statuses == [
        "pending_payment",
        "payment_authorized",
        "confirmed",
        "processing",
        "partially_fulfilled",
        "fulfilled",
        "delivered",
        "completed",
        "return_requested",
        "partially_returned",
        "partially_refunded",
    ]
    books = re.search(r"card-4711 +\w+ +264\.70 USD +264\.70 +132\.35 +0", out)
    assert books, "captured in full and given back in half, in the provider's own books"
