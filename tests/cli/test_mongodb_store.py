"""A system whose configuration names MongoDB: it works, or one sentence says why not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oms_core import OrderStatus
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support import mongo_server
from tests.support.command_line import SCOPE, ended, free_port, place, started, wait_until_ready

PASSWORD = "correct-horse-battery"


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    """What names an empty MongoDB store."""
    with mongo_server.new_database() as database:
        yield {
            "OMS__STORAGE__KIND": "mongodb",
            "OMS__STORAGE__URI": "env:MONGODB_OF_THE_TEST",
            "OMS__STORAGE__DATABASE": database.name,
            "MONGODB_OF_THE_TEST": mongo_server.uri(),
        }


def test_an_order_is_confirmed_and_another_process_sees_it(settings: dict[str, str]) -> None:
    config = load_config(environment=settings)
    with open_system(config) as oms:
        order_id = place(oms, "first").id
        oms.run_until_idle()

    with open_system(config) as oms:
        assert oms.get_order(SCOPE, order_id).status is OrderStatus.CONFIRMED


def test_a_server_and_a_worker_run_on_one_store(tmp_path: Path, settings: dict[str, str]) -> None:
    port = free_port()
    serve = ("serve", "--no-workers", "--port", str(port))
    with (
        started(tmp_path, *serve, **settings) as server,
        started(tmp_path, "worker", **settings) as worker,
    ):
        wait_until_ready(server, port)
        with open_system(load_config(environment=settings)) as oms:
            order_id = place(oms, "first").id
            settled = oms.wait_for(SCOPE, order_id, timeout_s=30)
        ends = []
        for process in (server, worker):
            process.terminate()
            ends.append(ended(process).code)

    assert settled.status is OrderStatus.CONFIRMED
    assert ends == [0, 0]


BAD = {
    f"mongodb://pat:{PASSWORD}@127.0.0.1:9/?w=1": "sets w,",
    f"mongodb://pat:{PASSWORD}@127.0.0.1:9/?serverSelectionTimeoutMS=100": "cannot be reached",
    f"mongodb://pat:{PASSWORD}": "cannot be read",
    f"postgres://pat:{PASSWORD}@host/": "there is no mongodb:// URI",
}


@pytest.mark.parametrize(
    ("command", "uri", "said"),
    [
        *(("serve", uri, said) for uri, said in BAD.items()),
        *(("worker", uri, said) for uri, said in list(BAD.items())[:1]),
    ],
)
def test_a_store_that_cannot_be_used_is_one_sentence_and_exit_code_2(
    tmp_path: Path, settings: dict[str, str], command: str, uri: str, said: str
) -> None:
    with started(tmp_path, command, **settings | {"MONGODB_OF_THE_TEST": uri}) as process:
        end = ended(process)

    assert end.code == 2
    assert said in end.err
    assert "Traceback" not in end.err
    assert PASSWORD not in end.out + end.err


def test_check_config_says_where_the_store_is_and_keeps_the_secret(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    settings["MONGODB_OF_THE_TEST"] = f"mongodb://pat:{PASSWORD}@db.example:27017/?replicaSet=rs0"
    with started(tmp_path, "check-config", **settings) as process:
        end = ended(process)

    assert end.code == 0
    assert "at db.example:27017" in end.out
    assert PASSWORD not in end.out + end.err


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (f"mongodb://pat:{PASSWORD}@host/", "holds a password"),
        ("http://host/", "must begin with mongodb://"),
        ("mongodb", "must be env:NAME or file:PATH"),
    ],
)
def test_check_config_refuses_a_uri_that_does_not_belong_there(
    tmp_path: Path, settings: dict[str, str], uri: str, said: str
) -> None:
    with started(tmp_path, "check-config", **settings | {"OMS__STORAGE__URI": uri}) as process:
        end = ended(process)

    assert end.code == 2
    assert said in end.err
    assert PASSWORD not in end.out + end.err
