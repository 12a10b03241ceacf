"""Monitoring sees how events reach subscribers, and no single subscriber."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oms_core.ports.authentication import Role
from tests.support.api import SUBSCRIPTIONS, Api
from tests.support.endpoint import Endpoint, an_endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with an_endpoint() as made:
        yield made


def figures(api: Api) -> dict[str, float]:
    """Read what is said about deliveries, by name and label."""
    text = api.get("/metrics").text
    return {
        "/".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("oms_delivery_") and not sample.name.endswith("_created")
    }


def test_at_first_everything_is_counted_as_nothing(api: Api) -> None:
    assert figures(api) == {
        "oms_delivery_attempts_total/taken": 0,
        "oms_delivery_attempts_total/not_taken": 0,
        "oms_delivery_attempts_total/gone": 0,
        "oms_delivery_subscriptions/active": 0,
        "oms_delivery_subscriptions/failing": 0,
        "oms_delivery_subscriptions/stopped": 0,
        "oms_delivery_subscriptions/disabled": 0,
        "oms_delivery_held": 0,
        "oms_delivery_dead_letters": 0,
    }


def test_attempts_are_counted_by_what_came_of_them_and_what_is_held_with_its_age(
    api: Api, endpoint: Endpoint
) -> None:
    endpoint.script(500)
    api.post(SUBSCRIPTIONS, {"url": endpoint.url}, role=Role.ADMIN)
    api.receive(key="delivery-1")
    api.receive("WOBBLY-LAMP", key="delivery-2")
    api.oms.run_until_idle()

    found = figures(api)

    assert found["oms_delivery_attempts_total/taken"] == 1
    assert found["oms_delivery_attempts_total/not_taken"] == 1
    assert found["oms_delivery_held"] == 1
    since = found["oms_delivery_held_since_timestamp_seconds"]
    assert since == api.clock.now().timestamp()


def test_an_endpoint_that_is_gone_is_a_stopped_subscription(api: Api, endpoint: Endpoint) -> None:
    endpoint.script(410)
    api.post(SUBSCRIPTIONS, {"url": endpoint.url}, role=Role.ADMIN)
    api.receive()
    api.oms.run_until_idle()

    found = figures(api)

    assert found["oms_delivery_attempts_total/gone"] == 1
    assert found["oms_delivery_subscriptions/stopped"] == 1


def test_without_a_feed_there_is_nothing_to_count() -> None:
    assert set(figures(Api(feed=False))) <= {"oms_delivery_attempts_total"}
