"""How Stripe says no."""

from typing import Any


class Refused(Exception):
    """An answer with an error in it."""

    def __init__(self, status: int, *, stored: bool = True, **error: Any) -> None:
        super().__init__(status)
        self.status = status
        self.stored = stored
        """Whether Stripe repeats it under the same key: only once it began to execute."""
        self.error = {"type": "invalid_request_error", "message": "No.", **error}
