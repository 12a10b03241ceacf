"""Every command says in one sentence why it cannot use a MongoDB, with exit code 2."""

import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support import mongo_server
from tests.support.command_line import RunCommand

PASSWORD = "correct-horse-battery"
COMMANDS = {
    "serve": ("serve", "--port", "0"),
    "worker": ("worker",),
    "migrate": ("migrate",),
    "carry": ("migrate", "--from", "sqlite:oms.db", "--to", "env:MONGODB_OF_THE_TEST"),
    "orders": ("orders", "list"),
}
WAIT = "serverSelectionTimeoutMS=500"


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A replica set that asks who is there; the hosts and options of its URI."""
    binary = mongo_server.find_mongod()
    assert binary is not None, mongo_server.MISSING
    with tempfile.TemporaryDirectory(dir=mongo_server.memory()) as name:
        key, port = Path(name) / "key", mongo_server.free_port()
        key.write_text("aKeyOfTheMembersAlone")
        key.chmod(0o600)
        options = ("--auth", "--keyFile", key)
        server = mongo_server.start(binary, Path(name), port, replica_set="rs0", options=options)
        try:
            mongo_server.initiate(Path(name), port)
            _make_users(port)
            yield f"127.0.0.1:{port}/?replicaSet=rs0&authSource=admin"
        finally:
            mongo_server.stop(server)


def _make_users(port: int) -> None:
    """Make users of few rights: by the first one, whom anybody here may make."""
    everything = [{"role": "root", "db": "admin"}]
    with mongo_server.direct(port) as client:
        client.admin.command("createUser", "root", pwd=PASSWORD, roles=everything)
    with MongoClient[dict[str, Any]](
        f"mongodb://root:{PASSWORD}@127.0.0.1:{port}/?directConnection=true"
    ) as client:
        for user, role in (("reader", "read"), ("writer", "readWrite")):
            roles = [{"role": role, "db": "oms_guarded"}]
            client.admin.command("createUser", user, pwd=PASSWORD, roles=roles)


@pytest.fixture(scope="module")
def standalone() -> Iterator[str]:
    """A server that is no member of a replica set."""
    binary = mongo_server.find_mongod()
    assert binary is not None, mongo_server.MISSING
    with tempfile.TemporaryDirectory(dir=mongo_server.memory()) as name:
        port = mongo_server.free_port()
        server = mongo_server.start(binary, Path(name), port, replica_set=None)
        try:
            yield f"mongodb://127.0.0.1:{port}/?{WAIT}"
        finally:
            mongo_server.stop(server)


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that takes connections, on which nobody says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"mongodb://127.0.0.1:{listener.getsockname()[1]}/?{WAIT}&connectTimeoutMS=200"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_cannot_be_used_is_told_with_what_to_do(
    oms: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    guarded: str,
    standalone: str,
    silent: str,
    command: str,
) -> None:
    oms("migrate")
    here = mongo_server.uri()
    cases = {
        f"mongodb://pat:{PASSWORD}@127.0.0.1:9/?{WAIT}": "cannot be reached; start it, or correct",
        silent: "cannot be reached; start it, or correct",
        standalone: "is a standalone server, which can lose acknowledged orders",
        f"mongodb://reader:{PASSWORD}x@{guarded}": "refuses the user or the password of the URI",
        f"mongodb://{guarded}": "grant it the role readWrite",
        f"mongodb://reader:{PASSWORD}@{guarded}": "readWrite on the database oms_guarded",
        here.replace("rs0", f"other&{WAIT}"): "correct replicaSet in the URI",
        f"{here}&w=1": "sets w, and acknowledged orders could be lost in a failover",
        f"{here}&journal=false": "sets journal, and acknowledged orders could be lost",
        f"mongodb://pat:{PASSWORD}": "cannot be read; it looks like mongodb://",
    }
    monkeypatch.setenv("OMS__STORAGE__DATABASE", "oms_guarded")
    monkeypatch.setenv("OMS__STORAGE__KIND", "mongodb")
    monkeypatch.setenv("OMS__STORAGE__URI", "env:MONGODB_OF_THE_TEST")

    for uri, said in cases.items():
        monkeypatch.setenv("MONGODB_OF_THE_TEST", uri)
        code, err = oms(*COMMANDS[command]).refusal

        assert (code, err.count("\n")) == (2, 1), (uri, err)
        assert said in re.sub(r"\s+", " ", err), uri
        assert PASSWORD not in err
        assert "pat" not in err.replace("path", "")


WEAK = ["w=1", "w=0", "journal=false", "readPreference=nearest", "retryWrites=false"]


@pytest.mark.parametrize("option", WEAK)
def test_check_config_finds_what_is_too_weak_without_connecting(
    oms: RunCommand, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("OMS__STORAGE__KIND", "mongodb")
    monkeypatch.setenv("OMS__STORAGE__URI", "env:MONGODB_OF_THE_TEST")
    monkeypatch.setenv("MONGODB_OF_THE_TEST", f"mongodb://pat:{PASSWORD}@127.0.0.1:9/?{option}")

    code, err = oms("check-config").refusal

    assert code == 2
    assert f"storage.uri: The MongoDB URI sets {option.partition('=')[0]}, and" in err
    assert PASSWORD not in err


def test_a_user_with_the_role_that_the_page_names_may_do_all_but_go_over_to_claims(
    oms: RunCommand, monkeypatch: pytest.MonkeyPatch, guarded: str
) -> None:
    monkeypatch.setenv("OMS__STORAGE__KIND", "mongodb")
    monkeypatch.setenv("OMS__STORAGE__DATABASE", "oms_guarded")
    monkeypatch.setenv("OMS__STORAGE__URI", "env:MONGODB_OF_THE_TEST")
    monkeypatch.setenv("MONGODB_OF_THE_TEST", f"mongodb://writer:{PASSWORD}@{guarded}")

    made, listed, refused = (
        oms("migrate"),
        oms("orders", "list"),
        oms("migrate", "--payment-claims"),
    )

    assert (made.code, listed.code, refused.code) == (0, 0, 2)
    assert "may not change the rules of orders; grant it the role dbAdmin" in refused.err
    assert oms("orders", "list").code == 0


def test_an_index_that_is_missing_is_told_by_every_command(
    oms: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mongo_server.new_database() as database:
        monkeypatch.setenv("OMS__STORAGE__KIND", "mongodb")
        monkeypatch.setenv("OMS__STORAGE__DATABASE", database.name)
        monkeypatch.setenv("OMS__STORAGE__URI", mongo_server.uri())
        assert oms("migrate").code == 0
        mongo_server.client()[database.name].orders.drop_index("orders_due")

        for command in ("serve", "worker", "orders"):
            code, err = oms(*COMMANDS[command]).refusal

            assert (code, err.count("\n")) == (2, 1)
            assert "lacks the index orders_due; run oms migrate" in err
        assert oms("migrate").code == 0
        assert oms("orders", "list").code == 0
