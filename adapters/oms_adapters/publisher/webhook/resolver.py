"""Resolves names for a bounded time, whatever the system's resolver does."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeAlias

LookUp: TypeAlias = "Callable[[str, int], Sequence[Any]]"

LOOKUPS_MAX: Final = 64
"""At once, of different names. A name server that hangs costs one of them for each of its names."""


class NotResolvedInTime(OSError):
    """The name has no address yet, and the time for it is over."""


def look_up(host: str, port: int) -> Sequence[Any]:
    """Ask the system. It may take as long as its resolver is patient: often half a minute."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Resolver:
    """Asks for names in threads of their own, since no call to the system's resolver can be ended.

    Who asks for a name that is being looked up waits for the same answer: an endpoint whose
    name server hangs costs one thread, however often it is tried.
    """

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], Future[Sequence[Any]]] = {}

    def addresses(self, host: str, port: int, *, timeout_s: float) -> list[str]:
        """Return all addresses of *host*.

        Raises:
            NotResolvedInTime: it takes longer than *timeout_s*.
            OSError: the name cannot be resolved.
        """
        if _is_address(host):
            found = self._look_up(host, port)
        else:
            try:
                found = self._asked(host, port).result(timeout_s)
            except TimeoutError as error:
                raise NotResolvedInTime from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _asked(self, host: str, port: int) -> Future[Sequence[Any]]:
        with self._lock:
            pending = self._pending.get((host, port))
            if pending is not None:
                return pending
            if len(self._pending) >= LOOKUPS_MAX:
                raise NotResolvedInTime
            asked = self._pending[host, port] = Future[Sequence[Any]]()
        thread = threading.Thread(
            target=self._ask, args=(host, port, asked), name="oms-webhook-names", daemon=True
        )
        thread.start()
        return asked

    def _ask(self, host: str, port: int, asked: Future[Sequence[Any]]) -> None:
        try:
            found = self._look_up(host, port)
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer raises it
            self._answered(host, port)
            asked.set_exception(error)
        else:
            self._answered(host, port)
            asked.set_result(found)

    def _answered(self, host: str, port: int) -> None:
        """Let the next one ask anew: an answer is never kept, since names move."""
        with self._lock:
            del self._pending[host, port]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
