"""Where the simulated provider keeps its books: the protocol, and the books in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oms_adapters.payments.simulated.record import KeyRecord, PaymentRecord

T = TypeVar("T")
_Name: TypeAlias = "tuple[str, UUID, str]"


class Books(Protocol):
    """The books open at one payment, so that it may be changed."""

    def payment(self) -> PaymentRecord | None:
        """Find what is known of the payment."""
        ...

    def key(self, key: str) -> KeyRecord | None:
        """Find what the tenant used an idempotency key for, however long ago.

        For whichever payment: a key that is sent for two is a mistake that must be told.
        """
        ...

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        """Write down the payment, together with the key of the call that changed it.

        The last deed of a change, and its only entry: so nothing is ever kept by half. A key
        that was used before stands for this use from now on.
        """
        ...


class Ledger(Protocol):
    """Keeps the books so that an effect is never without the key it was done under.

    *account* is the provider's configured name.
    """

    def write(
        self, account: str, tenant_id: UUID, reference: str, change: Callable[[Books], T]
    ) -> T:
        """Run *change* on one payment; what it enters is kept whole and durably, or not at all.

        As if it ran alone. It may be run again after it failed or after another was quicker,
        so it has no effects but its entries.
        """
        ...

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        """Find what is known of a payment."""
        ...

    def go_through(self, account: str, question: Callable[[Iterator[PaymentRecord]], T]) -> T:
        """Run *question* on all payments of an account, by tenant and reference.

        They do not change meanwhile. *question* may be run again after it failed.
        """
        ...


class MemoryLedger:
    """Books that end with the process. Safe to share between threads and providers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payments: dict[_Name, PaymentRecord] = {}
        self._keys: dict[_Name, KeyRecord] = {}

    def write(
        self, account: str, tenant_id: UUID, reference: str, change: Callable[[Books], T]
    ) -> T:
        """Run *change* alone."""
        books = _MemoryBooks(self._payments, self._keys, (account, tenant_id, reference))
        with self._lock:
            return change(books)

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        """Find a payment between two changes."""
        with self._lock:
            return self._payments.get((account, tenant_id, reference))

    def go_through(self, account: str, question: Callable[[Iterator[PaymentRecord]], T]) -> T:
        """Run *question* between two changes."""
        with self._lock:
            names = sorted(name for name in self._payments if name[0] == account)
            return question(self._payments[name] for name in names)


class _MemoryBooks:
    def __init__(
        self, payments: dict[_Name, PaymentRecord], keys: dict[_Name, KeyRecord], name: _Name
    ) -> None:
        self._payments = payments
        self._keys = keys
        self._name = name

    def payment(self) -> PaymentRecord | None:
        return self._payments.get(self._name)

    def key(self, key: str) -> KeyRecord | None:
        account, tenant_id, _ = self._name
        return self._keys.get((account, tenant_id, key))

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        self._payments[self._name] = payment
        if key is not None:
            self._keys[key.account, key.tenant_id, key.key] = key
