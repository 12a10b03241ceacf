"""What operators type, what they are told, and the exit code that goes with it."""

import json
import sqlite3
import stat
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import pytest

from oms_core import OrderManagement, OrderStatus
from oms_core.application.operation_requests import FulfillOrder
from oms_core.application.order_operations import Caller
from oms_core.domain.saga_position import Attention
from oms_core.errors import ConfigurationError
from oms_core.ports.authentication import Principal, Role
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.testing import NOON
from oms_entrypoints import bootstrap
from oms_entrypoints.cli.stock_file import read_stock_file
from oms_entrypoints.config import load_config
from tests.support.command_line import ARMCHAIR, ORG, SCOPE, TENANT, RunCommand, place

UNKNOWN = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
NO_DATABASE = (
    "oms: There is no database {folder}/oms.db yet; start oms serve first, or name the right file "
    "with --config or OMS__STORAGE__PATH.\n"
)


# -- the command line itself -----------------------------------------------------------------


def test_without_a_command_it_shows_what_there_is(oms: RunCommand) -> None:
    shown = oms()

    assert shown.code == 0
    assert "Begin with: oms demo" in shown.out


def test_it_tells_its_version(oms: RunCommand) -> None:
    assert oms("--version").out == f"oms {version('oms-core')}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tokn"], "There is no command tokn; did you mean token?; see oms --help."),
        (
            ["serve", "--port", "70000"],
            (
                "Invalid value for '--port': 70000 is not in the range "
                "0<=x<=65535; see oms serve --help."
            ),
        ),
        (
            ["orders", "show", "4711"],
            (
                "Invalid value for 'ORDER_ID': must be a UUID such as "
                f"{UNKNOWN}; see oms orders show --help."
            ),
        ),
        (
            ["token", "--ttl", "soon"],
            (
                "Invalid value for '--ttl': must be a length of time such as "
                "90s, 15m, 12h or 30d; see oms token --help."
            ),
        ),
        (
            ["token", "--ttl", "0"],
            (
                "Invalid value for '--ttl': must be a length of time such as "
                "90s, 15m, 12h or 30d; see oms token --help."
            ),
        ),
        (
            ["token", "--subject", "a\nb"],
            ("Invalid value for --subject: must be a name on one line; see oms token --help."),
        ),
        (
            ["sagas", "list", "--tenant", UNKNOWN, "--org", ""],
            (
                "Invalid value for '--org': must be "
                f"a UUID such as {UNKNOWN}; see oms sagas list --help."
            ),
        ),
        (
            ["webhooks", "replay"],
            ("name either one EVENT_ID or a --state; see oms webhooks replay --help."),
        ),
        (
            ["webhooks", "replay", "evt-1", "--state", "applied"],
            ("name either one EVENT_ID or a --state; see oms webhooks replay --help."),
        ),
        (
            ["inventory", "adjust", "A"],
            ("Missing argument 'QUANTITY'; see oms inventory adjust --help."),
        ),
        (
            ["inventory", "adjust", "A", "0"],
            ("quantity must not be 0; see oms inventory adjust --help."),
        ),
        (
            ["inventory", "import", "x.csv", "--encoding", "klingon"],
            (
                "Invalid value for --encoding:"
                " is no encoding that Python knows; try utf-8 or cp1252; see oms inventory import "
                "--help."
            ),
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(
    oms: RunCommand, arguments: list[str], expected: str
) -> None:
    assert oms(*arguments).refusal == (2, f"oms: {expected}\n")


@pytest.mark.parametrize("command", ["token", "orders list", "inventory levels"])
def test_the_scope_must_be_named(
    oms: RunCommand, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("OMS_TENANT")

    refused = oms(*command.split())

    assert refused.refusal == (
        2,
        f"oms: Missing option '--tenant'; see oms {command} --help.\n",
    )


@pytest.mark.parametrize(
    "command",
    [
        "orders list",
        f"orders show {UNKNOWN}",
        f"orders watch {UNKNOWN}",
        "inventory levels",
        "sagas list",
        f"sagas retry {UNKNOWN} --reason mended",
        "webhooks list",
        "webhooks replay --state unmatched",
        "simulated",
    ],
)
def test_a_command_that_only_looks_makes_no_database(
    oms: RunCommand, folder: Path, command: str
) -> None:
    """An empty database made in the wrong folder would say that there are no orders."""
    assert oms(*command.split()).refusal == (2, NO_DATABASE.format(folder=folder))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["worker", "orders list", "inventory adjust A 1"])
def test_a_store_in_memory_cannot_be_shared(
    oms: RunCommand, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("OMS__STORAGE__KIND", "memory")

    assert oms(*command.split()).refusal == (
        2,
        (
            'oms: storage.kind is "memory", which only the server itself can see; this command '
            'needs a store that processes share: set it to "sqlite" or "mongodb".\n'
        ),
    )


# -- databases that cannot be used -----------------------------------------------------------


def a_damaged_file(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)


def a_newer_file(path: Path) -> None:
    with bootstrap.open_system(load_config()):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1000000")
    connection.close()


@pytest.mark.parametrize("spoil", [a_damaged_file, a_newer_file])
@pytest.mark.parametrize("command", ["serve --port 0", "worker", "orders list"])
def test_a_database_that_cannot_be_used_is_one_sentence(
    oms: RunCommand, folder: Path, spoil: Callable[[Path], None], command: str
) -> None:
    spoil(folder / "oms.db")

    refused = oms(*command.split())

    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert str(folder / "oms.db") in refused.err


# -- configuration ---------------------------------------------------------------------------


def test_a_good_configuration_is_explained(oms: RunCommand, folder: Path) -> None:
    shown = oms("check-config")

    assert shown.code == 0
    assert "The configuration is good." in shown.out
    assert f"{folder}/oms.db (will be made)" in shown.out
    assert list(folder.iterdir()) == []


def test_all_mistakes_of_a_configuration_are_told_at_once(oms: RunCommand, folder: Path) -> None:
    (folder / "bad.toml").write_text('[server]\nprot = 1\n[payments.card]\nadapter = "card"\n')
    expected = (
        "oms: The configuration has 2 mistakes:\n"
        "  bad.toml:2: server.prot is not a setting; did you mean server.port?\n"
        "  bad.toml:4: payments.card.adapter must name an installed adapter; known: adyen, "
        "paypal, simulated, stripe.\n"
    )

    assert oms("check-config", "--config", "bad.toml").refusal == (2, expected)
    assert oms("--config", "bad.toml", "serve").refusal == (2, expected)
    assert oms("worker", "-c", "bad.toml").refusal == (2, expected)


def test_a_malformed_key_is_told_by_its_name_and_not_shown(
    oms: RunCommand, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "oms.toml").write_text('[auth.keys.issuer]\npublic_key = "env:PEM"\n')
    monkeypatch.setenv("PEM", "hunter2-is-no-pem")

    refused = oms("check-config")

    assert refused.code == 2
    assert "auth.keys.issuer" in refused.err
    assert "hunter2" not in refused.err


def test_the_example_is_a_good_configuration(oms: RunCommand, folder: Path) -> None:
    (folder / "example.toml").write_text(oms("check-config", "--example").out)

    assert oms("check-config", "-c", "example.toml").code == 0


# -- tokens ----------------------------------------------------------------------------------


def test_a_token_is_printed_alone_and_is_good(oms: RunCommand) -> None:
    minted = oms("token", "--role", "viewer", "--subject", "pat")

    token = minted.out.removesuffix("\n")
    principal = bootstrap.make_authenticator(load_config()).authenticate(token)
    assert minted.err == ""
    assert principal == Principal("pat", SCOPE, Role.VIEWER)


def test_the_secret_behind_it_is_for_this_user_alone(oms: RunCommand, folder: Path) -> None:
    oms("token")

    assert stat.S_IMODE((folder / "oms.db.secret").stat().st_mode) == 0o600


def test_a_token_as_a_curl_command_has_all_three_headers(oms: RunCommand) -> None:
    printed = oms("token", "--curl").out

    assert printed.startswith("curl -sS http://127.0.0.1:8080/api/v1/oms/orders \\\n")
    assert "Authorization: Bearer ey" in printed
    assert f"X-Tenant-ID: {TENANT}" in printed
    assert f"X-Org-ID: {ORG}" in printed


def test_a_static_token_is_known_by_the_lines_printed_with_it(
    oms: RunCommand, folder: Path
) -> None:
    printed = oms("token", "--static", "--subject", "Lager 2", "--role", "EDITOR").out
    (folder / "oms.toml").write_text(printed)
    token = next(word for word in printed.split() if word.startswith("oms_"))

    principal = bootstrap.make_authenticator(load_config()).authenticate(token)

    assert principal == Principal("Lager 2", SCOPE, Role.EDITOR)


def test_without_a_shared_secret_only_the_issuer_can_sign(oms: RunCommand, folder: Path) -> None:
    (folder / "oms.toml").write_text(
        '[auth.keys.issuer]\njwks_url = "https://id.example.com/jwks.json"\n'
    )

    refused = oms("token")

    assert refused.code == 2
    assert "only the issuer can sign tokens" in refused.err


# -- orders ----------------------------------------------------------------------------------


def test_orders_are_listed_newest_first(oms: RunCommand, system: OrderManagement) -> None:
    first, second = place(system, "ARMCHAIR-1"), place(system, "ARMCHAIR-2")

    shown = oms("orders", "list").out.splitlines()
    listed = json.loads(oms("orders", "list", "--json").out)

    assert [line.split()[:2] for line in shown[1:]] == [
        [str(second.id), "pending_payment"],
        [str(first.id), "pending_payment"],
    ]
    assert [order["order_id"] for order in listed["orders"]] == [str(second.id), str(first.id)]


def test_a_long_list_goes_on_with_a_cursor(oms: RunCommand, system: OrderManagement) -> None:
    orders = [place(system, f"ARMCHAIR-{number}") for number in range(3)]

    first = json.loads(oms("orders", "list", "--limit", "2", "--json").out)
    second = json.loads(oms("orders", "list", "--cursor", first["next_cursor"], "--json").out)

    assert "More: --cursor" in oms("orders", "list", "--limit", "2").out
    assert [order["order_id"] for order in [*first["orders"], *second["orders"]]] == [
        str(order.id) for order in reversed(orders)
    ]
    assert second["next_cursor"] is None


def test_a_list_can_be_of_one_status_or_channel(oms: RunCommand, system: OrderManagement) -> None:
    place(system, "ARMCHAIR-1")

    assert oms("orders", "list", "--status", "confirmed").out == "No orders.\n"
    assert oms("orders", "list", "--channel", "phone").out == "No orders.\n"
    assert "pending_payment" in oms("orders", "list", "--channel", "web").out


def test_a_cursor_that_is_none_is_a_sentence(oms: RunCommand, system: OrderManagement) -> None:
    refused = oms("orders", "list", "--cursor", "nonsense")

    assert refused.code == 2
    assert refused.err.startswith("oms: cursor ")


def test_an_order_is_shown_with_its_timeline_and_its_troubles(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1", reference="sim_declined")
    system.run_until_idle()

    shown = oms("orders", "show", str(order.id)).out
    as_json = json.loads(oms("orders", "show", str(order.id), "--json").out)

    for words in (
        "failed",
        "129.90 USD",
        "stock reserved",
        "payment refused",
        "card_declined",
        "stock released",
        "undo reserve_inventory",
    ):
        assert words in shown
    assert [entry["change"] for entry in as_json["timeline"]] == [
        "order_placed",
        "inventory_reserved",
        "payment_refused",
        "inventory_released",
        "order_failed",
    ]


def test_what_an_order_holds_is_not_taken_for_markup(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "[bold red]:smile:[/]")

    assert "[bold red]:smile:[/]" in oms("orders", "show", str(order.id)).out


@pytest.mark.parametrize("command", ["show", "watch"])
def test_an_order_that_is_not_there_is_a_sentence(
    oms: RunCommand, system: OrderManagement, command: str
) -> None:
    assert oms("orders", command, UNKNOWN).refusal == (
        1,
        f"oms: There is no order {UNKNOWN} here; check the id.\n",
    )


def test_an_order_of_another_organization_is_not_there(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1")

    refused = oms("orders", "show", str(order.id), "--org", UNKNOWN)

    assert refused.refusal == (1, f"oms: There is no order {order.id} here; check the id.\n")


# -- stock -----------------------------------------------------------------------------------


def test_stock_is_booked_in_and_out(oms: RunCommand) -> None:
    oms("inventory", "adjust", ARMCHAIR, "10")
    out = json.loads(oms("inventory", "adjust", ARMCHAIR, "-3", "--json").out)

    assert out["levels"] == [
        {"sku": ARMCHAIR, "location": "default", "on_hand": 7, "reserved": 0, "available": 7}
    ]
    assert json.loads(oms("inventory", "levels", "--json").out)["levels"] == out["levels"]


def test_the_same_key_books_nothing_more(oms: RunCommand) -> None:
    oms("inventory", "adjust", ARMCHAIR, "10", "--key", "delivery-4711")
    shown = oms("inventory", "adjust", ARMCHAIR, "10", "--key", "delivery-4711")

    assert shown.out.split()[-3:] == ["10", "0", "10"]


def test_what_is_not_there_cannot_leave(oms: RunCommand) -> None:
    oms("inventory", "adjust", ARMCHAIR, "2")

    refused = oms("inventory", "adjust", ARMCHAIR, "-3")

    assert refused.refusal == (
        1,
        (
            f"oms: Only 2 of {ARMCHAIR} at default are available; take away no more than that, or "
            "release reservations first.\n"
        ),
    )


def test_a_file_is_imported_once_however_often_it_is_given(oms: RunCommand, folder: Path) -> None:
    (folder / "stock.csv").write_text(f"sku,quantity\n{ARMCHAIR},100\nSQUEAKY-SOFA,2\n")

    first = oms("inventory", "import", "stock.csv")
    again = oms("inventory", "import", "stock.csv")
    other = oms("inventory", "import", "stock.csv", "--key", "second delivery")

    levels = json.loads(oms("inventory", "levels", "--json").out)["levels"]
    assert first.out == "Imported 2 rows of stock.csv: 102 pieces.\n"
    assert again.out.startswith("stock.csv was imported before: nothing was booked twice.")
    assert other.out == first.out
    assert {level["sku"]: level["on_hand"] for level in levels} == {
        ARMCHAIR: 200,
        "SQUEAKY-SOFA": 4,
    }


def test_an_interrupted_import_goes_on_where_it_stopped(
    oms: RunCommand, folder: Path, system: OrderManagement
) -> None:
    content = b"sku,quantity\n" + b"".join(b"SKU-%d,1\n" % number for number in range(40))
    (folder / "stock.csv").write_bytes(content)
    stock = read_stock_file(content)
    for index in range(16):
        system.adjust_stock(
            SCOPE, stock.rows[index][1], idempotency_key=stock.key_of(index, ""), actor="operator"
        )

    rest = oms("inventory", "import", "stock.csv")

    levels = json.loads(oms("inventory", "levels", "--json").out)["levels"]
    assert rest.out == "Imported 24 rows of stock.csv; 16 rows had been booked before.\n"
    assert [level["on_hand"] for level in levels] == [1] * 40


def test_a_file_with_bad_rows_is_told_by_line_and_nothing_is_imported(
    oms: RunCommand, folder: Path
) -> None:
    (folder / "stock.csv").write_text("sku,quantity\nGOOD,1\nBAD,none\n,2\n")

    refused = oms("inventory", "import", "stock.csv")

    assert refused.refusal == (
        2,
        (
            "stock.csv, line 3: quantity must be a whole number such as 100, without signs, spaces "
            "or separators\n"
            "stock.csv, line 4: sku must not be empty\n"
            "oms: 2 bad rows in stock.csv; nothing was imported. Correct them and import the file "
            "again.\n"
        ),
    )
    assert not (folder / "oms.db").exists()


def test_a_file_can_be_checked_without_importing_it(oms: RunCommand, folder: Path) -> None:
    (folder / "stock.csv").write_text("sku,quantity\nGOOD,1\n")

    checked = oms("inventory", "import", "stock.csv", "--check")

    assert (checked.code, checked.out) == (0, "1 row in stock.csv, all of them good.\n")
    assert not (folder / "oms.db").exists()


def test_a_file_that_is_not_there_is_a_sentence(oms: RunCommand) -> None:
    assert oms("inventory", "import", "no.csv").refusal == (
        2,
        "oms: no.csv cannot be read: No such file or directory.\n",
    )


# -- sagas and the provider's books ----------------------------------------------------------


def test_nothing_under_way_is_said(oms: RunCommand, system: OrderManagement) -> None:
    assert oms("sagas", "list").out == "Nothing is under way.\n"


def test_a_stuck_order_is_shown_with_the_way_on_and_goes_on_when_told(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1", reference="sim_credentials_rejected")
    system.run_until_idle()

    shown = oms("sagas", "list", "--state", "stuck").out
    listed = json.loads(oms("sagas", "list", "--json").out)["sagas"]
    retried = oms("sagas", "retry", str(order.id), "--reason", "new credentials")

    assert "Needs a person: " in shown
    assert f"oms sagas retry {order.id} --tenant {TENANT} --org {ORG}" in shown
    assert [(row["order_id"], row["saga"]["state"]) for row in listed] == [(str(order.id), "stuck")]
    assert retried.out.startswith(f"Order {order.id} goes on at authorize_payment")
    assert system.get_order(SCOPE, order.id).history[-1].facts == {"reason": "new credentials"}


def test_a_flag_of_an_order_at_rest_comes_down_in_words(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1")
    system.run_until_idle()
    flag = Attention("payment_unknown", "The provider knows no such payment.", NOON)
    system.storage.save(system.get_order(SCOPE, order.id).call_for_attention(flag))

    retried = oms("sagas", "retry", str(order.id), "--reason", "it was a test")

    assert retried.out == f"Order {order.id} needs nobody any more. Its saga is finished.\n"


def test_an_order_that_needs_nobody_cannot_be_retried(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1")

    refused = oms("sagas", "retry", str(order.id), "--reason", "impatience")

    assert refused.code == 1
    assert "does not need attention" in refused.err


def test_an_order_is_paused_shown_resumed_and_taken_back_from_the_command_line(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1")
    why = ("--reason", "a customer called")

    paused = oms("sagas", "pause", str(order.id), *why)
    system.run_until_idle()
    listed = oms("sagas", "list", "--state", "paused").out
    shown = oms("sagas", "show", str(order.id)).out
    ways = json.loads(oms("sagas", "show", str(order.id), "--json").out)["steering"]
    skipped = oms("sagas", "skip", str(order.id), *why)
    resumed = oms("sagas", "resume", str(order.id), *why)
    oms("sagas", "pause", str(order.id), *why)
    taken_back = oms("sagas", "compensate", str(order.id), *why)
    system.run_until_idle()

    assert paused.out == f"Order {order.id} is paused; oms sagas resume lets it go on.\n"
    assert "Paused by operator: a customer called" in listed
    assert f"oms sagas resume {order.id} --tenant {TENANT} --org {ORG}" in listed
    assert "reserve_inventory" in shown
    assert {way for way, told in ways.items() if told["possible"]} == {"compensate", "resume"}
    assert (skipped.code, skipped.out) == (1, "")
    assert "is not for a person to do outside" in skipped.err
    assert resumed.out == (
        f"Order {order.id} goes on. reserve_inventory follows as soon as a worker finds it.\n"
    )
    assert taken_back.out == (
        f"Order {order.id} is taken back, beginning with reserve_inventory.\n"
    )
    assert system.get_order(SCOPE, order.id).status is OrderStatus.FAILED
    assert oms("orders", "show", str(order.id)).code == 0


def test_goods_that_left_without_the_inventory_are_recorded_by_hand(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1")
    system.run_until_idle()
    system.inventory.release(SCOPE, str(order.id))
    system.operations.fulfill(SCOPE, order.id, FulfillOrder(), Caller("parcel-1", "clerk"))
    system.run_until_idle()

    skipped = oms("sagas", "skip", str(order.id), "--reason", "left through the back door")

    assert skipped.out == f"Order {order.id}: recorded as done by hand. Its saga is finished.\n"
    assert system.get_order(SCOPE, order.id).status is OrderStatus.FULFILLED


@pytest.mark.parametrize("deed", ["retry", "skip", "compensate", "pause", "resume"])
@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
def test_steering_needs_a_reason_that_says_something(
    oms: RunCommand, system: OrderManagement, deed: str, reason: str
) -> None:
    order = place(system, "ARMCHAIR-1")

    refused = oms("sagas", deed, str(order.id), "--reason", reason)

    assert refused.code == 2
    assert "reason" in refused.err
    assert system.get_order(SCOPE, order.id) == order


# -- notifications ---------------------------------------------------------------------------


def notified(system: OrderManagement, *event_ids: str, tenant: str = TENANT) -> None:
    """Store notifications of a payment that no order has (yet), and apply them."""
    assert system.inbox is not None
    ref = PaymentRef(UUID(tenant), "card-4711")
    events = [ProviderEvent(event_id, ref, "payment.paid") for event_id in event_ids]
    system.inbox.store("simulated", events, at=NOON)
    system.run_until_idle()


def states_of(oms: RunCommand, *options: str) -> dict[str, str]:
    events = json.loads(oms("webhooks", "list", "--json", *options).out)["events"]
    return {event["event_id"]: event["state"] for event in events}


def test_no_notifications_is_said(oms: RunCommand, system: OrderManagement) -> None:
    assert oms("webhooks", "list").out == "No notifications.\n"


def test_notifications_are_listed_with_what_became_of_them(
    oms: RunCommand, system: OrderManagement
) -> None:
    notified(system, "evt-1", "evt-2")
    notified(system, "evt-of-another", tenant=UNKNOWN)

    shown = oms("webhooks", "list").out.splitlines()
    page = json.loads(oms("webhooks", "list", "--json", "--limit", "1").out)
    rest = json.loads(oms("webhooks", "list", "--json", "--cursor", page["next_cursor"]).out)

    assert shown[1].split()[:5] == ["evt-2", "unmatched", "payment.paid", "card-4711", "simulated"]
    assert len(shown) == 3
    assert page["events"] == [
        {
            "event_id": "evt-2",
            "provider": "simulated",
            "tenant_id": TENANT,
            "payment_reference": "card-4711",
            "kind": "payment.paid",
            "state": "unmatched",
            "received_at": "2031-05-04T12:00:00.123456Z",
            "occurred_at": None,
            "facts": {},
        }
    ]
    assert [event["event_id"] for event in rest["events"]] == ["evt-1"]
    assert states_of(oms, "--state", "applied") == {}


def test_without_a_tenant_notifications_of_all_are_listed(
    oms: RunCommand, system: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    notified(system, "evt-ours")
    notified(system, "evt-theirs", tenant=UNKNOWN)
    monkeypatch.delenv("OMS_TENANT")

    assert set(states_of(oms)) == {"evt-ours", "evt-theirs"}
    assert oms("webhooks", "replay", "evt-ours").refusal == (
        2,
        (
            "oms: an EVENT_ID is one tenant's; name it with --tenant; "
            "see oms webhooks replay --help.\n"
        ),
    )


def test_a_notification_is_applied_again_once_its_order_is_there(
    oms: RunCommand, system: OrderManagement
) -> None:
    notified(system, "evt-1", "evt-2")
    place(system, "ARMCHAIR-1", reference="card-4711")
    system.run_until_idle()

    replayed = oms("webhooks", "replay", "evt-1")
    marked = states_of(oms)
    system.run_until_idle()

    assert (replayed.code, replayed.out) == (
        0,
        "1 event is applied again by the next worker that looks.\n",
    )
    assert marked == {"evt-1": "new", "evt-2": "unmatched"}
    assert states_of(oms) == {"evt-1": "applied", "evt-2": "unmatched"}


def test_all_notifications_in_a_state_are_applied_again(
    oms: RunCommand, system: OrderManagement
) -> None:
    """More than are marked in one write."""
    notified(system, *(f"evt-{number}" for number in range(501)))
    notified(system, "evt-of-another", tenant=UNKNOWN)

    replayed = oms("webhooks", "replay", "--state", "unmatched")

    assert replayed.out == "501 events are applied again by the next worker that looks.\n"
    assert set(states_of(oms).values()) == {"new"}
    assert states_of(oms, "--tenant", UNKNOWN) == {"evt-of-another": "unmatched"}
    assert oms("webhooks", "replay", "--state", "applied").out.startswith("0 events are")


def test_a_notification_that_is_not_there_is_a_sentence(
    oms: RunCommand, system: OrderManagement
) -> None:
    assert oms("webhooks", "replay", "evt-unknown").refusal == (
        1,
        f"oms: The tenant {TENANT} has no event evt-unknown; see oms webhooks list.\n",
    )


def test_the_simulated_providers_books_can_be_audited(
    oms: RunCommand, system: OrderManagement
) -> None:
    order = place(system, "ARMCHAIR-1", reference="sim_lost_answer_once")
    system.run_until_idle()

    (row,) = json.loads(oms("simulated", "--json").out)["payments"]
    shown = oms("simulated").out.splitlines()

    assert (row["order_id"], row["authorized"]) == (str(order.id), "129.90")
    assert (row["authorizations"], row["live_authorizations"]) == (1, 1)
    assert shown[1].split() == ["sim_lost_answer_once", "authorized", "129.90", "USD", "1"]


def test_an_account_that_is_not_simulated_has_no_books_here(
    oms: RunCommand, system: OrderManagement
) -> None:
    assert oms("simulated", "--account", "card").refusal == (
        2,
        "oms: There is no simulated payment account named card; configured: simulated.\n",
    )


def test_an_adapter_that_objects_is_told_under_its_accounts_name(folder: Path) -> None:
    (folder / "oms.toml").write_text(
        '[payments.card]\nadapter = "simulated"\nwebhook_secret = "file:short"\n'
    )
    (folder / "short").write_text("hunter2")

    with pytest.raises(ConfigurationError) as refused:
        bootstrap.open_system(load_config())

    assert refused.value.sentence.startswith("payments.card: ")
    assert "hunter2" not in refused.value.sentence
