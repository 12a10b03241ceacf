"""A name server that hangs costs an attempt its time, and nobody else anything."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from oms_adapters.publisher.webhook import HttpWebhookSender
from oms_adapters.publisher.webhook.resolver import LOOKUPS_MAX, NotResolvedInTime, Resolver
from oms_core.ports.webhook_sender import AttemptOutcome
from tests.support.endpoint import Endpoint, an_endpoint

TIMEOUT_S = 0.2


class NameServer:
    """Answers for every name with 127.0.0.1, but for those that begin with ``hangs``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[Any]:
        self.asked.append(host)
        if host.startswith("hangs") and not self.go_on.wait(30):
            raise AssertionError("the test never let it go on")
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)


@pytest.fixture
def names() -> Iterator[NameServer]:
    made = NameServer()
    yield made
    made.go_on.set()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with an_endpoint() as made:
        yield made


@pytest.fixture
def sender(names: NameServer) -> Iterator[HttpWebhookSender]:
    made = HttpWebhookSender(
        timeout_s=TIMEOUT_S, allow_http=True, allow_private=True, look_up=names
    )
    yield made
    made.close()


def test_an_attempt_ends_in_time_although_its_name_is_not_resolved(
    sender: HttpWebhookSender,
) -> None:
    began = time.monotonic()

    attempt = sender.send("http://hangs.example.com/hooks", {}, b"{}")

    assert attempt.outcome is AttemptOutcome.NOT_TAKEN
    assert attempt.error == "hangs.example.com could not be resolved within 0.2 s"
    assert time.monotonic() - began < 10 * TIMEOUT_S


def test_a_name_that_hangs_delays_no_other(
    sender: HttpWebhookSender, names: NameServer, endpoint: Endpoint
) -> None:
    sender.send("http://hangs.example.com/hooks", {}, b"{}")

    attempt = sender.send(f"http://shop.example.com:{endpoint.port}/hooks", {}, b"{}")

    assert attempt.outcome is AttemptOutcome.TAKEN
    assert names.asked == ["hangs.example.com", "shop.example.com"]


def test_however_often_it_is_tried_a_name_that_hangs_is_asked_for_once(
    sender: HttpWebhookSender, names: NameServer
) -> None:
    for _ in range(3):
        sender.send("http://hangs.example.com/hooks", {}, b"{}")

    assert names.asked == ["hangs.example.com"]


def test_a_name_is_resolved_anew_for_each_connection(names: NameServer) -> None:
    """What was resolved once may be somebody else's by now."""
    resolver = Resolver(names)

    found = [resolver.addresses("shop.example.com", 80, timeout_s=5) for _ in range(2)]

    assert found == [["127.0.0.1"]] * 2
    assert names.asked == ["shop.example.com"] * 2


def test_a_name_that_does_not_exist_is_told_from_one_that_hangs(
    sender: HttpWebhookSender,
) -> None:
    attempt = sender.send("http://unknown.example.com/hooks", {}, b"{}")

    assert attempt.error == "unknown.example.com cannot be resolved"


def test_no_more_names_are_looked_up_at_once_than_there_are_threads_for(
    names: NameServer,
) -> None:
    resolver = Resolver(names)
    for number in range(LOOKUPS_MAX):
        with pytest.raises(NotResolvedInTime):
            resolver.addresses(f"hangs-{number}.example.com", 80, timeout_s=0)

    with pytest.raises(NotResolvedInTime):
        resolver.addresses("shop.example.com", 80, timeout_s=5)

    assert resolver.addresses("127.0.0.1", 80, timeout_s=0) == ["127.0.0.1"], "it needs none"
    assert "shop.example.com" not in names.asked
