"""The feed of events over HTTP."""

import pytest

from oms_core.ports.authentication import Role
from oms_core.testing import a_scope
from tests.support.api import ARMCHAIR, Api

EVENTS = "/api/v1/events"


def test_everything_that_happened_to_an_order_is_in_the_feed_as_in_its_timeline(api: Api) -> None:
    api.receive()
    order_id = api.place()
    api.oms.run_until_idle()

    page = api.get(EVENTS, role=Role.VIEWER).json

    timeline = api.get(f"/api/v1/oms/orders/{order_id}").json["timeline"]
    of_order = [event for event in page["events"] if event["order_id"] is not None]
    assert [event["position"] for event in page["events"]] == [1, 2, 3, 4, 5]
    assert page["next_after"] == 5
    assert [
        {
            "sequence": event["sequence"],
            "at": event["timestamp"],
            "actor": event["user_id"],
            **event["payload"],
        }
        for event in of_order
    ] == timeline
    assert [e["event_type"] for e in of_order] == ["order.created", *["order.updated"] * 3]
    assert {event["order_id"] for event in of_order} == {str(order_id)}


def test_stock_that_is_booked_is_in_the_feed_as_in_the_ledger(api: Api) -> None:
    api.receive(quantity=7)
    api.oms.run_until_idle()

    (event,) = api.get(EVENTS, role=Role.VIEWER).json["events"]

    assert (event["event_type"], event["order_id"]) == ("inventory.adjusted", None)
    assert (event["sequence"], event["user_id"]) == (1, "clerk")
    assert event["payload"] == {
        "movement_id": "delivery-1",
        "sku": ARMCHAIR,
        "location": "default",
        "quantity_delta": 7,
        "reason": "delivery",
    }


def test_a_reader_catches_up_page_by_page_and_hears_of_nothing_twice(api: Api) -> None:
    api.receive()
    for number in range(3):
        api.place(idempotency_key=f"key-{number}", payment_reference=f"card-{number}")
    api.oms.run_until_idle()
    read, after = [], 0

    while True:
        page = api.get(EVENTS, query_string=f"after={after}&limit=5").json
        if not page["events"]:
            break
        read += page["events"]
        after = page["next_after"]

    assert [event["position"] for event in read] == list(range(1, 14))
    assert len({event["event_id"] for event in read}) == 13
    assert page == {"events": [], "next_after": 13}


def test_other_organizations_see_an_empty_feed_that_tells_nothing(api: Api) -> None:
    """I9: positions count per organization, so not even the pace of others shows."""
    api.receive()
    api.place()
    api.oms.run_until_idle()

    theirs = api.get(EVENTS, scope=a_scope("rival"))

    assert theirs.json == {"events": [], "next_after": 0}


def test_a_position_that_does_not_exist_yet_is_refused(api: Api) -> None:
    """After a restored backup a reader would wait for ever, and miss what happens meanwhile."""
    api.receive()
    api.place()
    api.oms.run_until_idle()

    result = api.get(EVENTS, query_string="after=6")

    assert result.status_code == 400
    assert "beyond the last position, 5" in result.json["errors"][0]["message"]


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1&after=2", "limit=0", "limit=101", "offset=1"]
)
def test_a_malformed_question_is_refused(api: Api, query: str) -> None:
    assert api.get(EVENTS, query_string=query).status_code == 400


def test_a_feed_that_is_switched_off_says_so() -> None:
    result = Api(feed=False).get(EVENTS)

    assert (result.status_code, result.json["code"]) == (409, "feed_switched_off")
