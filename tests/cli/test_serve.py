"""The server and the workers as processes: how they start, and that they stop clean."""

import json
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from oms_core import OrderManagement, OrderStatus
from oms_entrypoints.cli.api_client import ORDERS, ApiClient
from tests.support.command_line import (
    ARMCHAIR,
    SCOPE,
    RunCommand,
    ended,
    free_port,
    place,
    started,
    store,
    wait_for_line,
    wait_until_ready,
)

SETTLE_S = 60.0


def client(oms: RunCommand, port: int) -> ApiClient:
    return ApiClient(f"http://127.0.0.1:{port}", oms("token").out.strip(), SCOPE)


def request(key: str) -> dict[str, object]:
    return {
        "idempotency_key": key,
        "payment_provider": "simulated",
        "payment_reference": f"card_{key}",
        "channel": "web",
        "line_items": [{"sku": ARMCHAIR, "quantity": 1, "unit_price": "129.90"}],
    }


def leases_held(oms: OrderManagement, keys: int) -> int:
    """Count the orders that nobody could take over at once."""
    orders = oms.list_orders(SCOPE).orders
    assert len(orders) == keys
    return sum(
        oms.storage.claim(SCOPE, order.id, "somebody else", lease_s=60.0) is None
        for order in orders
    )


def test_an_order_placed_over_http_is_confirmed_and_the_server_ends_when_asked(
    oms: RunCommand, folder: Path
) -> None:
    port = free_port()
    oms("inventory", "adjust", ARMCHAIR, "10")

    with started(folder, "serve", "--port", str(port)) as server:
        wait_until_ready(server, port)
        placed = client(oms, port).post(ORDERS, request("ARMCHAIR-1"))
        with store(folder) as beside:
            (order,) = beside.list_orders(SCOPE).orders
            settled = beside.wait_for(SCOPE, order.id, timeout_s=SETTLE_S)
        server.terminate()
        end = ended(server)

    lines = [json.loads(line) for line in end.err.splitlines()]
    assert placed.status == 201
    assert settled.status is OrderStatus.CONFIRMED
    assert (end.code, end.out) == (0, "")
    assert [line["event"] for line in lines if line["event"] != "request"] == [
        "listening",
        "stopping",
        "stopped",
    ]


def test_no_token_and_no_customer_is_in_the_log(oms: RunCommand, folder: Path) -> None:
    port = free_port()

    with started(folder, "serve", "--port", str(port)) as server:
        wait_until_ready(server, port)
        api = client(oms, port)
        api.post(ORDERS, {**request("ARMCHAIR-1"), "metadata": {"who": "Pat O'Neil"}})
        api.get("/api/v1/oms/orders?cursor=" + api.token)
        server.terminate()
        end = ended(server)

    secret = (folder / "oms.db.secret").read_text().strip()
    assert "request" in end.err
    assert not [word for word in (api.token, secret, "O'Neil", "Bearer") if word in end.err]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_leaves_no_lease_held(
    oms: RunCommand, folder: Path, how: signal.Signals
) -> None:
    """A lease that is left makes its order wait for as long as a crash would."""
    port, count = free_port(), 40
    oms("inventory", "adjust", ARMCHAIR, "1000")

    with started(folder, "serve", "--port", str(port), OMS__WORKER__THREADS="2") as server:
        wait_until_ready(server, port)
        api = client(oms, port)
        for number in range(count):
            assert api.post(ORDERS, request(f"ARMCHAIR-{number}")).status == 201
        server.send_signal(how)
        end = ended(server)

    assert end.code == 0
    with store(folder) as after:
        assert leases_held(after, count) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_drives_what_others_accepted_and_leaves_no_lease_held(
    folder: Path, how: signal.Signals
) -> None:
    with store(folder) as oms:
        orders = [place(oms, f"ARMCHAIR-{number}") for number in range(20)]

        with started(folder, "worker", "--threads", "2") as worker:
            first = oms.wait_for(SCOPE, orders[0].id, timeout_s=SETTLE_S)
            worker.send_signal(how)
            end = ended(worker)

        assert first.status is OrderStatus.CONFIRMED
        assert end.code == 0
        assert leases_held(oms, len(orders)) == 0


def test_a_second_signal_does_not_cut_a_stop_short(folder: Path) -> None:
    """Ctrl-C reaches a whole process group, and supervisors pass it on once more."""
    with started(folder, "worker") as worker:
        wait_for_line(worker, "worker started")
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            worker.send_signal(how)

        assert ended(worker).code == 0


def test_without_workers_orders_wait_for_a_worker(oms: RunCommand, folder: Path) -> None:
    port = free_port()
    oms("inventory", "adjust", ARMCHAIR, "10")

    with ExitStack() as stack:
        server = stack.enter_context(started(folder, "serve", "--no-workers", "--port", str(port)))
        wait_until_ready(server, port)
        placed = client(oms, port).post(ORDERS, request("ARMCHAIR-1")).document
        with store(folder) as beside:
            (order,) = beside.list_orders(SCOPE).orders
            waiting = beside.wait_for(SCOPE, order.id, timeout_s=1.0)
            stack.enter_context(started(folder, "worker"))
            settled = beside.wait_for(SCOPE, order.id, timeout_s=SETTLE_S)

    assert placed["order_id"] == str(order.id)
    assert waiting.status is OrderStatus.PENDING_PAYMENT
    assert settled.status is OrderStatus.CONFIRMED


def test_processes_that_start_at_once_on_an_empty_folder_share_store_and_secret(
    oms: RunCommand, folder: Path
) -> None:
    ports = [free_port(), free_port()]

    with ExitStack() as stack:
        servers = [
            stack.enter_context(started(folder, "serve", "--port", str(port))) for port in ports
        ]
        workers = [stack.enter_context(started(folder, "worker")) for _ in range(2)]
        for server, port in zip(servers, ports, strict=True):
            wait_until_ready(server, port)
        statuses = [client(oms, port).get(ORDERS).status for port in ports]
        for process in (*servers, *workers):
            process.terminate()
        codes = [ended(server).code for server in servers]

    assert statuses == [200, 200]
    assert codes == [0, 0]


def test_a_port_in_use_is_one_sentence(oms: RunCommand, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = oms("serve", "--port", str(port))

    assert refused.refusal == (
        2,
        (
            f"oms: Port {port} on 127.0.0.1 is in use; stop the other program, or choose another "
            "port (0 takes any free one).\n"
        ),
    )


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
@pytest.mark.parametrize("command", ["serve --port 0", "worker"])
def test_a_folder_that_cannot_be_written_to_is_one_sentence(
    oms: RunCommand, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("OMS__STORAGE__PATH", "/proc/oms.db")

    refused = oms(*command.split())

    assert refused.code == 2
    assert refused.err.startswith("oms: The database file /proc/oms.db ")
    assert refused.err.count("\n") == 1


def test_a_secret_that_others_may_read_keeps_the_server_from_starting(
    oms: RunCommand, folder: Path
) -> None:
    oms("token")
    (folder / "oms.db.secret").chmod(0o640)

    refused = oms("serve", "--port", "0")

    assert refused.code == 2
    assert "run `chmod 600" in refused.err
    assert refused.err.count("\n") == 1


# -- watching --------------------------------------------------------------------------------


def output_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_an_order_is_followed_until_it_settles(folder: Path) -> None:
    with store(folder) as oms:
        order = place(oms, "ARMCHAIR-1", reference="sim_lost_answer_once")

        with started(folder, "orders", "watch", str(order.id)) as watch:
            first = output_line(watch)
            while not oms.get_order(SCOPE, order.id).is_settled:
                oms.run_until_idle()
            end = ended(watch)

    assert first.split() == ["Order", str(order.id), "pending_payment"]
    assert [line.split("  ")[3].strip() for line in end.out.splitlines() if "+" in line] == [
        "placed",
        "stock reserved",
        "payment authorized",
        "confirmed",
    ]
    assert end.out.splitlines()[-1].split() == ["Order", str(order.id), "confirmed"]
    assert (end.code, end.err) == (0, "")


def test_watching_ends_where_only_the_customer_can_go_on(folder: Path, oms: RunCommand) -> None:
    with store(folder) as system:
        order = place(system, "ARMCHAIR-1", reference="sim_requires_action")
        system.run_until_idle()

        end = oms("orders", "watch", str(order.id))

    assert "Waits for customer action until" in end.out
    assert end.code == 0


def test_ctrl_c_ends_the_watching_and_not_the_order(folder: Path) -> None:
    with store(folder) as oms:
        order = place(oms, "ARMCHAIR-1")

        with started(folder, "orders", "watch", str(order.id)) as watch:
            output_line(watch)
            watch.send_signal(signal.SIGINT)
            end = ended(watch)
        oms.run_until_idle()

        assert (end.code, end.err.strip()) == (130, "")
        assert oms.get_order(SCOPE, order.id).status is OrderStatus.CONFIRMED


# -- granian ---------------------------------------------------------------------------------


def test_granian_answers_drives_and_leaves_no_lease_held(oms: RunCommand, folder: Path) -> None:
    pytest.importorskip("granian")
    port, count = free_port(), 20
    oms("inventory", "adjust", ARMCHAIR, "1000")

    with started(folder, "serve", "--wsgi", "granian", "--port", str(port)) as server:
        wait_until_ready(server, port)
        api = client(oms, port)
        for number in range(count):
            assert api.post(ORDERS, request(f"ARMCHAIR-{number}")).status == 201
        with store(folder) as beside:
            (*_, first) = beside.list_orders(SCOPE).orders
            settled = beside.wait_for(SCOPE, first.id, timeout_s=SETTLE_S)
        server.terminate()
        end = ended(server)

    assert end.code == 0
    assert settled.status is OrderStatus.CONFIRMED
    with store(folder) as after:
        assert leases_held(after, count) == 0
