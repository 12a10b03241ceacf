"""Who is let in: token, headers, role, rate."""

import re
from uuid import uuid4

import pytest

from oms_core.domain.scope import Scope
from oms_core.errors import AuthenticationUnavailable
from oms_core.ports.authentication import Principal, Role
from oms_core.testing import a_scope
from oms_entrypoints.http.settings import HttpSettings
from tests.support.api import (
    ADJUST,
    ARMCHAIR,
    LEVELS,
    MACHINE_TOKEN,
    ORDERS,
    Api,
    an_order_request,
    document,
)

ONE_ORDER = f"{ORDERS}/{uuid4()}"
READS = [("GET", ORDERS), ("HEAD", ORDERS), ("GET", ONE_ORDER), ("GET", LEVELS)]
WRITES = [("POST", ORDERS), ("POST", ADJUST)]
PUBLIC = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic cGF0OnNlY3JldA==",
        "Token abc",
        "Bearer two tokens",
        "Bearer a,b",
        "Bearer abc",
        "Bearer a.b.c",
        "Bearer " + "x" * 20_000,
        "Bearer caf\xe9",
        "bearer" + "x" * 40,
        MACHINE_TOKEN,
        f"Bearer {MACHINE_TOKEN}x",
        f"Bearer {MACHINE_TOKEN[:-1]}",
        f"Bearer {MACHINE_TOKEN.upper()}",
    ],
)
@pytest.mark.parametrize(("method", "path"), [*READS, *WRITES])
def test_without_a_good_token_nobody_gets_in(
    api: Api, method: str, path: str, authorization: str
) -> None:
    result = api.call(method, path, headers={"Authorization": authorization})

    assert result.status_code == 401
    assert result.headers["www-authenticate"].startswith('Bearer realm="oms"')
    if method != "HEAD":
        assert result.json["code"] == "authentication_failed"
    assert api.nothing_happened()


def test_every_documented_call_that_needs_a_token_asks_for_one(api: Api) -> None:
    """Not the list above, but the document: no call may be forgotten."""
    asked = 0
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            result = api.call(
                method.upper(), re.sub("{[a-z_]+}", "x", path), headers={"Authorization": ""}
            )
            assert (result.status_code == 401) == ("security" in operation), path
            asked += result.status_code == 401

    assert asked == 35


def test_the_scheme_is_not_case_sensitive(api: Api) -> None:
    assert api.get(ORDERS, headers={"Authorization": f"bEARER {api.token()}"}).status_code == 200


def test_a_machine_acts_under_its_own_name(api: Api) -> None:
    result = api.post(
        ORDERS, an_order_request(), headers={"Authorization": f"Bearer {MACHINE_TOKEN}"}
    )

    assert result.status_code == 201
    timeline = api.get(result.headers["location"]).json["timeline"]
    assert [entry["actor"] for entry in timeline] == ["till-7"]


def test_a_token_that_expires_between_two_calls_is_refused(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.token(lifetime_s=60)}"}
    before = api.get(ORDERS, headers=headers)
    api.clock.advance(60 + 60)
    after = api.get(ORDERS, headers=headers)

    assert (before.status_code, after.status_code) == (200, 401)
    assert "expired" in after.json["error"]


NOT_UUIDS = [
    "",
    "acme",
    "7",
    "null",
    "{11111111-1111-4111-8111-111111111111}",
    "urn:uuid:11111111-1111-4111-8111-111111111111",
    "11111111111141118111111111111111",
    "1-1111111-1111-4111-8111-111111111111",
    "11111111-1111-4111-8111-11111111111g",
    "11111111-1111-4111-8111-111111111111, 22222222-2222-4222-8222-222222222222",
    "*",
]


@pytest.mark.parametrize("header", ["X-Tenant-ID", "X-Org-ID"])
@pytest.mark.parametrize("value", NOT_UUIDS)
def test_a_scope_header_that_is_missing_or_no_uuid_is_refused(
    api: Api, header: str, value: str
) -> None:
    result = api.get(ORDERS, headers={header: value})

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert [mistake["pointer"] for mistake in result.json["errors"]] == [f"/{header}"]


def test_both_scope_headers_are_missed_at_once(api: Api) -> None:
    result = api.get(ORDERS, headers={"X-Tenant-ID": "", "X-Org-ID": ""})

    assert [mistake["pointer"] for mistake in result.json["errors"]] == [
        "/X-Tenant-ID",
        "/X-Org-ID",
    ]


@pytest.mark.parametrize("header", ["X-Tenant-ID", "X-Org-ID"])
@pytest.mark.parametrize("role", list(Role))
def test_the_tokens_scope_is_the_authority(api: Api, header: str, role: Role) -> None:
    """A token opens its own scope only, however high its role is."""
    order_id = api.place()
    result = api.get(f"{ORDERS}/{order_id}", headers={header: str(uuid4())}, role=role)

    assert (result.status_code, result.json["code"]) == (403, "permission_denied")


def test_scope_headers_in_capitals_are_the_same(api: Api) -> None:
    headers = {"X-Tenant-ID": str(api.scope.tenant_id).upper()}

    assert api.get(ORDERS, headers=headers).status_code == 200


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "path"), READS)
def test_every_role_reads(api: Api, method: str, path: str, role: Role) -> None:
    assert api.call(method, path, role=role).status_code in {200, 404}


@pytest.mark.parametrize(
    ("role", "may"), [(Role.VIEWER, False), (Role.EDITOR, True), (Role.ADMIN, True)]
)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_viewer_does_not_write(api: Api, method: str, path: str, role: Role, may: bool) -> None:  # noqa: FBT001
    entry = {"sku": ARMCHAIR, "quantity_delta": 1, "reason": "delivery"}
    body = an_order_request() if path == ORDERS else entry

    result = api.call(
        method, path, role=role, json=body, headers={"Idempotency-Key": "checkout-4711"}
    )

    assert (result.status_code != 403) == may
    assert api.nothing_happened() != may


@pytest.mark.parametrize("path", PUBLIC)
def test_the_servers_own_addresses_need_no_token(api: Api, path: str) -> None:
    result = api.get(path, headers={"Authorization": "", "X-Tenant-ID": "", "X-Org-ID": ""})

    assert result.status_code == 200


@pytest.mark.parametrize("path", [ORDERS, ONE_ORDER, ADJUST, LEVELS, *PUBLIC])
def test_options_tells_the_methods_to_everybody(api: Api, path: str) -> None:
    result = api.call("OPTIONS", path, headers={"Authorization": ""})

    assert (result.status_code, result.content) == (200, b"")
    documented = {method.upper() for method in document()["paths"].get(path, {"get": 0})}
    heads = {"HEAD"} if "GET" in documented else set()
    assert set(result.headers["allow"].split(", ")) == documented | heads


@pytest.mark.parametrize("path", [ORDERS, ONE_ORDER, LEVELS, *PUBLIC])
def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    result = api.call("HEAD", path)

    assert result.status_code == api.get(path).status_code
    assert result.content == b""


class UnreachableIssuer:
    """An authenticator that cannot tell."""

    def authenticate(self, token: str) -> Principal:
        raise AuthenticationUnavailable(retry_after_s=4.2)


def test_a_token_that_cannot_be_checked_is_not_a_bad_token() -> None:
    result = Api(authenticator=UnreachableIssuer()).get(ORDERS)

    assert (result.status_code, result.json["code"]) == (503, "authentication_unavailable")
    assert result.headers["retry-after"] == "5"


# -- rate ------------------------------------------------------------------------------------


def test_a_tenant_over_its_rate_waits_and_takes_nothing_from_others() -> None:
    api = Api(settings=HttpSettings(rate_limit="3/hour"))
    neighbour = Scope(a_scope("globex", "x").tenant_id, api.scope.org_id)

    statuses = [api.get(ORDERS).status_code for _ in range(5)]
    refused = api.get(ORDERS)

    assert statuses == [200, 200, 200, 429, 429]
    assert refused.json["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 3_600
    assert api.get(ORDERS, scope=neighbour).status_code == 200
    assert api.get("/healthz").status_code == 200


def test_an_order_over_the_rate_is_not_accepted() -> None:
    api = Api(settings=HttpSettings(rate_limit="1/hour"))
    api.get(ORDERS)

    assert api.post(ORDERS, an_order_request()).status_code == 429
    assert api.nothing_happened()


def test_whoever_is_not_let_in_does_not_use_up_the_rate() -> None:
    api = Api(settings=HttpSettings(rate_limit="1/hour"))
    for _ in range(3):
        api.get(ORDERS, headers={"Authorization": "Bearer wrong"})
        api.get(ORDERS, headers={"X-Org-ID": str(uuid4())})

    assert api.get(ORDERS).status_code == 200


def test_without_a_configured_rate_there_is_none(api: Api) -> None:
    assert {api.get(ORDERS).status_code for _ in range(50)} == {200}
