"""Whatever happens on the wire to an inventory service: one effect, and the truth about it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

import pytest

from oms_adapters.inventory.http import HttpInventory
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    Reserved,
    StockItem,
    StockLevel,
    StockMovement,
)
from oms_core.errors import InventoryUnavailable, InventoryUnusable, OmsError
from oms_core.ports.authentication import Role
from oms_core.ports.inventory import Inventory, StockPage
from oms_core.testing import SimulatedClock, a_scope
from tests.support.command_line import free_port
from tests.support.http_faults import (
    BROKEN_OFF,
    CUT_JSON,
    LATE_ANSWER,
    LATE_BEFORE,
    LOST_ANSWER,
    LOST_BEFORE,
    HttpFault,
    answers,
    html,
)
from tests.support.stock_service import FaultyStockService, client_of, token_for

SCOPE = a_scope()
ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")
TIMEOUT_S = 0.25
PROBLEM = b'{"code": "inventory_unavailable", "status": 503}'
Call: TypeAlias = Callable[[Inventory], object]


def a_movement(movement_id: str, quantity: int) -> StockMovement:
    return StockMovement(
        movement_id, ARMCHAIR, quantity, "delivery 4711", SimulatedClock().now(), "pat@example.com"
    )


def prepared(inventory: Inventory) -> None:
    """Have ten armchairs, three of them reserved, and three earmarked."""
    inventory.adjust(SCOPE, a_movement("delivery", 10))
    wanted = [Demand(ARMCHAIR, 3)]
    inventory.reserve(SCOPE, "held", wanted, allocation=Allocation())
    inventory.reserve(SCOPE, "soft", wanted, allocation=Allocation(AllocationModel.SOFT, 900.0))


CALLS: dict[str, tuple[Call, object, StockLevel]] = {
    "reserve": (
        lambda i: i.reserve(SCOPE, "new", [Demand(ARMCHAIR, 4)], allocation=Allocation()),
        Reserved(),
        StockLevel(ARMCHAIR, 10, 10),
    ),
    "harden": (lambda i: i.harden(SCOPE, "soft"), Reserved(), StockLevel(ARMCHAIR, 10, 6)),
    "release": (lambda i: i.release(SCOPE, "held"), AlreadyReleased(), StockLevel(ARMCHAIR, 10, 3)),
    "commit": (
        lambda i: i.commit(SCOPE, "held", actor="worker"),
        AlreadyCommitted(),
        StockLevel(ARMCHAIR, 7, 3),
    ),
    "commit_part": (
        lambda i: i.commit_part(SCOPE, "held", "part", [Demand(ARMCHAIR, 2)], actor="worker"),
        AlreadyCommitted(),
        StockLevel(ARMCHAIR, 8, 4),
    ),
    "adjust": (
        lambda i: i.adjust(SCOPE, a_movement("breakage", -4)),
        StockLevel(ARMCHAIR, 6, 6),
        StockLevel(ARMCHAIR, 6, 6),
    ),
    "levels": (
        lambda i: i.levels(SCOPE),
        StockPage((StockLevel(ARMCHAIR, 10, 6),)),
        StockLevel(ARMCHAIR, 10, 6),
    ),
    "movements": (
        lambda i: i.movements(SCOPE, ARMCHAIR),
        (a_movement("delivery", 10),),
        StockLevel(ARMCHAIR, 10, 6),
    ),
}

UNKNOWN: tuple[HttpFault, ...] = (
    LOST_BEFORE,
    LOST_ANSWER,
    LATE_BEFORE,
    LATE_ANSWER,
    CUT_JSON,
    BROKEN_OFF,
    html(),
    html(502),
    html(404, executed=False),
    answers(200, b'{"outcome": "maybe", "shortages": []}', executed=True),
    answers(200, b"[]", executed=True),
    answers(200, b'{"outcome": "out_of_stock", "shortages": []}', executed=True),
    answers(204, b"", executed=True),
    answers(408),
    answers(429, PROBLEM, {"Retry-After": "7"}),
    answers(500, PROBLEM),
    answers(500, PROBLEM, executed=True),
    answers(503, PROBLEM, {"Retry-After": "7"}),
    answers(503, PROBLEM, executed=True),
    answers(504, b"<html>", executed=True),
)
PATIENT = (LOST_BEFORE, LOST_ANSWER, BROKEN_OFF)
"""What breaks the connection is tried once more at once: they must come twice to be noticed."""


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyStockService]:
    with FaultyStockService() as service:
        yield service


@pytest.fixture
def service(faulty: FaultyStockService) -> FaultyStockService:
    faulty.service.renew(SimulatedClock())
    prepared(faulty.service.inventory)
    return faulty


def level(service: FaultyStockService) -> StockLevel:
    (found,) = service.service.inventory.levels(SCOPE, items=[ARMCHAIR]).levels
    return found


def trouble(call: Call, inventory: Inventory) -> OmsError:
    with pytest.raises((InventoryUnavailable, InventoryUnusable)) as met:
        call(inventory)
    return met.value


@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda fault: fault.name)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_repeated_after_any_fault_has_one_effect(
    service: FaultyStockService, name: str, fault: HttpFault
) -> None:
    call, expected, left = CALLS[name]
    service.plan(fault, times=2 if fault in PATIENT else 1)

    with client_of(service.url, timeout_s=TIMEOUT_S) as inventory:
        error = trouble(call, inventory)
        again = call(inventory)

    assert isinstance(error, InventoryUnavailable)
    assert again == expected
    assert level(service) == left
    assert len(service.service.inventory.movements(SCOPE, ARMCHAIR)) == (
        2 if name in {"adjust", "commit", "commit_part"} else 1
    )


@pytest.mark.parametrize("fault", PATIENT, ids=lambda fault: fault.name)
def test_one_broken_connection_is_not_even_noticed(
    service: FaultyStockService, fault: HttpFault
) -> None:
    """The service may hang up on an idle connection just as a request leaves."""
    call, expected, left = CALLS["commit"]
    service.plan(fault)

    with client_of(service.url, timeout_s=TIMEOUT_S) as inventory:
        assert call(inventory) == expected

    assert level(service) == left


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "999999"}, 3_600.0),
        (
            {
                "Date": "Sun, 04 May 2031 12:00:00 GMT",
                "Retry-After": "Sun, 04 May 2031 12:00:30 GMT",
            },
            30.0,
        ),
        (
            {
                "Date": "Sun, 04 May 2031 12:00:00 GMT",
                "Retry-After": "Sun, 04 May 2031 11:00:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_service_says_when_to_come_again(
    service: FaultyStockService, status: int, headers: dict[str, str], expected: float | None
) -> None:
    service.plan(answers(status, PROBLEM, headers))

    with client_of(service.url) as inventory:
        error = trouble(CALLS["reserve"][0], inventory)

    assert isinstance(error, InventoryUnavailable)
    assert error.retry_after_s == expected


EVERY_STATUS = [status.value for status in HTTPStatus if status.value >= 200]
CREDENTIALS = {401, 403, 407}
PASSING = {408, 425, 429}


@pytest.mark.parametrize("is_problem", [True, False], ids=["problem", "page"])
def test_every_status_has_a_verdict(service: FaultyStockService, *, is_problem: bool) -> None:
    """Total: nothing else may come out, and what is not clearly the service's is never final."""
    page = b"<html>told-in-a-page</html>"
    body = b'{"code": "some_code", "detail": "told-in-a-page"}' if is_problem else page
    unusable = set()

    with client_of(service.url) as inventory:
        for status in EVERY_STATUS:
            service.plan(answers(status, body, {"Location": f"{service.url}/elsewhere"}))
            error = trouble(CALLS["release"][0], inventory)
            assert "told-in" not in f"{error} {error!r} {vars(error)}"
            if isinstance(error, InventoryUnusable):
                unusable.add(status)
                assert str(status) in error.sentence

    refused = {s for s in EVERY_STATUS if 400 <= s < 500 or s == 501} - PASSING
    redirects = {s for s in EVERY_STATUS if 300 <= s < 400}
    assert unusable == redirects | (refused if is_problem else CREDENTIALS)
    assert all(request.path != "/elsewhere" for request in service.requests)
    assert level(service) == StockLevel(ARMCHAIR, 10, 6)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_a_token_without_the_right_needs_a_person(service: FaultyStockService, role: Role) -> None:
    with HttpInventory(service.url, lambda scope: token_for(scope, role)) as inventory:
        error = trouble(CALLS["reserve"][0], inventory)

    assert isinstance(error, InventoryUnusable)
    assert "403, permission_denied" in error.sentence


def test_a_wrong_token_needs_a_person_and_shows_nowhere(service: FaultyStockService) -> None:
    with HttpInventory(service.url, lambda _: "unmistakable-token-4711") as inventory:
        error = trouble(CALLS["reserve"][0], inventory)

    assert isinstance(error, InventoryUnusable)
    assert "inventory.token" in error.sentence
    assert "4711" not in f"{error!r} {error.__cause__!r} {error.__context__!r} {inventory!r}"


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with client_of(f"http://127.0.0.1:{free_port()}") as inventory:
        errors = [trouble(call, inventory) for call, *_ in CALLS.values()]
        errors.append(trouble(lambda i: i.ping(), inventory))

    assert {type(error) for error in errors} == {InventoryUnavailable}


def test_an_answer_that_trickles_is_given_up_in_time() -> None:
    """Each byte in time, and the whole never: an order's lease would run out meanwhile."""
    url, stop = _trickling_server()
    started = time.monotonic()

    with client_of(url, timeout_s=TIMEOUT_S) as inventory:
        error = trouble(CALLS["levels"][0], inventory)
    took_s = time.monotonic() - started
    stop()

    assert isinstance(error, InventoryUnavailable)
    assert took_s < 20 * TIMEOUT_S


def _trickling_server() -> tuple[str, Callable[[], None]]:
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not ended.wait(0.01):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join(10)
        listener.close()

    return f"http://127.0.0.1:{listener.getsockname()[1]}", stop


def test_an_endless_answer_is_given_up(service: FaultyStockService) -> None:
    service.plan(answers(200, b" " * 17_000_000, executed=True), times=2)

    with client_of(service.url) as inventory:
        assert isinstance(trouble(CALLS["levels"][0], inventory), InventoryUnavailable)


def test_connections_are_used_again_and_no_cookie_is_kept(service: FaultyStockService) -> None:
    before = service.connections
    service.plan(answers(503, PROBLEM, {"Set-Cookie": "session=4711"}))

    with client_of(service.url) as inventory:
        trouble(CALLS["levels"][0], inventory)
        for _ in range(5):
            inventory.levels(SCOPE)

    assert service.connections == before + 1
    assert all("cookie" not in request.headers for request in service.requests)


def test_nothing_in_the_environment_sends_a_token_elsewhere(
    service: FaultyStockService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    with client_of(service.url) as inventory:
        inventory.levels(SCOPE)

    assert service.requests[-1].headers["authorization"].startswith("Bearer ")
