"""Why something was refused, for programs and for people."""

from __future__ import annotations

from attrs import frozen


@frozen
class FailureReason:
    """Why an order or an operation on it failed: ``code`` for programs, ``message`` for people."""

    code: str
    message: str
    provider_code: str | None = None
    """The payment provider's own code, if it gave one."""
