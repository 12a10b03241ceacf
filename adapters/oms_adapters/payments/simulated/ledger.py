"""Where the simulated provider keeps its books: the protocol, and the books in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from oms_adapters.payments.simulated.record import KeyRecord, PaymentRecord

T = TypeVar("T")


class Books(Protocol):
    """The open books, within one transaction. *account* is the provider's configured name."""

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        """Find what is known of a payment."""
        ...

    def payments(self, account: str) -> Iterator[PaymentRecord]:
        """Go through all payments of an account, by tenant and reference."""
        ...

    def key(self, account: str, tenant_id: UUID, key: str) -> KeyRecord | None:
        """Find what an idempotency key was used for, however long ago."""
        ...

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        """Write down a payment, together with the key of the call that changed it.

        The last deed of a change, and its only entry: so nothing is ever kept by half.
        """
        ...


class Ledger(Protocol):
    """Keeps the books so that an effect is never without the key it was done under."""

    def write(self, change: Callable[[Books], T]) -> T:
        """Run *change* alone; what it enters is kept as a whole, durably, or not at all.

        *change* may be run again after it failed, so it has no effects but its entries.
        """
        ...

    def read(self, question: Callable[[Books], T]) -> T:
        """Run *question* on books that do not change meanwhile; it enters nothing."""
        ...


class MemoryLedger:
    """Books that end with the process. Safe to share between threads and providers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._books = _MemoryBooks()

    def write(self, change: Callable[[Books], T]) -> T:
        """Run *change* alone."""
        with self._lock:
            return change(self._books)

    def read(self, question: Callable[[Books], T]) -> T:
        """Run *question* between two changes."""
        with self._lock:
            return question(self._books)


class _MemoryBooks:
    def __init__(self) -> None:
        self._payments: dict[tuple[str, UUID, str], PaymentRecord] = {}
        self._keys: dict[tuple[str, UUID, str], KeyRecord] = {}

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        return self._payments.get((account, tenant_id, reference))

    def payments(self, account: str) -> Iterator[PaymentRecord]:
        for name in sorted(name for name in self._payments if name[0] == account):
            yield self._payments[name]

    def key(self, account: str, tenant_id: UUID, key: str) -> KeyRecord | None:
        return self._keys.get((account, tenant_id, key))

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        self._payments[payment.account, payment.tenant_id, payment.reference] = payment
        if key is not None:
            self._keys[key.account, key.tenant_id, key.key] = key
