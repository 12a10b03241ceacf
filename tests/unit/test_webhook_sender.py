"""One attempt at a real endpoint: what counts as taken, and what is not connected to."""

import time
from collections.abc import Iterator

import pytest

from oms_adapters.publisher.webhook import HttpWebhookSender
from oms_core.ports.webhook_sender import AttemptOutcome
from tests.support.endpoint import Endpoint, an_endpoint

TAKEN, NOT_TAKEN, GONE = AttemptOutcome.TAKEN, AttemptOutcome.NOT_TAKEN, AttemptOutcome.GONE


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with an_endpoint() as made:
        yield made


@pytest.fixture
def sender() -> Iterator[HttpWebhookSender]:
    made = HttpWebhookSender(timeout_s=0.4, allow_http=True, allow_private=True)
    yield made
    made.close()


def test_the_endpoint_gets_the_body_the_headers_and_the_whole_address(
    endpoint: Endpoint, sender: HttpWebhookSender
) -> None:
    attempt = sender.send(endpoint.url, {"webhook-id": "one"}, b'{"a": 1}')

    assert attempt.outcome is TAKEN
    (delivery,) = endpoint.received
    assert delivery.body == b'{"a": 1}'
    assert delivery.headers["webhook-id"] == "one"
    assert delivery.headers["host"] == f"127.0.0.1:{endpoint.port}"


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (200, TAKEN, ""),
        (202, TAKEN, ""),
        (410, GONE, "answered 410"),
        (302, NOT_TAKEN, "answered 302; redirects are not followed"),
        (307, NOT_TAKEN, "answered 307; redirects are not followed"),
        (400, NOT_TAKEN, "answered 400"),
        (500, NOT_TAKEN, "answered 500"),
        (Endpoint.HANG, NOT_TAKEN, "no whole answer within 0.4 s"),
        (Endpoint.DRIP, NOT_TAKEN, "no whole answer within 0.4 s"),
        (Endpoint.DROP, NOT_TAKEN, "the connection ended before the answer"),
        (Endpoint.FLOOD, TAKEN, ""),
    ],
)
def test_what_counts_as_taken(
    endpoint: Endpoint,
    sender: HttpWebhookSender,
    answer: int | str,
    outcome: AttemptOutcome,
    error: str,
) -> None:
    endpoint.headers = {"Location": f"http://127.0.0.1:{endpoint.port}/elsewhere"}
    endpoint.script(answer)
    began = time.monotonic()

    attempt = sender.send(endpoint.url, {}, b"{}")

    assert (attempt.outcome, attempt.error) == (outcome, error)
    assert len(endpoint.received) == 1
    assert time.monotonic() - began < 5


def test_an_endpoint_may_say_when_to_come_again(
    endpoint: Endpoint, sender: HttpWebhookSender
) -> None:
    endpoint.headers = {"Retry-After": "120"}
    endpoint.script(429, 503)
    assert sender.send(endpoint.url, {}, b"{}").retry_after_s == 120

    endpoint.headers = {"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}
    assert sender.send(endpoint.url, {}, b"{}").retry_after_s is None


def test_connections_are_used_again_and_one_that_was_closed_meanwhile_is_no_failure(
    endpoint: Endpoint, sender: HttpWebhookSender
) -> None:
    for _ in range(3):
        assert sender.send(endpoint.url, {}, b"{}").outcome is TAKEN
    assert endpoint.connections == 1

    endpoint.hangs_up = True
    for _ in range(3):
        assert sender.send(endpoint.url, {}, b"{}").outcome is TAKEN
        # The end of the connection is on its way.
        time.sleep(0.02)
    assert len(endpoint.received) == 6
    assert endpoint.connections == 3


def test_nobody_listens_there(sender: HttpWebhookSender) -> None:
    with an_endpoint() as closed:
        port = closed.port

    attempt = sender.send(f"http://127.0.0.1:{port}/", {}, b"{}")

    assert attempt.outcome is NOT_TAKEN
    assert attempt.error == f"127.0.0.1 refuses connections at port {port}"


# -- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0.0.0.0",  # noqa: S104 - refused, not listened on
        "2130706433",
        "0x7f000001",
        "017700000001",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_public(endpoint: Endpoint, host: str) -> None:
    """Written in whatever way: the address is checked after it was resolved."""
    sender = HttpWebhookSender(timeout_s=0.4, allow_http=True)

    attempt = sender.send(f"http://{host}:{endpoint.port}/", {}, b"{}")

    assert attempt.outcome is NOT_TAKEN
    assert "public" in attempt.error
    assert endpoint.connections == 0


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700:4700::1111]", "shop.example.com"])
def test_a_public_address_is_fine(host: str) -> None:
    assert HttpWebhookSender().mistake_in(f"https://{host}/hooks") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/",
        "ftp://shop.example.com/",
        "https://",
        "https:///hooks",
        "https://pat:secret@shop.example.com/",
        "https://shop.example.com:0/",
        "https://shop.example.com:99999/",
        "https://shop.example.com/#there",
        "https://shop.example.com/a b",
        "https://shop.example.com\\@127.0.0.1/",
        "https://[::1/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://sh\u00f6p.example.com/",
        "https://shop.example.com/\r\nHost: other",
    ],
)
def test_an_address_that_nothing_is_sent_to_is_refused_at_once(url: str) -> None:
    sender = HttpWebhookSender(timeout_s=0.4)

    assert sender.mistake_in(url)
    assert sender.send(url, {}, b"{}").error.startswith("the URL ")
