"""``oms orders export`` and ``oms orders import``: many orders out of a store and into one."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from oms_core import Order, OrderManagement
from oms_core.application.place_order import PlaceOrder
from oms_core.application.request_reader import read
from oms_core.domain.order_status import OrderStatus
from oms_entrypoints.bulk.order_file import LINE_BYTES_MAX
from oms_entrypoints.bulk.order_request import request_of
from tests.support import mongo_server
from tests.support.api import a_full_order_request
from tests.support.command_line import OMS, SCOPE, RunCommand, environment, started, store

MANY: Final = int(os.environ.get("OMS_TEST_BULK_ORDERS", "10000"))
"""How many orders are many. Set it to 100000 or 1000000 for an hour of proof."""
GROWTH_MAX_MB: Final = 10.0


def body(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "idempotency_key": f"checkout-{number}",
        "payment_provider": "simulated",
        "payment_reference": f"pay-{number}",
        "channel": "web",
        "line_items": [{"sku": "CRUNCHY-ARMCHAIR", "quantity": 1, "unit_price": "19.99"}],
        **changes,
    }


def line(number: int, **changes: Any) -> bytes:
    return json.dumps(body(number, **changes)).encode() + b"\n"


def all_orders(oms: OrderManagement) -> dict[str, Order]:
    from oms_core.ports.storage import OrderQuery
    from oms_entrypoints.bulk.order_export import walk

    pages = walk(oms.storage, SCOPE, OrderQuery())
    return {order.idempotency_key: order for page in pages for order in page}


# -- there and back ----------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "mongodb"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of another store, of either kind."""
    if request.param == "sqlite":
        yield {"OMS__STORAGE__PATH": str(tmp_path / "other.db")}
        return
    name = mongo_server.new_name()
    yield {
        "OMS__STORAGE__KIND": "mongodb",
        "OMS__STORAGE__URI": mongo_server.uri(),
        "OMS__STORAGE__DATABASE": name,
    }
    mongo_server.client().drop_database(name)


def test_what_is_exported_as_requests_becomes_equal_orders_in_another_store(
    oms: RunCommand,
    system: OrderManagement,
    other: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = [
        a_full_order_request(idempotency_key="full", payment_reference="p-full"),
        body(1, currency="JPY", line_items=[{"sku": "LAMP", "quantity": 3, "unit_price": 1200}]),
        body(2, metadata={"ünïcode": "line\nbreak \u2028 '\"=1+1"}),
    ]
    for document in wanted:
        system.place_order(SCOPE, read(PlaceOrder, document), actor="operator")
    exported = oms("orders", "export", "--format", "requests", "-o", "orders.ndjson")
    assert (exported.code, exported.out) == (0, "")
    assert exported.err == "Exported 3 orders to orders.ndjson.\n"

    same = oms("orders", "import", "orders.ndjson")
    for name, value in other.items():
        monkeypatch.setenv(name, value)
    there = oms("orders", "import", "orders.ndjson")
    back = oms("orders", "export", "--format", "requests", "-o", "back.ndjson")

    assert same.out == (
        "Imported 0 orders of orders.ndjson; 3 orders had been imported before.\n"
    ), "the requests mean what the first ones did"
    assert (there.code, there.out) == (0, "Imported 3 orders of orders.ndjson.\n")
    assert back.code == 0
    files = [Path(name).read_bytes() for name in ("orders.ndjson", "back.ndjson")]
    assert len(files[0].splitlines()) == 4
    assert set(files[0].splitlines()) == set(files[1].splitlines())


def test_an_imported_order_is_the_one_that_posting_it_would_make(
    oms: RunCommand, system: OrderManagement
) -> None:
    document = a_full_order_request()
    Path("orders.ndjson").write_text(json.dumps(document), encoding="utf-8")

    done = oms("orders", "import", "orders.ndjson")

    (order,) = all_orders(system).values()
    assert done.code == 0
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert order.saga.due_at is not None, "nobody would drive it"
    assert order.history[0].actor == "operator"
    assert request_of(order)["adjustments"] == document["adjustments"]


# -- bad rows ----------------------------------------------------------------------------------

BAD: Final[dict[str, tuple[bytes, str]]] = {
    "no JSON": (b"{nonsense}\n", "is not JSON: Expecting property name enclosed in double"),
    "cut off": (line(9)[:-20] + b"\n", "is not JSON"),
    "no object": (b"[1]\n", "must be an object"),
    "no UTF-8": (b'{"idempotency_key":"\xff"}\n', "is not UTF-8 (byte 20)"),
    "UTF-16": (b"\xfe\xff" + line(9).decode().encode("utf-16-be"), "is not UTF-8"),
    "a mark in the middle": (b"\xef\xbb\xbf" + line(9), "is not JSON"),
    "a bare NUL": (line(9).replace(b"web", b"w\0b"), "is not JSON"),
    "an escaped NUL": (line(9).replace(b"web", b"w\\u0000b"), "/channel holds the character NUL"),
    "half a pair": (line(9).replace(b"web", b"\\ud800"), "/channel holds half of a surrogate pair"),
    "a name twice": (line(9).replace(b'"web"', b'"web","channel":"x"'), 'names "channel" twice'),
    "a giant number": (line(9).replace(b'"19.99"', b"9" * 5_000), "a number that is too long"),
    "an exponent": (line(9).replace(b'"19.99"', b"1e999999999"), "/line_items/0/unit_price"),
    "NaN": (line(9).replace(b'"19.99"', b"NaN"), "holds NaN, which is no JSON number"),
    "deep": (b"[" * 200_000 + b"\n", "is nested too deeply"),
    "too long": (line(9, metadata={"k": "x" * (LINE_BYTES_MAX + 1)}), "is longer than 1048576 byt"),
    "much too long": (b"x" * (3 * LINE_BYTES_MAX) + b"\n", "is longer than 1048576 bytes"),
    "an unknown field": (line(9, total=1), "/total is not a known field"),
    "a terminal's command": (line(9, **{"\x1b[2J": 1}), "/?[2J is not a known field"),
    "an unknown provider": (line(9, payment_provider="acme"), '"acme" is not configured'),
    "a shown order": (
        line(9, order_id="x", payment={}),
        "is an order as it is shown, and not a request for one; export with --format requests",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_line_is_told_by_its_number_and_keeps_no_other_from_being_placed(
    oms: RunCommand, folder: Path, what: str
) -> None:
    bad, message = BAD[what]
    (folder / "orders.ndjson").write_bytes(line(1) + b"\r\n" + bad + line(2)[:-1])

    checked = oms("orders", "import", "--check", "orders.ndjson")
    assert not (folder / "oms.db").exists(), "checking opens no store"
    done = oms("orders", "import", "orders.ndjson")

    assert (done.code, checked.code) == (1, 1)
    assert done.out == "Imported 2 orders of orders.ndjson; 1 bad row.\n"
    assert checked.out == "2 orders in orders.ndjson can be imported; 1 bad row.\n"
    assert done.err.startswith("orders.ndjson, line 3: ")
    for told in (done.err, checked.err):
        assert message in told
        assert told.count("\n") == 1
        assert told.rstrip("\n").isprintable()
    with store(folder) as system:
        assert set(all_orders(system)) == {"checkout-1", "checkout-2"}


def test_all_mistakes_of_a_line_are_told_at_once(oms: RunCommand, folder: Path) -> None:
    wrong = {"idempotency_key": "", "channel": 7, "line_items": [], "currency": "usd"}
    (folder / "orders.ndjson").write_text(json.dumps(wrong) + "\n", encoding="utf-8")

    done = oms("orders", "import", "orders.ndjson")

    for pointer in (*wrong, "payment_provider", "payment_reference"):
        assert f"/{pointer} " in done.err
    assert done.err.count("line 1: ") == 1


def test_of_two_lines_for_one_key_or_one_payment_the_first_counts(
    oms: RunCommand, folder: Path
) -> None:
    rows = [
        line(1),
        line(1),
        line(1, channel="till"),
        line(2, payment_reference="pay-1"),
        line(3),
    ]
    for turn in range(5):
        (folder / "orders.ndjson").write_bytes(b"".join(rows))

        done = oms("orders", "import", "--threads", "8", "orders.ndjson")

        assert done.code == 1
        told = done.err.splitlines()
        assert [text.partition(": ")[0] for text in told] == [
            "orders.ndjson, line 3",
            "orders.ndjson, line 4",
        ]
        assert "idempotency key" in told[0]
        assert "payment reference" in told[1]
        if turn == 0:
            assert done.out.startswith("Imported 2 orders of orders.ndjson; 1 order had been")
        else:
            assert done.out.startswith("Imported 0 orders of orders.ndjson; 3 orders had been")


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (b'{"end":{"orders":3}}\n', "line 3: says that the export holds 3 orders, but 2 lines"),
        (b'{"end":{"orders":2}}\n' + line(9), "line 4: comes after the end of the export, which"),
        (b'{"end":{"orders":true}}\n', "line 3: /end/orders must be a whole number"),
        (b'{"end":{}}\n', "line 3: /end/orders must be a whole number"),
        (b'{"end":7}\n', "line 3: /end/orders must be a whole number"),
    ],
)
def test_the_end_of_an_export_is_held_against_what_came_before(
    oms: RunCommand, folder: Path, end: bytes, message: str
) -> None:
    (folder / "orders.ndjson").write_bytes(line(1) + line(2) + end)

    done = oms("orders", "import", "orders.ndjson")

    assert (done.code, done.out) == (1, "Imported 2 orders of orders.ndjson; 1 bad row.\n")
    assert message in done.err


def test_a_mark_at_the_beginning_and_no_line_end_at_the_end_are_no_mistake(
    oms: RunCommand, folder: Path
) -> None:
    (folder / "orders.ndjson").write_bytes(b"\xef\xbb\xbf" + line(1)[:-1])

    assert oms("orders", "import", "orders.ndjson").code == 0


def test_an_empty_file_places_nothing(oms: RunCommand, folder: Path) -> None:
    (folder / "orders.ndjson").write_bytes(b"\n \n")

    done = oms("orders", "import", "orders.ndjson")

    assert (done.code, done.out) == (0, "Imported 0 orders of orders.ndjson.\n")


@pytest.mark.parametrize("command", ["import", "export"])
def test_a_file_that_cannot_be_used_is_told_in_a_sentence(
    oms: RunCommand, system: OrderManagement, folder: Path, command: str
) -> None:
    (folder / "taken").mkdir()
    name = ["missing/orders.ndjson"] if command == "import" else ["-o", "missing/orders.ndjson"]
    directory = ["taken"] if command == "import" else ["-o", "taken"]

    for arguments in (name, directory):
        refused = oms("orders", command, *arguments)
        assert refused.code == 2
        assert "cannot be " in refused.refusal[1]


# -- exporting ---------------------------------------------------------------------------------


def test_a_file_is_replaced_only_when_the_export_is_whole(
    oms: RunCommand, system: OrderManagement, folder: Path
) -> None:
    system.place_order(SCOPE, read(PlaceOrder, body(1)), actor="pat")
    (folder / "orders.csv").write_text("yesterday's", encoding="utf-8")
    with closing(sqlite3.connect(folder / "oms.db")) as connection, connection:
        connection.execute("UPDATE orders SET document = '{}'")

    refused = oms("orders", "export", "--format", "csv", "--output", "orders.csv")

    assert refused.code == 2
    assert "cannot be read by this version" in refused.err
    assert (folder / "orders.csv").read_text(encoding="utf-8") == "yesterday's"
    assert sorted(path.name for path in folder.glob("*.part")) == []
    assert sorted(path.name for path in folder.glob(".*")) == []


def test_the_filters_of_an_export_are_those_of_the_http_api(
    oms: RunCommand, system: OrderManagement
) -> None:
    customer = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
    for document in (body(1), body(2, channel="till"), body(3, customer_id=customer)):
        system.place_order(SCOPE, read(PlaceOrder, document), actor="pat")
    expected = {
        ("--channel", "till"): {"checkout-2"},
        ("--customer", customer): {"checkout-3"},
        ("--status", "failed"): set(),
        ("--created-to", "2001-01-01T00:00:00Z"): set(),
        ("--created-from", "2001-01-01T00:00:00+01:00"): {f"checkout-{n}" for n in (1, 2, 3)},
    }

    for options, keys in expected.items():
        Path("orders.ndjson").unlink(missing_ok=True)
        done = oms("orders", "export", *options, "-o", "orders.ndjson")
        *orders, end = map(json.loads, Path("orders.ndjson").read_text("utf-8").splitlines())
        assert done.code == 0
        assert {order["idempotency_key"] for order in orders} == keys
        assert end == {"end": {"orders": len(keys)}}
    assert oms("orders", "export", "--created-to", "yesterday").code == 2
    assert oms("orders", "export", "--channel", "").code == 2


def test_standard_output_and_input_make_a_pipe(folder: Path) -> None:
    with store(folder) as system:
        for number in range(3):
            system.place_order(SCOPE, read(PlaceOrder, body(number)), actor="pat")
    with started(folder, "orders", "export", "--format", "requests") as exporting:
        content, told = exporting.communicate(timeout=60)

    done = subprocess.run(
        [OMS, "orders", "import", "-"],
        cwd=folder,
        env=environment(OMS__STORAGE__PATH="other.db"),
        input=content,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told == "Exported 3 orders.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "Imported 3 orders of -.\n", "")


# -- many --------------------------------------------------------------------------------------


STATUS: Final = Path("/proc/self/status")
MEASURED: Final = f"""
import sys
from oms_entrypoints.cli.main import main
try:
    main(sys.argv[1:])
finally:
    (peak,) = [line for line in open("{STATUS}") if line.startswith("VmHWM")]
    print(peak.split()[1], file=sys.stderr)
"""
linux_only = pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells a process's peak")


BUILD: Final = """
import sys
from pathlib import Path

sys.path.append(sys.argv[1])
from benchmarks.big_store import build
from benchmarks.servers import SCOPE

build(Path(sys.argv[2]), int(sys.argv[3]))
print(SCOPE.tenant_id, SCOPE.org_id)
"""


def build(file: Path, orders: int) -> dict[str, str]:
    """Make a big store as the benchmarks do, which are not installed; tell whose orders it has."""
    root = Path(__file__).parents[2]
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(root), str(file), str(orders)],
        capture_output=True,
        check=True,
        text=True,
    )
    return dict(zip(("OMS_TENANT", "OMS_ORG"), built.stdout.split(), strict=True))


def peak_mb(folder: Path, *arguments: str, **more: str) -> float:
    """Run a command to its end; returns the most memory that it had."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) / 1_024


@linux_only
@pytest.mark.timeout(7_200 if MANY > 10_000 else 300)
def test_an_export_takes_no_more_memory_for_ten_times_as_many_orders(tmp_path: Path) -> None:
    peaks = []
    for orders in (MANY // 10, MANY):
        scope = build(tmp_path / f"{orders}.db", orders)
        settings = {"OMS__STORAGE__PATH": f"{orders}.db", **scope}

        peaks.append(peak_mb(tmp_path, "orders", "export", "-o", "out.ndjson", **settings))

        with (tmp_path / "out.ndjson").open("rb") as lines:
            count = sum(1 for _ in lines)
        assert count == orders + 1
    assert peaks[1] - peaks[0] < GROWTH_MAX_MB, peaks


@linux_only
@pytest.mark.timeout(7_200 if MANY > 10_000 else 300)
def test_an_import_takes_no_more_memory_for_ten_times_as_many_orders(tmp_path: Path) -> None:
    peaks = []
    for orders in (MANY // 10, MANY):
        write_many(tmp_path / "orders.ndjson", orders)

        peaks.append(peak_mb(tmp_path, "orders", "import", "--check", "orders.ndjson"))
    assert peaks[1] - peaks[0] < GROWTH_MAX_MB, peaks


def write_many(file: Path, orders: int) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for number in range(orders):
            lines.write(json.dumps(body(number)) + "\n")


@pytest.mark.timeout(7_200 if MANY > 10_000 else 300)
def test_an_import_that_is_killed_again_and_again_places_every_order_once(folder: Path) -> None:
    orders = max(2_000, MANY // 5)
    write_many(folder / "orders.ndjson", orders)
    seen = [0]

    for _ in range(2):
        with started(folder, "orders", "import", "orders.ndjson") as process:
            while (count := stored(folder)) < seen[-1] + orders // 10:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        seen.append(stored(folder))
        assert count <= seen[-1] < orders
    with started(folder, "orders", "import", "orders.ndjson") as process:
        out, err = process.communicate(timeout=7_200)

    assert err == ""
    assert out == (
        f"Imported {orders - seen[-1]} orders of orders.ndjson; {seen[-1]} orders had been "
        "imported before.\n"
    )
    assert stored(folder) == orders


def stored(folder: Path) -> int:
    """Count the orders in the store's file, which may not be there yet."""
    if not (folder / "oms.db").exists():
        return 0
    with closing(sqlite3.connect(folder / "oms.db")) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_an_export_that_is_killed_leaves_no_file_under_its_name(tmp_path: Path) -> None:
    scope = build(tmp_path / "oms.db", 3_000)
    with started(tmp_path, "orders", "export", "-o", "orders.ndjson", **scope) as process:
        while not any(part.stat().st_size for part in tmp_path.glob(".*.part")):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert not (tmp_path / "orders.ndjson").exists()
