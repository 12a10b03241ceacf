"""The script that makes the replica set, against three real members that ask for a key."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from oms_core import OrderStatus
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support import mongo_server
from tests.support.command_line import SCOPE, place
from tests.support.deployment import DEPLOY
from tests.support.mongo_server import find_mongod, free_port, memory

GUARDED = '"$@" </dev/null & read -r _; kill -9 $!; wait $!'
"""Ends the member when our end of the pipe is closed: also if the tests are killed."""
PASSWORD = "correct-horse-battery"


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Three members that have nothing in common yet but the key."""
    binary = find_mongod()
    assert binary is not None, mongo_server.MISSING
    folder = Path(tempfile.mkdtemp(prefix="oms-deploy-", dir=memory()))
    ports = [free_port() for _ in range(3)]
    key = folder / "keyfile"
    key.write_text("a" * 64)
    key.chmod(0o400)
    try:
        with ExitStack() as members:
            for port in ports:
                members.enter_context(_member(binary, folder / str(port), port, key))
            yield ports
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _member:  # noqa: N801 - used as a function
    def __init__(self, binary: Path, folder: Path, port: int, key: Path) -> None:
        folder.mkdir()
        arguments = [
            *(str(binary), "--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", str(folder)),
            *("--replSet", "rs0", "--keyFile", str(key), "--oplogSize", "64", "--quiet"),
            *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", GUARDED, "guard", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def run(folder: Path, uri: str, port: int, password: str = "admin-4711") -> str:
    """Run the script as the container does; returns what it said."""
    (folder / "uri").write_text(uri + "\n")
    (folder / "password").write_text(password + "\n")
    ended = subprocess.run(
        [sys.executable, DEPLOY / "replica_set.py", folder / "uri", folder / "password", str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert ended.returncode == 0, ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow  # the first election takes ten seconds
def test_three_members_become_a_replica_set_that_the_program_can_use(
    ports: list[int], tmp_path: Path
) -> None:
    members = ",".join(f"127.0.0.1:{port}" for port in ports)
    uri = f"mongodb://oms:{PASSWORD}@{members}/oms?replicaSet=rs0"

    said = [run(tmp_path, uri, ports[0]) for _ in range(2)]
    settings = {
        "OMS__STORAGE__KIND": "mongodb",
        "OMS__STORAGE__URI": "env:MONGODB_OF_THE_TEST",
        "MONGODB_OF_THE_TEST": uri,
    }
    with open_system(load_config(environment=settings)) as oms:
        order_id = place(oms, "first").id
        oms.run_until_idle()
        status = oms.get_order(SCOPE, order_id).status

    assert said == ["The replica set is ready.\n"] * 2
    assert status is OrderStatus.CONFIRMED
    client: MongoClient[dict[str, Any]]
    with MongoClient(uri) as client:
        hosts = {member["name"] for member in _status(ports[0])["members"]}
        assert hosts == set(members.split(","))
        with pytest.raises(OperationFailure):
            client["other"].command("insert", "any", documents=[{}])
    nobody: MongoClient[dict[str, Any]]
    with (
        MongoClient("127.0.0.1", ports[0], directConnection=True) as nobody,
        pytest.raises(OperationFailure),
    ):
        nobody["oms"]["orders"].find_one()


def _status(port: int) -> dict[str, Any]:
    client: MongoClient[dict[str, Any]]
    with MongoClient(
        "127.0.0.1", port, directConnection=True, username="admin", password="admin-4711"
    ) as client:
        status: dict[str, Any] = client.admin.command("replSetGetStatus")
        return status
