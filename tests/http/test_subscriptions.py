"""Subscriptions to webhooks over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from falcon.testing import Result

from oms_core.ports.authentication import Role
from oms_core.testing import a_scope
from tests.support.api import SUBSCRIPTIONS, Api
from tests.support.endpoint import Endpoint, an_endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with an_endpoint() as made:
        yield made


def post(api: Api, path: str, document: Any = None, **options: Any) -> Result:
    return api.post(path, document, role=Role.ADMIN, **options)


def get(api: Api, path: str, **options: Any) -> Result:
    return api.get(path, role=Role.ADMIN, **options)


def an_order_lives(api: Api, key: str = "checkout-1") -> str:
    api.receive(key=f"delivery for {key}")
    order_id = api.place(idempotency_key=key, payment_reference=f"good_card_{key}")
    api.oms.run_until_idle()
    return str(order_id)


def test_a_subscriber_gets_every_event_as_it_stands_in_the_feed(
    api: Api, endpoint: Endpoint
) -> None:
    made = post(api, SUBSCRIPTIONS, {"url": endpoint.url})
    order_id = an_order_lives(api)

    feed = api.get("/api/v1/events").json["events"]

    assert made.status_code == 201
    assert made.headers["location"] == f"{SUBSCRIPTIONS}/{made.json['subscription_id']}"
    assert [{**e, "position": p} for p, e in enumerate(endpoint.events, 1)] == feed
    assert {event["order_id"] for event in endpoint.events} == {order_id, None}
    shown = get(api, made.headers["location"]).json
    assert shown == {key: v for key, v in made.json.items() if key != "secret"} | {"position": 5}


def test_the_secret_is_shown_once(api: Api, endpoint: Endpoint) -> None:
    made = post(api, SUBSCRIPTIONS, {"url": endpoint.url}).json
    path = f"{SUBSCRIPTIONS}/{made['subscription_id']}"
    rotated = post(api, f"{path}/secret").json

    assert made["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    for shown in (get(api, SUBSCRIPTIONS).text, get(api, path).text, api.log.getvalue()):
        assert made["secret"] not in shown
        assert rotated["secret"] not in shown


def test_a_subscription_can_be_changed_and_deleted(api: Api, endpoint: Endpoint) -> None:
    made = post(api, SUBSCRIPTIONS, {"url": "http://127.0.0.1:1/", "event_types": []}).json
    path = f"{SUBSCRIPTIONS}/{made['subscription_id']}"

    changed = api.call(
        "PATCH",
        path,
        role=Role.ADMIN,
        json={"url": endpoint.url, "event_types": ["order.created"], "enabled": False},
    ).json
    assert (changed["url"], changed["event_types"], changed["enabled"]) == (
        endpoint.url,
        ["order.created"],
        False,
    )
    an_order_lives(api)
    assert endpoint.received == []
    api.call("PATCH", path, role=Role.ADMIN, json={"enabled": True})
    api.oms.run_until_idle()
    assert [event["event_type"] for event in endpoint.events] == ["order.created"]

    assert api.call("DELETE", path, role=Role.ADMIN).status_code == 204
    assert get(api, path).status_code == 404
    assert get(api, SUBSCRIPTIONS).json == {"subscriptions": []}


def test_dead_letters_are_listed_and_replayed(api: Api, endpoint: Endpoint) -> None:
    made = post(api, SUBSCRIPTIONS, {"url": endpoint.url}).json
    path = f"{SUBSCRIPTIONS}/{made['subscription_id']}"
    endpoint.behaviour = lambda d: 500 if d.event["sequence"] == 1 else 204
    first = an_order_lives(api)
    for number in range(160):
        api.clock.advance(1_800)
        if number % 2:
            an_order_lives(api, f"healthy-{number}")
        api.oms.run_until_idle()
        endpoint.behaviour = lambda d: 500 if (d.event["order_id"] == first) else 204

    (letter,) = get(api, f"{path}/dead-letters").json["dead_letters"]
    assert (letter["order_id"], letter["sequence"]) == (first, 1)
    endpoint.behaviour = lambda _: 204
    other = {"event_id": "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"}
    assert post(api, f"{path}/dead-letters/replay", other).json == {"replayed": 0}
    mine = {"event_id": letter["event_id"]}
    assert post(api, f"{path}/dead-letters/replay", mine).json == {"replayed": 1}
    api.oms.run_until_idle()

    assert letter["event_id"] in {event["event_id"] for event in endpoint.events}
    assert get(api, f"{path}/dead-letters").json == {"dead_letters": []}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_only_an_admin_subscribes(api: Api, role: Role) -> None:
    assert api.post(SUBSCRIPTIONS, {"url": "https://a.example/"}, role=role).status_code == 403
    assert api.get(SUBSCRIPTIONS, role=role).status_code == 403


def test_others_subscriptions_look_like_unknown_ones(api: Api, endpoint: Endpoint) -> None:
    """I9."""
    made = post(api, SUBSCRIPTIONS, {"url": endpoint.url}).json
    rival = a_scope("rival")
    answers = set()
    for own in (made["subscription_id"], "0" * 32, "x"):
        path = f"{SUBSCRIPTIONS}/{own}"
        for result in (
            get(api, path, scope=rival),
            get(api, f"{path}/dead-letters", scope=rival),
            post(api, f"{path}/secret", scope=rival),
            post(api, f"{path}/dead-letters/replay", {}, scope=rival),
            api.call("PATCH", path, json={"enabled": False}, role=Role.ADMIN, scope=rival),
            api.call("DELETE", path, role=Role.ADMIN, scope=rival),
        ):
            answers.add((result.status_code, result.json["code"], result.json["detail"]))

    assert len(answers) == 1
    assert answers.pop()[:2] == (404, "subscription_not_found")
    assert get(api, f"{SUBSCRIPTIONS}/{made['subscription_id']}").json["enabled"] is True


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, "/url"),
        ({"url": 7}, "/url"),
        ({"url": "ftp://shop.example.com"}, "/url"),
        ({"url": "https://pat:secret@shop.example.com/"}, "/url"),
        ({"url": "https://shop.example.com/#there"}, "/url"),
        ({"url": "https://a.example/", "event_types": "order.created"}, "/event_types"),
        ({"url": "https://a.example/", "event_types": ["order.moved"]}, "/event_types"),
        ({"url": "https://a.example/", "event_types": ["order.created"] * 2}, "/event_types"),
        ({"url": "https://a.example/", "event_types": [{}]}, "/event_types"),
        ({"url": "https://a.example/", "after": -1}, "/after"),
        ({"url": "https://a.example/", "after": 1}, "/after"),
        ({"url": "https://a.example/", "secret": "mine"}, "/secret"),
    ],
)
def test_a_malformed_subscription_is_refused(api: Api, document: Any, pointer: str) -> None:
    result = post(api, SUBSCRIPTIONS, document)

    assert result.status_code == 400
    assert [error["pointer"] for error in result.json["errors"]] == [pointer]
    assert get(api, SUBSCRIPTIONS).json == {"subscriptions": []}


def test_an_organization_has_so_many_subscriptions_and_no_more(api: Api) -> None:
    for number in range(50):
        assert post(api, SUBSCRIPTIONS, {"url": f"https://a.example/{number}"}).status_code == 201

    assert post(api, SUBSCRIPTIONS, {"url": "https://a.example/"}).status_code == 400


def test_without_a_feed_there_are_no_webhooks() -> None:
    api = Api(feed=False)

    assert get(api, SUBSCRIPTIONS).json["code"] == "feed_switched_off"


def test_subscribing_again_under_one_key_subscribes_once_and_shows_the_secret_once(
    api: Api, endpoint: Endpoint
) -> None:
    key = {"Idempotency-Key": "shop-hooks"}
    body = {"url": endpoint.url, "event_types": ["order.created", "order.updated"]}

    first = post(api, SUBSCRIPTIONS, body, headers=key)
    turned = {**body, "event_types": [*reversed(body["event_types"])]}
    again = post(api, SUBSCRIPTIONS, turned, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.json == {**first.json, "secret": None}
    assert len(get(api, SUBSCRIPTIONS).json["subscriptions"]) == 1


def test_a_key_that_subscribed_to_something_else_is_refused(api: Api, endpoint: Endpoint) -> None:
    key = {"Idempotency-Key": "shop-hooks"}
    post(api, SUBSCRIPTIONS, {"url": endpoint.url}, headers=key)

    refused = post(api, SUBSCRIPTIONS, {"url": endpoint.url + "/other"}, headers=key)

    assert (refused.status_code, refused.json["code"]) == (422, "idempotency_key_reused")
    assert len(get(api, SUBSCRIPTIONS).json["subscriptions"]) == 1


def test_the_key_of_a_subscription_is_nobody_elses_and_free_when_it_is_deleted(
    api: Api, endpoint: Endpoint
) -> None:
    key = {"Idempotency-Key": "shop-hooks"}
    ours = post(api, SUBSCRIPTIONS, {"url": endpoint.url}, headers=key)
    theirs = post(api, SUBSCRIPTIONS, {"url": endpoint.url}, headers=key, scope=a_scope("rival"))

    api.call("DELETE", ours.headers["location"], role=Role.ADMIN)
    anew = post(api, SUBSCRIPTIONS, {"url": endpoint.url}, headers=key)

    assert theirs.json["subscription_id"] != ours.json["subscription_id"]
    assert anew.json["secret"] not in {None, ours.json["secret"]}


def test_a_malformed_key_is_told_beside_the_mistakes_in_the_body(api: Api) -> None:
    refused = post(api, SUBSCRIPTIONS, {"url": "ftp://x"}, headers={"Idempotency-Key": "k" * 256})

    assert refused.status_code == 400
    assert {each["pointer"] for each in refused.json["errors"]} == {"/Idempotency-Key", "/url"}
