"""How many requests a tenant may send, in this process."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Final

from oms_core.errors import ConfigurationError

if TYPE_CHECKING:
    from uuid import UUID

_RATE: Final = re.compile(r"[1-9][0-9]{0,8}/(?:second|minute|hour)", re.ASCII)


class RateLimit:
    """A sliding window for each tenant. What one tenant sends takes nothing from another."""

    def __init__(self, rate: str) -> None:
        """Read *rate*, such as ``600/minute``.

        Raises:
            ConfigurationError: it is no such thing.
        """
        # Most servers limit nobody, and need not hold a library for it in their memory.
        from limits import parse  # noqa: PLC0415 - see above
        from limits.storage import MemoryStorage  # noqa: PLC0415 - see above
        from limits.strategies import (  # noqa: PLC0415 - see above
            SlidingWindowCounterRateLimiter,
        )

        if _RATE.fullmatch(rate) is None:
            raise ConfigurationError(
                [f'The rate limit {rate!r} must be a number and a time, such as "600/minute".']
            )
        self._item = parse(rate)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def refused_for_s(self, tenant_id: UUID) -> int | None:
        """Count a request; ``None`` if it is admitted, else the whole seconds to wait."""
        name = tenant_id.hex
        if self._limiter.hit(self._item, name):
            return None
        reset_at = self._limiter.get_window_stats(self._item, name).reset_time
        return max(1, math.ceil(reset_at - time.time()))
