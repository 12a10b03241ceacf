"""``oms events`` and ``oms subscriptions``, beside a system that uses the same store."""

import json
import re
from uuid import UUID

import pytest

from oms_core import OrderManagement
from oms_core.application.webhooks import ChangeSubscription
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support.command_line import SCOPE, RunCommand, place

UNKNOWN = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
URL = "https://shop.example.com/hooks"


@pytest.fixture
def lived(system: OrderManagement) -> str:
    """Let an order live until it is confirmed."""
    order = place(system, "ARMCHAIR-1")
    system.run_until_idle()
    return str(order.id)


def subscribed(oms: RunCommand, *more: str) -> tuple[str, str]:
    """Add a subscription; returns its id and its secret."""
    out = oms("subscriptions", "add", URL, *more).out
    found = re.fullmatch(r"subscription  (\S+)\nsecret        (whsec_\S+)\n", out)
    assert found is not None, out
    return found[1], found[2]


def test_the_feed_is_read_from_any_position_on(oms: RunCommand, lived: str) -> None:
    everything = json.loads(oms("events", "--json").out)
    rest = json.loads(oms("events", "--after", "3", "--json").out)
    shown = oms("events", "--limit", "2").out.splitlines()

    assert [event["position"] for event in everything["events"]] == [1, 2, 3, 4, 5]
    assert rest == {"events": everything["events"][3:], "next_after": 5}
    assert shown[1].split()[0] == "1"
    assert shown[1].split()[3:] == [lived, "order_placed", "pat"]
    stock = oms("events", "--after", "4").out.splitlines()[1].split()
    assert stock[3:7] == ["CRUNCHY-ARMCHAIR", "at", "default", "+100"]
    assert oms("events", "--after", "5").out == "Nothing has happened since.\n"


def test_a_position_that_does_not_exist_yet_is_refused(oms: RunCommand, lived: str) -> None:
    refused = oms("events", "--after", "6")

    assert refused.code == 2
    assert "after lies beyond the last position, 5" in refused.err


def test_nobody_subscribes_at_first(oms: RunCommand, system: OrderManagement) -> None:
    assert oms("subscriptions", "list").out == "Nobody subscribes.\n"


def test_a_subscription_is_added_shown_and_forgotten(
    oms: RunCommand, system: OrderManagement
) -> None:
    own, secret = subscribed(oms, "--type", "order.created", "--after", "0")

    (listed,) = json.loads(oms("subscriptions", "list", "--json").out)["subscriptions"]
    table = oms("subscriptions", "list").out
    rotated = oms("subscriptions", "rotate", own).out

    assert (listed["subscription_id"], listed["event_types"]) == (own, ["order.created"])
    assert table.splitlines()[1].split() == [own, URL, "active", "0", "0", "0"]
    assert secret not in table + rotated
    assert oms("subscriptions", "remove", own).out == f"Subscription {own} is forgotten.\n"
    assert oms("subscriptions", "list").out == "Nobody subscribes.\n"


def test_a_subscription_is_disabled_and_enabled(oms: RunCommand, system: OrderManagement) -> None:
    own, _ = subscribed(oms)

    oms("subscriptions", "disable", own)
    assert not system.webhooks.get(SCOPE, UUID(own)).subscription.is_enabled
    assert "disabled" in oms("subscriptions", "list").out
    oms("subscriptions", "enable", own)

    assert system.webhooks.get(SCOPE, UUID(own)).subscription.is_enabled
    system.webhooks.change(SCOPE, UUID(own), ChangeSubscription(enabled=False))


def test_without_dead_letters_there_is_nothing_to_replay(
    oms: RunCommand, system: OrderManagement
) -> None:
    own, _ = subscribed(oms)

    assert oms("subscriptions", "dead-letters", own).out == "There are no dead letters.\n"
    assert json.loads(oms("subscriptions", "dead-letters", own, "--json").out) == {
        "dead_letters": []
    }
    assert oms("subscriptions", "replay", own).out == "Sent again: 0.\n"
    assert oms("subscriptions", "replay", own, "--event-id", UNKNOWN).out == "Sent again: 0.\n"


def test_dead_letters_are_listed_and_replayed(
    oms: RunCommand, system: OrderManagement, lived: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up at once, at an address where nothing may be sent: no network is needed."""
    monkeypatch.setenv("OMS__WEBHOOKS__ALLOW_HTTP", "true")
    monkeypatch.setenv("OMS__WEBHOOKS__GIVE_UP_AFTER_S", "0")
    added = oms(
        "subscriptions", "add", "http://localhost:9/", "--after", "3", "--type", "order.updated"
    ).out
    own = added.split()[1]
    with open_system(load_config()) as impatient:
        impatient.webhooks.deliver_due()

    (letter,) = json.loads(oms("subscriptions", "dead-letters", own, "--json").out)["dead_letters"]
    shown = oms("subscriptions", "dead-letters", own).out.splitlines()

    assert (letter["order_id"], letter["sequence"], letter["attempts"]) == (lived, 4, 1)
    assert letter["error"] == "localhost has an address that is not public"
    assert shown[1].split()[:3] == [letter["event_id"], lived, "4"]
    assert oms("subscriptions", "replay", own).out == "Sent again: 1.\n"
    assert oms("subscriptions", "dead-letters", own).out == "There are no dead letters.\n"
    assert "is not public" in oms("subscriptions", "list").out


@pytest.mark.parametrize(
    "command",
    ["rotate", "enable", "disable", "remove", "dead-letters", "replay"],
)
def test_a_subscription_that_is_not_there(
    oms: RunCommand, system: OrderManagement, command: str
) -> None:
    refused = oms("subscriptions", command, UNKNOWN)

    assert refused.refusal == (1, f"oms: There is no subscription {UNKNOWN} here; check the id.\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["http://shop.example.com/"], "oms: url must begin with https://.\n"),
        (["https://127.0.0.1/"], "oms: url must name a host with a public address.\n"),
        (
            [URL, "--type", "order.moved"],
            "oms: event_types must hold only order.created, order.updated, inventory.adjusted.\n",
        ),
        ([URL, "--after", "9"], "oms: after lies beyond the last position, 0.\n"),
    ],
)
def test_what_cannot_be_subscribed_is_said(
    oms: RunCommand, system: OrderManagement, arguments: list[str], expected: str
) -> None:
    assert oms("subscriptions", "add", *arguments).refusal == (2, expected)
