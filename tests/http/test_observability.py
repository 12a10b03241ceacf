"""Request ids, logs, figures and health: what operators see, and what they must not."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from oms_adapters.storage.memory import MemoryStorage
from oms_core.errors import StoreUnavailable
from oms_core.ports.payments import PaymentRef
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.logs import configure_logs
from tests.support.api import (
    ADJUST,
    MACHINE_TOKEN,
    ORDERS,
    SECRET,
    Api,
    a_full_order_request,
    an_order_request,
)


def lines(api: Api) -> list[dict[str, Any]]:
    return [json.loads(line) for line in api.log.getvalue().splitlines()]


# -- request ids -----------------------------------------------------------------------------


def test_every_answer_names_its_request_and_so_does_the_log(api: Api) -> None:
    answers = [api.get(ORDERS), api.get("/nowhere"), api.post(ORDERS, {}), api.get("/healthz")]

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 4
    assert [line["request_id"] for line in lines(api)] == ids


@pytest.mark.parametrize("given", ["checkout-4711", "a", "x" * 128, "4bf92f35:77=b+.~_-"])
def test_a_fit_request_id_is_kept(api: Api, given: str) -> None:
    assert api.get(ORDERS, headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["x" * 129, "a b", "a\tb", 'a"b', "caf\xe9", "<script>", "a,b", "${jndi}", "%0d%0a"]
)
def test_an_unfit_request_id_is_replaced(api: Api, given: str) -> None:
    result = api.get(ORDERS, headers={"X-Request-ID": given})

    assert result.headers["x-request-id"] != given
    assert len(result.headers["x-request-id"]) == 32


# -- logs ------------------------------------------------------------------------------------


def test_a_request_is_one_line_with_what_operators_need(api: Api) -> None:
    order_id = api.place()
    api.get(f"{ORDERS}/{order_id}")

    line = lines(api)[-1]

    assert line.pop("duration_ms") >= 0
    assert line.pop("request_id")
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/api/v1/oms/orders/{order_id}",
        "status": 200,
        "tenant_id": str(api.scope.tenant_id),
        "code": None,
    }


def test_tokens_keys_and_customers_are_nobodys_business(api: Api) -> None:
    """Everything that a request may carry, sent in every way that works and that does not."""
    order = a_full_order_request(idempotency_key="UNMISTAKABLE-KEY")
    headers = {"Idempotency-Key": "UNMISTAKABLE-KEY"}
    token = api.token()
    for authorization in (f"Bearer {token}", f"Bearer {MACHINE_TOKEN}", f"Bearer {token}x"):
        for body in (order, {**order, "channel": 7}, {**order, "payment_provider": "none"}):
            api.post(ORDERS, body, headers={**headers, "Authorization": authorization})
    api.post(ADJUST, {"sku": "UNMISTAKABLE-SKU"}, headers=headers)
    api.get(ORDERS, params={"customer_id": "UNMISTAKABLE-CUSTOMER", "channel": "UNMISTAKABLE"})
    api.get(f"{ORDERS}/UNMISTAKABLE-ID")
    api.get("/UNMISTAKABLE-PATH")
    logged = api.log.getvalue()

    assert len(lines(api)) == 13
    for secret in (
        "UNMISTAKABLE",
        token,
        token.rpartition(".")[2],
        MACHINE_TOKEN,
        SECRET.decode(),
        "pat@example.com",
        *(str(value) for value in order["shipping_address"].values() if len(str(value)) > 4),
        order["payment_reference"],
        order["customer_id"],
        "autumn",
    ):
        assert secret not in logged


def test_nothing_from_outside_begins_a_line(api: Api) -> None:
    forged = '\r\n{"event":"request","status":200,"forged":true}'
    api.post(ORDERS, an_order_request(channel=forged))
    api.get(f"{ORDERS}/x%0D%0A%7B%22event%22:%22forged%22%7D")
    logging.getLogger("some.library").warning("it said %s", forged)

    assert len(lines(api)) == 3
    assert all(not line.get("forged") for line in lines(api))


def test_other_libraries_lines_come_in_the_same_form_without_secrets(api: Api) -> None:
    token = api.token()
    logging.getLogger("some.library").warning(
        "GET /x Authorization: Bearer %s card 4111 1111 1111 1111 key %s",
        token,
        "sk_live_" + "a" * 24,
    )

    (line,) = lines(api)
    assert (line["logger"], line["level"]) == ("some.library", "warning")
    assert token not in line["event"]
    assert "4111" not in line["event"]
    assert "sk_live" not in line["event"]


@pytest.mark.parametrize(
    ("library", "level"), [("pymongo.command", logging.DEBUG), ("stripe", logging.INFO)]
)
def test_what_libraries_say_of_each_call_is_left_out(api: Api, library: str, level: int) -> None:
    """They quote documents and answers: whole orders."""
    logging.getLogger(library).log(level, "Pat, Secret Lane 7")

    assert not api.log.getvalue()


def test_an_exception_is_logged_as_its_class_and_where_it_went_through(api: Api) -> None:
    def a_function_that_fails() -> None:
        try:
            raise ValueError("Secret Lane 7")
        except ValueError as cause:
            raise RuntimeError("customer Pat") from cause

    try:
        a_function_that_fails()
    except RuntimeError:
        logging.getLogger("some.library").exception("it failed")

    (line,) = lines(api)
    assert line["exception"] == ["RuntimeError", "ValueError"]
    assert any("a_function_that_fails" in frame for frame in line["stack"])
    assert "Secret Lane" not in api.log.getvalue()
    assert "Pat" not in api.log.getvalue()


def test_lines_for_people_cannot_be_forged_either() -> None:
    out = io.StringIO()
    configure_logs("info", "text", out)
    structlog.get_logger().info("request", route="/x\r\n2031 [info] forged", status=200)
    structlog.reset_defaults()

    assert len(out.getvalue().splitlines()) == 1
    assert "request" in out.getvalue()


def test_a_level_leaves_out_what_is_below_it() -> None:
    out = io.StringIO()
    configure_logs("warning", "json", out)
    structlog.get_logger().info("request")
    logging.getLogger("some.library").info("hello")
    logging.getLogger("some.library").warning("trouble")
    structlog.reset_defaults()

    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["trouble"]


# -- figures ---------------------------------------------------------------------------------


def figures(api: Api) -> dict[tuple[str, ...], float]:
    """Return the figures by name and label values."""
    text = api.get("/metrics").text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_method_and_status(api: Api) -> None:
    api.place()
    api.get(f"{ORDERS}/x")
    api.get(f"{ORDERS}/y")
    api.get("/nowhere/at/all")
    counted = figures(api)

    route = "/api/v1/oms/orders/{order_id}"
    assert counted["oms_http_requests_total", "POST", ORDERS, "201"] == 1
    assert counted["oms_http_requests_total", "GET", route, "404"] == 2
    assert counted["oms_http_requests_total", "GET", "(unmatched)", "404"] == 1
    assert counted["oms_http_request_duration_seconds_count", "GET", route] == 2


def test_orders_are_counted_as_accepted_or_replayed(api: Api) -> None:
    api.place()
    api.place()
    api.place()
    counted = figures(api)

    assert counted["oms_orders_placed_total", "accepted"] == 1
    assert counted["oms_orders_placed_total", "replayed"] == 2


def test_sagas_are_counted_when_somebody_looks(api: Api) -> None:
    api.receive()
    before = figures(api)
    api.place()
    placed = figures(api)
    api.oms.run_until_idle()
    done = figures(api)

    assert [f["oms_sagas", "running"] for f in (before, placed, done)] == [0, 1, 0]
    assert ("oms_sagas", "waiting") in done
    assert ("oms_sagas", "stuck") in done
    assert done["oms_store_up",] == 1
    assert done["oms_inventory_up",] == 1


def test_the_lag_of_the_feed_is_the_age_of_the_oldest_event_that_has_not_left(api: Api) -> None:
    before = figures(api)
    api.place()
    api.clock.advance(90.5)
    api.place()
    waiting = figures(api)
    api.oms.run_until_idle()
    done = figures(api)

    assert [f["oms_events_lag_seconds",] for f in (before, waiting, done)] == [0, 90.5, 0]


def test_an_event_of_a_machine_whose_clock_is_ahead_has_not_waited(api: Api) -> None:
    api.place()
    api.clock.advance(-5)

    assert figures(api)["oms_events_lag_seconds",] == 0


def test_where_no_events_leave_they_have_no_lag() -> None:
    """They stay with their orders for ever, and that is right: an alarm would never end."""
    api = Api(feed=False)
    api.place()

    assert not [key for key in figures(api) if key[0] == "oms_events_lag_seconds"]


class SilentStorage(MemoryStorage):
    def count_sagas(self) -> Any:
        raise StoreUnavailable


def test_while_the_store_is_silent_there_are_figures_but_no_wrong_ones() -> None:
    counted = figures(Api(storage=SilentStorage()))

    assert counted["oms_store_up",] == 0
    assert not [key for key in counted if key[0] in {"oms_sagas", "oms_events_lag_seconds"}]


def test_nobody_can_fill_the_figures_with_names_of_their_own(api: Api) -> None:
    def ask_for(names: range) -> int:
        for number in names:
            api.get(f"/nowhere/{number}")
            api.get(f"{ORDERS}/{number}")
            api.get(ORDERS, params={"channel": f"c{number}"})
        api.get("/metrics")
        return len(figures(api))

    assert ask_for(range(3)) == ask_for(range(3, 50))


def test_an_unknown_method_is_counted_under_one_name() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.answered(f"BREW{number}", "(unmatched)", 400, 0.1)
    page, _ = metrics.page()

    assert b'oms_http_requests_total{method="OTHER",route="(unmatched)",status="400"} 50.0' in page
    assert b"BREW" not in page


def test_two_applications_do_not_share_figures(api: Api) -> None:
    other = Api()
    api.place()

    assert figures(other)["oms_orders_placed_total", "accepted"] == 0


def test_figures_come_in_the_format_that_every_version_of_prometheus_reads(api: Api) -> None:
    result = api.get("/metrics", headers={"Accept": "application/openmetrics-text"})

    assert result.headers["content-type"].startswith("text/plain; version=")


# -- health ----------------------------------------------------------------------------------


def test_a_healthy_server_says_so(api: Api) -> None:
    healthz, readyz = (api.get(p, query_string="cache-buster=1") for p in ("/healthz", "/readyz"))

    assert (healthz.status_code, healthz.json) == (200, {"status": "ok"})
    assert (readyz.status_code, readyz.json) == (
        200,
        {"status": "ok", "payment_providers_refusing_us": []},
    )


def test_a_provider_that_refuses_our_credentials_is_an_alarm_and_no_reason_to_go_elsewhere(
    api: Api,
) -> None:
    """Orders are accepted, and wait; the alarm ends by itself."""
    api.receive()
    assert figures(api)["oms_payment_provider_up", "simulated"] == 1
    order_id = api.place(payment_reference="sim_credentials_rejected")

    api.oms.run_until_idle()

    assert figures(api)["oms_payment_provider_up", "simulated"] == 0
    assert figures(api)["oms_sagas", "stuck"] == 1
    readyz = api.get("/readyz")
    assert readyz.status_code == 200
    assert readyz.json["payment_providers_refusing_us"] == ["simulated"]
    (line,) = (line for line in lines(api) if "refuses our credentials" in line["event"])
    assert {**line, "at": ""} == {
        "event": "payment provider refuses our credentials",
        "level": "error",
        "logger": "oms_core.payments",
        "provider": "simulated",
        "reason": "http_401",
        "at": "",
    }
    api.payments.heal(PaymentRef(api.scope.tenant_id, "sim_credentials_rejected"))
    api.clock.advance(2)
    api.oms.run_until_idle()
    assert api.oms.get_order(api.scope, order_id).status == "confirmed"
    assert figures(api)["oms_payment_provider_up", "simulated"] == 1
    assert api.get("/readyz").json["payment_providers_refusing_us"] == []


def test_no_answer_is_kept_by_anybody_on_its_way(api: Api) -> None:
    for result in (api.get(ORDERS), api.get("/nowhere"), api.get("/healthz")):
        assert result.headers["cache-control"] == "no-store"
