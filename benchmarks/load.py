"""HTTP load: many clients in a process of their own, each sending its next order when answered."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.child import ROOT
from benchmarks.order_body import ORDERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.servers import Server

WARM_UP_S: Final = 1.0
BUSY_MAX: Final = 0.9
"""A load generator that is busier than this may be what is measured."""


@frozen
class Load:
    """What a run of load came to."""

    answered: int
    """Orders accepted in the measured time."""
    seconds: float
    accepted: int
    """Orders accepted in all, warm-up included."""
    p50_ms: float
    p99_ms: float
    busy: float
    """Share of one core that the load generator itself took."""

    @property
    def per_second(self) -> float:
        """Orders accepted a second."""
        return self.answered / self.seconds


def send_orders(
    server: Server,
    *,
    clients: int,
    seconds: float,
    warm_up_s: float | None = None,
    orders: int | None = None,
    at_end: Callable[[], None] = lambda: None,
) -> Load:
    """Keep *clients* connections busy with new orders; every answer must be a 201.

    Measured is what comes after a warm-up of *warm_up_s* seconds, a second unless *seconds* is
    less. Ends after *seconds*, or once *orders* are accepted if that is given. *at_end* is called
    at once when the load has stopped and every request is answered.
    """
    arguments = {
        "port": server.port,
        "path": ORDERS,
        "headers": dict(server.headers),
        "clients": clients,
        "seconds": seconds,
        "warm_up_s": min(WARM_UP_S, seconds) if warm_up_s is None else warm_up_s,
        "orders": orders,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sides.clients"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Not on the command line, which everybody on the machine can read: there is a token in it.
        process.stdin.write(json.dumps(arguments))
        process.stdin.close()
        line = process.stdout.readline()
        at_end()
        process.wait()
    if not line:
        message = "the load generator failed; what it said is above"
        raise RuntimeError(message)
    return Load(**json.loads(line))


def doubts(*loads: Load) -> tuple[str, ...]:
    """Say so if a load generator was so busy that it may have held back what it measured."""
    busiest = max(load.busy for load in loads)
    if busiest <= BUSY_MAX:
        return ()
    return (f"the load generator took {busiest:.0%} of a core: the faster side may be faster yet",)
