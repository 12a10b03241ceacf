"""The server on real sockets: many at once, slow and broken clients, a stop that drops nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from oms_core.errors import ConfigurationError
from oms_entrypoints.http.server import RunningServer, serve
from oms_entrypoints.http.settings import HttpSettings, WsgiServer
from tests.support.api import ORDERS, Api, an_order_request, validator

FREE_PORT = HttpSettings(port=0, threads=8)
BODY = json.dumps(an_order_request()).encode()


@pytest.fixture
def server(api: Api) -> Iterator[RunningServer]:
    """The server that comes with it."""
    running = serve(api.app, FREE_PORT)
    yield running
    running.stop(0)


@pytest.fixture(params=["waitress", "granian"])
def wsgi(request: pytest.FixtureRequest) -> WsgiServer:
    """Every server that may be chosen."""
    name: WsgiServer = request.param
    return name


@pytest.fixture
def any_server(api: Api, wsgi: WsgiServer) -> Iterator[RunningServer]:
    running = serve(api.app, evolve(FREE_PORT, wsgi=wsgi))
    yield running
    running.stop(0)


def post(server: RunningServer, api: Api, body: bytes = BODY) -> tuple[int, dict[str, str], Any]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {**api.headers(), "Content-Type": "application/json"}
    connection.request("POST", ORDERS, body, headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, document


def exchange(server: RunningServer, sent: bytes, *, timeout_s: float = 10) -> bytes:
    """Send bytes as they are, and read until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s) as client:
        client.sendall(sent)
        return read_to_the_end(client)


def read_to_the_end(client: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := client.recv(65_536):
            received += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def a_raw_post(api: Api, body: bytes = BODY, **headers: str) -> bytes:
    given = {
        **api.headers(),
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"POST {ORDERS} HTTP/1.1\r\n{head}\r\n".encode() + body


def problem_in(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), answer
    problem: dict[str, Any] = json.loads(body)
    validator("Problem").validate(problem)
    status = str(problem["status"]).encode()
    assert head.startswith((b"HTTP/1.1 " + status, b"HTTP/1.0 " + status))
    return problem


# -- many at once ----------------------------------------------------------------------------


def test_32_threads_that_post_one_key_get_one_order(api: Api, any_server: RunningServer) -> None:
    together = threading.Barrier(32)

    def post_once(_: int) -> tuple[int, dict[str, str], Any]:
        together.wait()
        return post(any_server, api)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(post_once, range(32)))

    assert {status for status, _, _ in answers} == {201}
    assert len({document["order_id"] for _, _, document in answers}) == 1
    assert sum("idempotent-replayed" not in headers for _, headers, _ in answers) == 1
    assert api.orders() == 1


def test_32_threads_that_post_different_requests_under_one_key_get_one_order(
    api: Api, server: RunningServer
) -> None:
    together = threading.Barrier(32)

    def post_once(number: int) -> int:
        body = json.dumps(an_order_request(channel=f"channel-{number}")).encode()
        together.wait()
        return post(server, api, body)[0]

    with ThreadPoolExecutor(32) as pool:
        statuses = sorted(pool.map(post_once, range(32)))

    assert statuses == [201] + [422] * 31
    assert api.orders() == 1


def test_one_connection_serves_many_requests(api: Api, any_server: RunningServer) -> None:
    connection = HTTPConnection("127.0.0.1", any_server.port, timeout=10)
    statuses = []
    for _ in range(20):
        connection.request("GET", ORDERS, headers=api.headers())
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()

    assert statuses == [200] * 20


def test_slow_clients_do_not_shut_others_out(api: Api, server: RunningServer) -> None:
    """120 connections that never finish their request; waitress' own limit would be 100."""
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(120)]
    for client in slow:
        client.sendall(a_raw_post(api)[:-1])

    assert post(server, api)[0] == 201
    for client in slow:
        client.close()


# -- broken clients --------------------------------------------------------------------------


def test_a_client_that_leaves_before_its_body_is_complete_leaves_nothing(
    api: Api, any_server: RunningServer
) -> None:
    with socket.create_connection(("127.0.0.1", any_server.port)) as client:
        client.sendall(a_raw_post(api)[:-1])

    assert (
        post(any_server, api, json.dumps(an_order_request(idempotency_key="k2")).encode())[0] == 201
    )
    assert api.orders() == 1


def test_a_client_that_leaves_before_its_answer_finds_its_order_again(
    api: Api, server: RunningServer
) -> None:
    leave_before_the_answer(api, server)
    wait_until(lambda: api.orders() == 1)

    status, headers, _ = post(server, api)

    assert (status, headers["idempotent-replayed"]) == (201, "true")


def test_a_client_that_left_before_its_answer_and_repeats_its_request_has_one_order(
    api: Api, any_server: RunningServer
) -> None:
    """Whether a request whose client is gone is still answered is the server's to say."""
    leave_before_the_answer(api, any_server)

    statuses = [post(any_server, api)[0] for _ in range(3)]

    assert statuses == [201, 201, 201]
    assert api.orders() == 1


def test_a_body_in_chunks_is_a_body(api: Api, any_server: RunningServer) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, BODY[n : n + 1]) for n in range(len(BODY)))
    head = a_raw_post(api, b"", Content_Length="", Transfer_Encoding="chunked")

    answer = exchange(any_server, head + chunks + b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 201 ")


def test_a_body_over_the_limit_in_chunks_is_refused(api: Api, any_server: RunningServer) -> None:
    head = a_raw_post(api, b"", Content_Length="", Transfer_Encoding="chunked")
    chunk = b"%x\r\n%s\r\n" % (1_048_577, b" " * 1_048_577)

    problem = problem_in(exchange(any_server, head + chunk + b"0\r\n\r\n"))

    assert (problem["status"], problem["code"]) == (413, "body_too_large")
    assert api.nothing_happened()


@pytest.mark.parametrize("length", [1_048_577, 50_000_000, 10**18])
def test_a_body_over_the_limit_is_refused_without_being_read(
    api: Api, server: RunningServer, length: int
) -> None:
    sent = a_raw_post(api, b"", Content_Length=str(length))
    if length < 2_000_000:
        sent += b" " * length

    problem = problem_in(exchange(server, sent))

    assert (problem["status"], problem["code"]) == (413, "body_too_large")


GET = f"GET {ORDERS} HTTP/1.1\r\n".encode()
HOST = b"Host: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (GET + b"\r\n", 400),
        (GET + HOST + HOST + b"\r\n", 400),
        (GET + HOST + b"No colon\r\n\r\n", 400),
        (GET + HOST + b"Bad name : x\r\n\r\n", 400),
        (GET + HOST + b"X-A: folded\r\n over lines\r\n\r\n", 400),
        (GET + HOST + b"X-A: bare\nbreak\r\n\r\n", 400),
        (GET + HOST + b"X-A: nul\0\r\n\r\n", 400),
        (GET + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (GET + HOST + b"Content-Length: +1\r\n\r\n", 400),
        (GET + HOST + b"Content-Length: 1, 1\r\n\r\n", 400),
        (GET + HOST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", 400),
        (GET + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (GET + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (GET + HOST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (GET + HOST + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ],
)
def test_what_never_reaches_the_application_is_a_problem_too(
    server: RunningServer, sent: bytes, status: int
) -> None:
    answer = exchange(server, sent)

    assert problem_in(answer)["status"] == status
    assert b"waitress" not in answer.lower()
    assert b"server:" not in answer.lower()


def test_no_request_is_smuggled_behind_another(api: Api, server: RunningServer) -> None:
    """With both lengths given, what a proxy takes for one body could hold a second request."""
    hidden = a_raw_post(api)
    outer = a_raw_post(
        api, b"0\r\n\r\n" + hidden, Transfer_Encoding="chunked", Connection="keep-alive"
    )

    answer = exchange(server, outer)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert problem_in(answer)["status"] == 400
    assert api.nothing_happened()


# -- start and stop --------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["waitress", "granian"])
def test_a_port_in_use_is_told_in_one_sentence(
    any_server: RunningServer, api: Api, second: WsgiServer
) -> None:
    server = any_server
    with pytest.raises(ConfigurationError) as refused:
        serve(api.app, HttpSettings(port=server.port, wsgi=second))

    (sentence,) = refused.value.mistakes
    assert sentence == (
        f"Port {server.port} on 127.0.0.1 is in use; stop the other program, or choose another "
        "port (0 takes any free one)."
    )


@pytest.mark.parametrize("host", ["256.0.0.1", "no-such-host.invalid", "a" * 300])
def test_an_address_that_is_none_is_told_in_one_sentence(api: Api, host: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be listened on"):
        serve(api.app, HttpSettings(host=host, port=0))


class SlowApp:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.may_answer = threading.Event()

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.entered.release()
        self.may_answer.wait(30)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]


ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_stop_answers_what_was_asked_and_takes_nothing_new(wsgi: WsgiServer) -> None:
    app = SlowApp()
    server = serve(app, evolve(FREE_PORT, wsgi=wsgi))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as asking,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle,
        ThreadPoolExecutor(1) as pool,
    ):
        asking.sendall(ASK)
        app.entered.acquire(timeout=10)
        stopping = pool.submit(server.stop, 20)
        assert idle.recv(1) == b"", "an idle connection is closed"
        wait_until(lambda: not is_listening(server.port))
        assert not stopping.done()
        app.may_answer.set()

        assert read_to_the_end(asking).endswith(b"\r\n\r\ndone")
        assert stopping.result(timeout=10) is True


def test_a_stop_does_not_wait_longer_than_it_is_told(wsgi: WsgiServer) -> None:
    app = SlowApp()
    server = serve(app, evolve(FREE_PORT, wsgi=wsgi))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as asking:
        asking.sendall(ASK)
        app.entered.acquire(timeout=10)
        began = time.monotonic()

        assert server.stop(0.3) is False
        assert time.monotonic() - began < 5
        app.may_answer.set()


def test_a_stop_can_be_repeated_and_frees_the_port(api: Api, wsgi: WsgiServer) -> None:
    server = serve(api.app, evolve(FREE_PORT, wsgi=wsgi))

    assert server.stop() is True
    assert server.stop() is True
    assert server.wait(0) is True
    again = serve(api.app, HttpSettings(port=server.port))
    assert again.port == server.port
    again.stop()


def test_a_server_on_every_network_says_where_this_machine_finds_it(api: Api) -> None:
    server = serve(api.app, HttpSettings(host="0.0.0.0", port=0))  # noqa: S104 - the case itself

    assert server.url == f"http://127.0.0.1:{server.port}"
    server.stop()


PROGRAM = """
import sys, time
from oms_entrypoints.http.server import serve
from oms_entrypoints.http.settings import HttpSettings
from oms_entrypoints.stop_signals import StopSignals

def app(environ, start_response):
    print("asked", flush=True)
    time.sleep(1.0)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]

with StopSignals() as signals:
    server = serve(app, HttpSettings(port=0))
    print(server.port, flush=True)
    signals.wait()
    print("stopped in time" if server.stop(20) else "cut off", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_stop_answers_first(number: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=20) as asking:
            asking.sendall(ASK)
            assert process.stdout.readline() == "asked\n"
            os.kill(process.pid, number)

            assert read_to_the_end(asking).endswith(b"done")
        assert process.stdout.read() == "stopped in time\n"
        assert process.wait(20) == 0


def leave_before_the_answer(api: Api, server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(a_raw_post(api))
        client.shutdown(socket.SHUT_RD)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Any, within_s: float = 10) -> None:
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.01)
