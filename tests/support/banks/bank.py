"""What all of them have in common, so that one test is for every provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

if TYPE_CHECKING:
    from tests.support.http_faults import FaultyHttpServer, HttpRequest


@frozen
class Books:
    """What the provider's own books say of a payment, in minor units."""

    captured: int
    refunded: int
    holds: bool
    """Whether money is held that was not taken."""


@frozen
class Letter:
    """A notification, signed."""

    headers: Mapping[str, str]
    body: bytes


class Bank(ABC):
    """Customers who pay, and the provider's books behind them.

    An account of it is configured under the provider's own name; ``table`` is what stands there.
    """

    name: ClassVar[str]
    captures_in_parts: ClassVar[bool] = True
    secrets: Mapping[str, str]
    """The environment that the table refers to."""

    @property
    @abstractmethod
    def table(self) -> str:
        """The account's table in the configuration."""

    @property
    def server(self) -> FaultyHttpServer | None:
        """What the adapter speaks to; ``None``: it keeps the books itself."""
        return None

    def operation_of(self, request: HttpRequest) -> str:
        """Name what a request of the adapter asks for, in the port's words."""
        raise NotImplementedError(f"{self.name} is asked nothing over HTTP")

    @abstractmethod
    def pays(self, minor: int) -> str:
        """Let a customer pay, all that is theirs to do done; return the reference."""

    @abstractmethod
    def is_declined(self, minor: int) -> str:
        """Let a customer try to pay whose bank declines."""

    @abstractmethod
    def must_act(self, minor: int) -> str:
        """Let a customer pay who is yet to do something, such as 3-D Secure."""

    @abstractmethod
    def acts(self, reference: str) -> None:
        """Let that customer do it."""

    @abstractmethod
    def pays_early(self, minor: int) -> str:
        """Let a customer pay, and have the provider notify it, before any order comes."""

    @abstractmethod
    def news(self, reference: str) -> Sequence[Letter]:
        """Return the notifications that were not returned yet."""

    @abstractmethod
    def books(self, reference: str) -> Books:
        """Tell how a payment stands."""

    @abstractmethod
    def effects(self, reference: str, operation: str) -> int:
        """Count how often an operation did anything to a payment."""

    @abstractmethod
    def close(self) -> None:
        """Stop serving."""
