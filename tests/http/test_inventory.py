"""POST /api/v1/inventory/adjust and GET /api/v1/inventory/levels."""

from typing import Any

import pytest

from oms_core.ports.authentication import Role
from oms_core.testing import a_scope
from tests.support.api import ADJUST, ARMCHAIR, LEVELS, ORDERS, Api, JsonObject

KEY = {"Idempotency-Key": "delivery-4711"}


def an_entry(**changes: Any) -> JsonObject:
    return {"sku": ARMCHAIR, "quantity_delta": 100, "reason": "delivery 4711", **changes}


def test_stock_that_came_is_on_hand(api: Api) -> None:
    result = api.post(ADJUST, an_entry(location="hamburg"), headers=KEY)

    level = {
        "sku": ARMCHAIR,
        "location": "hamburg",
        "on_hand": 100,
        "reserved": 0,
        "available": 100,
    }
    assert (result.status_code, result.json) == (200, level)
    assert api.get(LEVELS, role=Role.VIEWER).json == {
        "levels": [level],
        "limit": 50,
        "next_cursor": None,
    }


def test_the_same_entry_again_changes_nothing(api: Api) -> None:
    first = api.post(ADJUST, an_entry(), headers=KEY)
    again = api.post(ADJUST, an_entry(), headers=KEY)

    assert (again.status_code, again.json) == (200, first.json)
    assert api.on_hand() == 100


def test_another_entry_under_the_same_key_is_refused(api: Api) -> None:
    api.post(ADJUST, an_entry(), headers=KEY)

    result = api.post(ADJUST, an_entry(quantity_delta=7), headers=KEY)

    assert (result.status_code, result.json["code"]) == (422, "idempotency_key_reused")
    assert api.on_hand() == 100


def test_promised_stock_cannot_be_booked_out(api: Api) -> None:
    api.receive(quantity=3)
    api.place()
    api.oms.run_until_idle()

    result = api.post(ADJUST, an_entry(quantity_delta=-2), headers=KEY)

    assert (result.status_code, result.json["code"]) == (409, "insufficient_stock")
    assert "Only 1 of CRUNCHY-ARMCHAIR" in result.json["error"]
    assert api.on_hand() == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tinside", "caf\x85\xe9"])
def test_a_key_that_is_missing_or_unfit_is_refused_with_all_other_mistakes(
    api: Api, key: str
) -> None:
    result = api.post(ADJUST, an_entry(quantity_delta=0), headers={"Idempotency-Key": key})

    assert result.status_code == 400
    assert {mistake["pointer"] for mistake in result.json["errors"]} == {
        "/Idempotency-Key",
        "/quantity_delta",
    }
    assert api.nothing_happened()


def test_levels_are_listed_by_sku_and_location_in_pages(api: Api) -> None:
    for number, (sku, location) in enumerate(
        [("B", "hamburg"), ("A", "munich"), ("A", "hamburg"), ("C", "hamburg")]
    ):
        headers = {"Idempotency-Key": f"delivery-{number}"}
        api.post(ADJUST, an_entry(sku=sku, location=location), headers=headers)

    first = api.get(LEVELS, params={"limit": "2"}).json
    second = api.get(LEVELS, params={"limit": "2", "cursor": first["next_cursor"]}).json
    levels = [*first["levels"], *second["levels"]]

    assert [(level["sku"], level["location"]) for level in levels] == [
        ("A", "hamburg"),
        ("A", "munich"),
        ("B", "hamburg"),
        ("C", "hamburg"),
    ]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("parameters", "count"),
    [({"sku": ARMCHAIR}, 1), ({"sku": "OTHER"}, 0), ({"location": "default"}, 1)],
)
def test_levels_are_filtered(api: Api, parameters: dict[str, str], count: int) -> None:
    api.receive()

    assert len(api.get(LEVELS, params=parameters).json["levels"]) == count


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("cursor=x", "/cursor"),
        ("sku=", "/sku"),
        ("sku=a&sku=b", "/sku"),
        ("location=a%00", "/location"),
        ("offset=1", "/offset"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused_by_name(api: Api, query: str, pointer: str) -> None:
    result = api.get(LEVELS, query_string=query)

    assert result.status_code == 400
    assert pointer in {mistake["pointer"] for mistake in result.json["errors"]}


def test_one_scopes_key_and_stock_are_nothing_to_another(api: Api) -> None:
    stranger = a_scope("globex", "globex-furniture")
    api.post(ADJUST, an_entry(), headers=KEY)

    theirs = api.post(ADJUST, an_entry(quantity_delta=7), headers=KEY, scope=stranger)

    assert theirs.json["on_hand"] == 7
    assert api.on_hand() == 100


def test_an_order_takes_what_was_booked_in(api: Api) -> None:
    api.post(ADJUST, an_entry(), headers=KEY)
    order_id = api.place()
    api.oms.run_until_idle()

    assert api.get(f"{ORDERS}/{order_id}").json["status"] == "confirmed"
    assert api.get(LEVELS).json["levels"][0]["available"] == 98
