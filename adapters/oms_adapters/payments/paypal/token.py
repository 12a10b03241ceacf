"""The access token: fetched once for all threads, kept until shortly before it ends."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from oms_core.ports.clock import Clock

EARLY_S: Final = 60.0
"""How long before its end a token is not used any more."""


@frozen
class AccessToken:
    """What PayPal gives for the client's id and secret."""

    value: str = field(repr=False)
    good_until: datetime


class TokenCache:
    """Keeps one token. Whoever finds none waits for the one thread that fetches it.

    Also for its failure: if each waiting thread tried again in turn, the last one would wait
    for all of their timeouts.
    """

    def __init__(self, fetch: Callable[[], AccessToken], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._flight: Future[AccessToken] | None = None

    def get(self) -> AccessToken:
        """Return a token that is still good.

        Raises:
            PaymentTrouble: none can be had; nothing was executed.
        """
        with self._lock:
            if self._token is not None and self._clock.now() < self._token.good_until:
                return self._token
            flight, is_mine = self._flight, False
            if flight is None:
                flight, is_mine = Future(), True
                self._flight = flight
        if is_mine:
            self._fly(flight)
        return flight.result()

    def forget(self, token: AccessToken) -> None:
        """Drop a token that PayPal did not accept, unless a newer one is there already."""
        with self._lock:
            if self._token is token:
                self._token = None

    def _fly(self, flight: Future[AccessToken]) -> None:
        try:
            token = self._fetch()
        except BaseException as error:  # noqa: BLE001 - told to every thread that waits for it
            with self._lock:
                self._flight = None
            flight.set_exception(error)
        else:
            with self._lock:
                self._token, self._flight = token, None
            flight.set_result(token)
