"""Expecting an error without a test framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ErrorT = TypeVar("ErrorT", bound=Exception)


def refusal(expected: type[ErrorT], call: Callable[[], object]) -> ErrorT:
    """Return the *expected* error that *call* raises.

    Any other error passes through as it is.

    Raises:
        AssertionError: the call succeeded.
    """
    try:
        answer = call()
    except expected as error:
        return error
    raise AssertionError(f"expected {expected.__name__}, but the answer was {answer!r}")
