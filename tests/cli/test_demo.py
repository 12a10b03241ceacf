"""The demonstration: what the README promises to a new user."""

import shlex
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from oms_entrypoints.cli.api_client import ApiClient
from oms_entrypoints.cli.demo_orders import DEMO_ORDERS, SCOPE
from tests.support.command_line import ended, started


def curl_commands(out: str) -> list[list[str]]:
    """Read the commands as a shell would."""
    joined = out.replace("\\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if line.startswith("curl ")]


def send(command: list[str]) -> Any:
    """Do what curl would do with these arguments."""
    url = urlsplit(command[2])
    headers = dict(
        command[index + 1].split(": ", 1) for index, word in enumerate(command) if word == "-H"
    )
    token = headers["Authorization"].removeprefix("Bearer ")
    assert (headers["X-Tenant-ID"], headers["X-Org-ID"]) == (
        str(SCOPE.tenant_id),
        str(SCOPE.org_id),
    )
    client = ApiClient(f"{url.scheme}://{url.netloc}", token, SCOPE)
    if "-d" not in command:
        return client.get(url.path)
    import json

    return client.post(url.path, json.loads(command[command.index("-d") + 1]))


def test_it_shows_every_order_and_ends_well(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--exit", COLUMNS="80", TMPDIR=str(tmp_path)) as demo:
        end = ended(demo, timeout_s=120)

    assert (end.code, end.err) == (0, "")
    for order in DEMO_ORDERS:
        assert order.title in end.out
    for words in (
        "Idempotent-Replayed: true",
        "SQUEAKY-SOFA: 3 missing",
        "card_declined",
        "authorize_payment took 2 attempts: payment_outcome_unknown",
        "All 5 orders ended as they must.",
    ):
        assert words in end.out
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_commands_to_copy_is_wider_than_the_terminal(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--exit", COLUMNS="80") as demo:
        end = ended(demo, timeout_s=120)

    prose = end.out.split("The same with curl")[0].splitlines()
    assert [line for line in prose if len(line) > 80 and "/" not in line] == []


def test_the_curl_commands_work_as_they_are_until_ctrl_c(tmp_path: Path) -> None:
    with started(tmp_path, "demo", TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1") as demo:
        assert demo.stdout is not None
        printed = ""
        for line in demo.stdout:
            printed += line
            if line.startswith("Serving at "):
                break
        place, read, list_all = curl_commands(printed)
        answers = [send(command) for command in (place, place, read, list_all)]
        demo.send_signal(signal.SIGINT)
        end = ended(demo)

    assert [answer.status for answer in answers] == [201, 201, 200, 200]
    assert answers[0].document == answers[1].document
    assert answers[2].document["status"] == "confirmed"
    assert len(answers[3].document["orders"]) == len(DEMO_ORDERS) + 1
    assert (end.code, end.err) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_early_end_is_clean_and_removes_the_store(tmp_path: Path, how: signal.Signals) -> None:
    with started(tmp_path, "demo", TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1") as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.send_signal(how)
        end = ended(demo)

    assert (end.code, end.err.strip()) == (130, "")
    assert list(tmp_path.iterdir()) == []
