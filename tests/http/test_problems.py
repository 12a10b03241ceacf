"""Errors: one table, one form, and nothing of the inside."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from falcon.testing import StartResponseMock, create_environ

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.storage.memory import MemoryStorage
from oms_core import errors
from oms_core.errors import InventoryUnavailable, OmsError, StoreUnavailable, StoreUnusable
from oms_entrypoints.http.problems import CODE_OF_STATUS, STATUS_OF, problem_of
from oms_entrypoints.http.resource import JSON
from tests.support.api import ADJUST, LEVELS, ORDERS, PROBLEM, Api, an_order_request, validator


def all_errors(root: type[OmsError] = OmsError) -> Iterator[type[OmsError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from all_errors(child)


def test_every_error_of_the_core_has_a_status() -> None:
    known = set(all_errors())

    assert len(known) > 25
    assert set(STATUS_OF) == known


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in all_errors()] + [code for code, _ in CODE_OF_STATUS.values()]

    assert len(codes) == len(set(codes))


def test_errors_that_may_be_repeated_unchanged_are_503_and_say_when() -> None:
    retryable = [error for error in all_errors() if error.retryable]

    assert len(retryable) >= 6
    for kind in retryable:
        problem = problem_of(kind())
        assert problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert int(problem.headers["Retry-After"]) >= 1


class ForeignTrouble(errors.InventoryUnavailable):
    """An error that an adapter of somebody else's made up beneath one of ours."""


def test_an_error_beneath_one_of_ours_is_told_as_that_one() -> None:
    assert problem_of(ForeignTrouble()).status == 503


# -- the framework's own errors ----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/oms", "/api/v1/oms/orders/x/y", "/docs/"])
def test_an_unknown_address_is_a_problem_too(api: Api, path: str) -> None:
    result = api.get(path)

    assert (result.status_code, result.json["code"]) == (404, "route_not_found")
    assert result.headers["content-type"] == PROBLEM
    validator("Problem").validate(result.json)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [ORDERS, f"{ORDERS}/x", ADJUST, LEVELS, "/healthz"])
def test_a_method_that_is_not_known_there_is_a_problem_too(
    api: Api, method: str, path: str
) -> None:
    result = api.call(method, path)

    assert (result.status_code, result.json["code"]) == (405, "method_not_allowed")
    assert result.headers["allow"]


def call_without_a_server(api: Api, **environ: str) -> tuple[str, dict[str, Any]]:
    """Call the application with what no server in between has made sense of."""
    start = StartResponseMock()
    headers = {**api.headers(), "Content-Type": JSON}
    sent = create_environ(method="POST", path=ORDERS, body="{}", headers=headers)
    body = b"".join(api.app({**sent, **environ}, start))
    return str(start.status), json.loads(body)


def test_a_method_that_is_not_known_anywhere_is_a_problem_too(api: Api) -> None:
    status, problem = call_without_a_server(api, REQUEST_METHOD="BREW")

    assert (status[:3], problem["code"]) == ("400", "bad_request")


@pytest.mark.parametrize("length", ["-1", "x", "1 2", "5, 5", "9" * 5_000, "+2", "٣"])
def test_a_length_that_is_none_is_a_problem_too(api: Api, length: str) -> None:
    status, problem = call_without_a_server(api, CONTENT_LENGTH=length)

    assert (status[:3], problem["status"]) == ("400", 400)
    assert api.nothing_happened()


def test_a_body_of_unknown_length_from_a_server_that_does_not_end_it_is_not_read(api: Api) -> None:
    """Reading it would wait for the client for ever."""
    status, problem = call_without_a_server(api, CONTENT_LENGTH="")

    assert (status[:3], problem["code"]) == ("400", "invalid_input")


def test_a_body_that_ends_early_is_refused(api: Api) -> None:
    status, problem = call_without_a_server(api, CONTENT_LENGTH="700")

    assert (status[:3], problem["errors"][0]["message"]) == (
        "400",
        "the body ended after 2 of 700 bytes; send it again",
    )


# -- trouble behind ------------------------------------------------------------------------------


class BrokenStorage(MemoryStorage):
    """A store that fails as it is told to."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    def add(self, *_: Any, **__: Any) -> Any:
        raise self.failure

    def get(self, *_: Any, **__: Any) -> Any:
        raise self.failure

    def ping(self) -> None:
        raise self.failure

    def count_sagas(self) -> Any:
        raise self.failure


def test_a_store_that_does_not_answer_is_503_and_says_when_to_come_again() -> None:
    api = Api(storage=BrokenStorage(StoreUnavailable("disk full at /var/lib/secret/oms.db")))

    for result in (api.post(ORDERS, an_order_request()), api.get("/readyz")):
        assert (result.status_code, result.json["code"]) == (503, "store_unavailable")
        assert int(result.headers["retry-after"]) >= 1
        assert "/var/lib" not in result.text
    assert "disk full" in api.log.getvalue()
    assert api.get("/healthz").status_code == 200


def test_a_store_that_needs_a_person_does_not_tell_clients_where_it_lies() -> None:
    api = Api(storage=BrokenStorage(StoreUnusable("/var/lib/secret/oms.db is damaged; restore it")))

    result = api.get("/readyz")

    assert (result.status_code, result.json["code"]) == (503, "store_unusable")
    assert "/var/lib" not in result.text


class SilentInventory(MemoryInventory):
    """An inventory that gives no answer."""

    def adjust(self, *_: Any, **__: Any) -> Any:
        raise InventoryUnavailable(retry_after_s=7)

    def levels(self, *_: Any, **__: Any) -> Any:
        raise InventoryUnavailable(retry_after_s=7)

    def ping(self) -> None:
        raise InventoryUnavailable(retry_after_s=7)


def test_an_inventory_that_does_not_answer_is_503_and_says_when_to_come_again() -> None:
    api = Api(inventory=SilentInventory())
    entry = {"sku": "A", "quantity_delta": 1, "reason": "delivery"}

    for result in (
        api.post(ADJUST, entry, headers={"Idempotency-Key": "k"}),
        api.get(LEVELS),
        api.post(LEVELS, {}),
    ):
        assert (result.status_code, result.json["code"]) == (503, "inventory_unavailable")
        assert result.headers["retry-after"] == "7"


def test_a_server_whose_inventory_is_down_takes_orders_all_the_same() -> None:
    """Were it not ready, no server would be: all would turn everybody away for one service."""
    api = Api(inventory=SilentInventory())

    assert api.get("/readyz").status_code == 200
    assert api.post(ORDERS, an_order_request()).status_code == 201


@pytest.mark.parametrize("failure", [RuntimeError, KeyError, RecursionError, MemoryError])
def test_what_nobody_expected_tells_the_client_nothing_and_the_log_where(
    failure: type[Exception],
) -> None:
    api = Api(storage=BrokenStorage(failure("customer Pat lives in Secret Lane 7")))

    result = api.post(ORDERS, an_order_request())

    assert (result.status_code, result.json["code"]) == (500, "internal_error")
    assert "Secret" not in result.text
    assert failure.__name__ not in result.text
    logged = api.log.getvalue()
    assert result.json["request_id"] in logged
    assert failure.__name__ in logged
    assert "test_problems" in logged, "the log names the code that failed"
    assert "Secret" not in logged, "the text of an exception may hold anything"
