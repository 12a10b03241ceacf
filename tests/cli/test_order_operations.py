"""What operators ask of orders from the command line."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from oms_core import OrderManagement
from oms_core.domain.events import Change
from oms_core.errors import OrderNotFound
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.cli.order_operations import COMMANDS
from oms_entrypoints.cli.timeline import WORDS
from oms_entrypoints.config import load_config
from oms_entrypoints.http.order_operations import ROUTES
from tests.support.command_line import SCOPE, RunCommand, place

UNKNOWN = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"


@pytest.fixture
def order_id(system: OrderManagement) -> str:
    """A confirmed order of two armchairs."""
    order = place(system, "ARMCHAIR-1", quantity=2)
    system.run_until_idle()
    return str(order.id)


def asked(oms: RunCommand, system: OrderManagement, *arguments: str) -> Any:
    """Run a command, have it done, and return what it printed as JSON."""
    ended = oms("orders", *arguments, "--json")
    assert ended.code == 0, ended.err
    system.run_until_idle()
    return json.loads(ended.out)


def status(system: OrderManagement, order_id: str) -> str:
    return system.get_order(SCOPE, UUID(order_id)).status.value


def test_an_order_is_led_through_its_life(
    oms: RunCommand, system: OrderManagement, order_id: str
) -> None:
    ways = ["--line", "1=1", "--carrier", "DHL", "--tracking-number", "4711"]
    first = asked(oms, system, "fulfill", order_id, *ways)["operation_id"]
    second = asked(oms, system, "fulfill", order_id)["operation_id"]
    for one in (first, second):
        asked(oms, system, "deliver", order_id, one)
    returned = asked(oms, system, "return", "request", order_id, "--line", "1=1")["operation_id"]
    asked(oms, system, "return", "approve", order_id, returned, "--note", "send it")
    worn = ["--line", "1=1", "--condition", "used", "--no-restock"]
    asked(oms, system, "return", "receive", order_id, returned, *worn)
    asked(oms, system, "refund", order_id, "--amount", "9.90")
    shown = oms("orders", "show", order_id).out

    assert status(system, order_id) == "partially_refunded"
    for words in (
        "goods shipped",
        "DHL, 4711",
        "goods returned",
        "payment refunded",
        "9.90 USD, ",
        "by operator",
        "ship_goods",
        f"return       {returned}  received",
        "9.90 USD",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "ends_as"),
    [(["cancel", "--reason", "mistaken"], "cancelled"), (["capture"], "confirmed")],
)
def test_an_order_is_cancelled_or_captured(
    oms: RunCommand, system: OrderManagement, order_id: str, arguments: list[str], ends_as: str
) -> None:
    answer = asked(oms, system, arguments[0], order_id, *arguments[1:])

    assert answer["kind"] == arguments[0]
    assert status(system, order_id) == ends_as


def test_an_order_is_completed_and_a_return_rejected(
    oms: RunCommand, system: OrderManagement, order_id: str
) -> None:
    parcel = asked(oms, system, "fulfill", order_id)["operation_id"]
    asked(oms, system, "deliver", order_id, parcel)
    asked(oms, system, "complete", order_id)
    returned = asked(oms, system, "return", "request", order_id)["operation_id"]

    asked(oms, system, "return", "reject", order_id, returned)

    assert status(system, order_id) == "completed"


def test_a_key_that_nobody_gave_is_told_so_that_the_command_can_be_repeated(
    oms: RunCommand, system: OrderManagement, order_id: str
) -> None:
    first = oms("orders", "fulfill", order_id, "--line", "1=1")
    key = first.err.split("--key ")[1].rstrip(".\n")

    again = oms("orders", "fulfill", order_id, "--line", "1=1", "--key", key)

    assert (first.code, again.code) == (0, 0)
    assert "asked before" in again.out
    assert again.err == ""
    assert len(system.get_order(SCOPE, UUID(order_id)).fulfillments) == 1


def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    oms: RunCommand, system: OrderManagement, order_id: str
) -> None:
    before = system.get_order(SCOPE, UUID(order_id))

    told = oms("orders", "cancel", order_id, "--dry-run")
    as_json = json.loads(oms("orders", "cancel", order_id, "--dry-run", "--json").out)

    assert told.err == ""
    assert "confirmed → cancelled" in told.out
    assert "CRUNCHY-ARMCHAIR at default: +0 on hand, -2 reserved" in told.out
    assert as_json["released"] == "259.80"
    assert system.get_order(SCOPE, UUID(order_id)) == before


def test_actions_are_listed_with_why_not(
    oms: RunCommand, system: OrderManagement, order_id: str
) -> None:
    shown = oms("orders", "actions", order_id).out
    as_json = json.loads(oms("orders", "actions", order_id, "--json").out)

    assert "Not everything has been delivered yet." in shown
    assert {one["kind"] for one in as_json["actions"]} == set(ROUTES)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["complete", "{}"], 1, "Not everything has been delivered yet."),
        (["deliver", "{}", UNKNOWN], 1, f"This order has no fulfillment {UNKNOWN}"),
        (["cancel", UNKNOWN], 1, f"There is no order {UNKNOWN}"),
        (["cancel", "{}", "--if-version", "99"], 1, "has changed"),
        (["cancel", "{}", "--key", "a\nb"], 2, "--key must not contain control"),
        (["cancel", "{}", "--reason", ""], 2, "reason must not be empty"),
        (["capture", "{}", "--amount", "1.001"], 2, "amount has more decimals than USD has (2)"),
        (["fulfill", "{}", "--line", "1"], 2, "must be a line and a number of pieces"),
        (["fulfill", "{}", "--line", "7=1"], 2, "the order has no line 7"),
        (["refund", "{}", "--amount", "1", "--line", "1=1"], 2, "cannot be combined"),
        (["return", "receive", "{}", UNKNOWN, "--no-restock"], 2, "say with --line"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    oms: RunCommand,
    system: OrderManagement,
    order_id: str,
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    before = system.get_order(SCOPE, UUID(order_id))

    ended = oms("orders", *(word.replace("{}", order_id) for word in arguments))

    assert ended.code == code
    assert sentence in ended.err
    assert ended.out == ""
    assert system.get_order(SCOPE, UUID(order_id)) == before


def test_of_another_organizations_order_nothing_is_asked(
    oms: RunCommand, system: OrderManagement, order_id: str
) -> None:
    ended = oms("orders", "cancel", order_id, "--org", UNKNOWN)

    assert ended.code == 1
    assert OrderNotFound(UUID(order_id)).sentence in ended.err


def test_there_is_a_command_for_all_that_can_be_asked() -> None:
    names = {command.name for command in COMMANDS}

    assert names == {
        *("cancel", "capture", "fulfill", "deliver", "complete", "return", "refund"),
        "actions",
    }


def test_every_change_has_words() -> None:
    assert set(WORDS) == set(Change)


def test_an_order_is_completed_by_itself_if_that_is_configured(
    oms: RunCommand, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS__SAGA__COMPLETE_AFTER_S", "0")
    monkeypatch.setenv("OMS__SAGA__RECHECK_S", "7")
    settings = load_config(environment=dict(os.environ))

    with open_system(settings) as system:
        order = place(system, "ARMCHAIR-1")
        system.run_until_idle()
        parcel = asked(oms, system, "fulfill", str(order.id))["operation_id"]
        asked(oms, system, "deliver", str(order.id), parcel)

        assert system.settings.saga.recheck_s == 7
        assert status(system, str(order.id)) == "completed"
