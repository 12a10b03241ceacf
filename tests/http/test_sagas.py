"""Sagas over HTTP: listed to administrators, steered with a reason, told in the timeline."""

from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from falcon.testing import Result

from oms_core import Change, OrderStatus
from oms_core.domain.saga_position import Attention
from oms_core.ports.authentication import Role
from oms_core.testing import a_scope
from tests.support.api import SAGAS, Api

WHY = {"reason": "a customer called"}
DEEDS = ("retry", "skip", "compensate", "pause", "resume")
STRANGERS = a_scope("another-tenant")


def listed(api: Api, query: str = "", **options: Any) -> list[tuple[str, str]]:
    result = api.get(SAGAS, query_string=query, role=Role.ADMIN, **options)
    assert result.status_code == 200, result.text
    return [(one["order_id"], one["saga"]["state"]) for one in result.json["sagas"]]


def steer(api: Api, order_id: UUID, deed: str, body: object = None, **options: Any) -> Result:
    options.setdefault("role", Role.ADMIN)
    return api.post(f"{SAGAS}/{order_id}/{deed}", WHY if body is None else body, **options)


def stuck(api: Api) -> UUID:
    """Place an order that a person must look at."""
    order_id = api.place()
    order = api.oms.get_order(api.scope, order_id)
    flag = Attention("reservation_lost", "Compare order and inventory.", api.clock.now())
    flagged = order.call_for_attention(flag)
    api.storage.save(evolve(flagged, saga=evolve(flagged.saga, due_at=None)))
    return order_id


def test_sagas_are_listed_by_state_and_limited(api: Api) -> None:
    api.receive()
    waiting = api.place(payment_reference="sim_requires_action", idempotency_key="a")
    api.oms.run_until_idle()
    api.clock.advance(1)
    running = api.place(payment_reference="card-2", idempotency_key="b")
    paused = api.place(payment_reference="card-3", idempotency_key="c")
    steer(api, paused, "pause")

    assert listed(api, "state=waiting") == [(str(waiting), "waiting")]
    assert listed(api, "state=running") == [(str(running), "running")]
    assert listed(api, "state=paused") == [(str(paused), "paused")]
    assert listed(api, "state=stuck") == []
    assert len(listed(api)) == 3
    assert listed(api, "limit=1") == [(str(waiting), "waiting")]


def test_another_organization_sees_none_of_them(api: Api) -> None:
    order_id = api.place()

    assert listed(api, scope=STRANGERS) == []
    for deed in DEEDS:
        assert steer(api, order_id, deed, scope=STRANGERS).status_code == 404
    assert api.get(SAGAS, role=Role.ADMIN).json["sagas"][0]["version"] == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_only_administrators_see_and_steer_them(api: Api, role: Role) -> None:
    order_id = api.place()

    assert api.get(SAGAS, role=role).status_code == 403
    for deed in DEEDS:
        assert steer(api, order_id, deed, role=role).status_code == 403


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("state=finished", ["/state"]),
        ("limit=101&state=x", ["/state", "/limit"]),
        ("limit=0", ["/limit"]),
        ("state=stuck&state=paused", ["/state"]),
        ("tenant=all", ["/tenant"]),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(
    api: Api, query: str, pointers: list[str]
) -> None:
    result = api.get(SAGAS, query_string=query, role=Role.ADMIN)

    assert result.status_code == 400
    assert sorted(m["pointer"] for m in result.json["errors"]) == sorted(pointers)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/reason"),
        ({"reason": ""}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"reason": "two\nlines"}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": "why", "force": True}, "/force"),
        ([], ""),
    ],
)
@pytest.mark.parametrize("deed", DEEDS)
def test_steering_without_a_good_reason_is_refused(
    api: Api, deed: str, body: object, pointer: str
) -> None:
    order_id = api.place()

    result = steer(api, order_id, deed, body)

    assert result.status_code == 400
    assert [mistake["pointer"] for mistake in result.json["errors"]] == [pointer]
    assert api.oms.get_order(api.scope, order_id).version == 1


@pytest.mark.parametrize("deed", DEEDS)
def test_what_is_no_order_here_is_not_found(api: Api, deed: str) -> None:
    for unknown in ("nonsense", "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"):
        result = api.post(f"{SAGAS}/{unknown}/{deed}", WHY, role=Role.ADMIN)

        assert (result.status_code, result.json["code"]) == (404, "order_not_found")


def test_a_pause_and_its_end_stand_in_the_timeline_with_who_and_why(api: Api) -> None:
    api.receive()
    order_id = api.place()

    paused = steer(api, order_id, "pause")
    again = steer(api, order_id, "pause")
    api.oms.run_until_idle()
    resumed = steer(api, order_id, "resume", {"reason": "all is well"})
    api.oms.run_until_idle()

    assert (paused.status_code, paused.json["saga"]["state"]) == (200, "paused")
    assert (again.status_code, again.json["code"]) == (409, "not_possible")
    assert again.json["detail"] == "The order is paused already; resume it to let it go on."
    assert (resumed.status_code, resumed.json["saga"]["state"]) == (200, "running")
    order = api.oms.get_order(api.scope, order_id)
    assert order.status is OrderStatus.CONFIRMED
    steered = [e for e in order.history if e.change.startswith("saga_")]
    assert [(e.change, e.actor, e.facts) for e in steered] == [
        (Change.SAGA_PAUSED, "pat@example.com", WHY),
        (Change.SAGA_RESUMED, "pat@example.com", {"reason": "all is well"}),
    ]


def test_a_stuck_order_is_retried_or_taken_back(api: Api) -> None:
    api.receive()
    order_id = stuck(api)

    assert listed(api, "state=stuck") == [(str(order_id), "stuck")]
    assert steer(api, order_id, "skip").json["code"] == "not_possible"
    assert steer(api, order_id, "retry").status_code == 200
    refused = steer(api, order_id, "retry")
    assert (refused.status_code, refused.json["code"]) == (409, "nothing_to_steer")
    assert steer(api, order_id, "pause").status_code == 200
    assert steer(api, order_id, "compensate").json["saga"]["phase"] == "compensating"
    api.oms.run_until_idle()
    failed = api.oms.get_order(api.scope, order_id)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == ("failed", "compensation_ordered")
