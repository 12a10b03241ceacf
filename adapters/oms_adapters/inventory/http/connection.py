"""Requests to the inventory service: each is answered in time, or its outcome is unknown."""

from __future__ import annotations

import json
import time
from collections import deque
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import requests
from attrs import field, frozen
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError

from oms_core.errors import InventoryUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_BYTES_MAX: Final = 16_777_216
"""No answer of the contract is nearly as long; what is longer comes from somebody else."""
_CHUNK_BYTES: Final = 65_536
_IDLE_MAX: Final = 64
"""Connections that are kept for later; more may be in use."""


@frozen
class HttpTimes:
    """How long the service may take."""

    timeout_s: float = 5.0
    """For a whole answer, a second attempt over a new connection included."""
    connect_timeout_s: float = 2.0


@frozen
class Answer:
    """What came back, whatever it means."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def document(self) -> Any:
        """The body as JSON; ``None`` if it is none, or the word for nothing."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Connection:
    """Sends requests to one service, from any number of threads.

    Every thread has a session of its own while it uses it, for sessions of *requests* are not
    made to be shared. Nothing in the environment (proxies, ``.netrc``) changes where a token
    goes, no redirect is followed and no cookie kept.
    """

    def __init__(self, url: str, times: HttpTimes, ca_file: Path | None) -> None:
        self._url = url.rstrip("/")
        self._times = times
        self._verify = True if ca_file is None else str(ca_file)
        self._idle: deque[requests.Session] = deque()

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        document: object = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:
        """Send a request that may arrive more than once.

        A connection that breaks is tried again at once, for the service may have closed one
        that was idle: every call of the contract has one effect however often it is sent.

        Raises:
            InventoryUnavailable: no whole answer came in time; whether the request had its
                effect is unknown.
        """
        ends_at = time.monotonic() + self._times.timeout_s
        body = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        request = requests.Request(method, self._url + path, dict(headers), data=body, params=query)
        try:
            return self._attempt(request, ends_at)
        except _Broken as broken:
            if broken.is_late or time.monotonic() >= ends_at:
                raise InventoryUnavailable(broken.what) from None
        try:
            return self._attempt(request, ends_at)
        except _Broken as broken:
            raise InventoryUnavailable(broken.what) from None

    def close(self) -> None:
        """Hang up. Repeatable; a later request connects again."""
        while self._idle:
            self._idle.pop().close()

    def _attempt(self, request: requests.Request, ends_at: float) -> Answer:
        try:
            session = self._idle.pop()
        except IndexError:
            session = _session(self._verify)
        try:
            answer = self._exchange(session, request, ends_at)
        except BaseException:
            session.close()  # what is left of an answer on it is nobody's
            raise
        if len(self._idle) < _IDLE_MAX:
            self._idle.append(session)
        else:
            session.close()
        return answer

    def _exchange(
        self, session: requests.Session, request: requests.Request, ends_at: float
    ) -> Answer:
        left_s = max(ends_at - time.monotonic(), 0.001)
        try:
            response = session.send(
                session.prepare_request(request),
                stream=True,
                timeout=(min(self._times.connect_timeout_s, left_s), left_s),
                allow_redirects=False,
                verify=self._verify,
                proxies={},
            )
            with response:
                body = _body_of(response, ends_at)
                return Answer(response.status_code, dict(response.headers.lower_items()), body)
        except (RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            raise _Broken(error) from error


class _Broken(Exception):
    """An exchange that did not end with a whole answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.is_late = isinstance(error, TimeoutError | Timeout | ReadTimeoutError)
        # The text of the error is left out: it may quote the address, or the answer.
        kind = "NoConnection" if type(error) is NoConnection else type(error).__name__
        self.what = f"inventory service: {'no answer in time' if self.is_late else kind}"


def _session(verify: bool | str) -> requests.Session:  # noqa: FBT001 - requests' own word
    session = requests.Session()
    session.trust_env = False
    session.verify = verify
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _body_of(response: requests.Response, ends_at: float) -> bytes:
    """Read all of the answer, as far as its time and its length go."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise ValueError("the answer is too long to be one of the service's")
        if time.monotonic() >= ends_at:
            raise TimeoutError
    return bytes(body)
