"""The simulated provider's books in MongoDB, for the servers and workers that share it.

Imported by whoever uses it alone: it needs the driver, which the other books do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from uuid import UUID

from bson.binary import Binary
from cattrs.preconf.json import make_converter

from oms_adapters.mongodb import Collection, Index, Schema
from oms_adapters.payments.simulated.record import KeyRecord, PaymentRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.client_session import ClientSession

    from oms_adapters.mongodb import MongoDatabase
    from oms_adapters.payments.simulated.ledger import Books

T = TypeVar("T")
Document: TypeAlias = "dict[str, Any]"

PAYMENTS: Final = "simulated_payments"
KEYS: Final = "simulated_payment_keys"

_BY_ACCOUNT: Final = Index(
    "simulated_payments_by_account", (("account", 1), ("tenant", 1), ("reference", 1))
)
SCHEMA: Final = Schema(
    "simulated_payments",
    version=1,
    collections=(Collection(PAYMENTS, (_BY_ACCOUNT,)), Collection(KEYS)),
)

_JSON: Final = make_converter(omit_if_default=True)
_JSON.register_unstructure_hook(UUID, str)
_JSON.register_structure_hook(UUID, lambda text, _: UUID(text))


class MongoLedger:
    """Books that any number of processes and machines may share."""

    def __init__(self, database: MongoDatabase) -> None:
        """Make the collections if the database does not have them yet.

        Raises:
            StoreUnusable: a newer version of this program has changed them.
        """
        self._database = database
        database.migrate(SCHEMA)

    def write(
        self, account: str, tenant_id: UUID, reference: str, change: Callable[[Books], T]
    ) -> T:
        """Run *change* in a transaction; return once it is durable."""
        return self._database.transact(
            lambda session: change(
                _MongoBooks(self._database, session, account, tenant_id, reference)
            )
        )

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        """Find a payment as it is durable."""
        return self.write(account, tenant_id, reference, lambda books: books.payment())

    def go_through(self, account: str, question: Callable[[Iterator[PaymentRecord]], T]) -> T:
        """Run *question* on what is durable, as of one moment."""
        payments = self._database.collection(PAYMENTS)

        def asked(session: ClientSession) -> T:
            found = (
                payments.find({"account": account}, session=session)
                .sort([("tenant", 1), ("reference", 1)])
                .hint(_BY_ACCOUNT.name)
            )
            return question(_JSON.loads(each["document"], PaymentRecord) for each in found)

        return self._database.transact(asked)


class _MongoBooks:
    def __init__(
        self,
        database: MongoDatabase,
        session: ClientSession,
        account: str,
        tenant_id: UUID,
        reference: str,
    ) -> None:
        self._payments = database.collection(PAYMENTS)
        self._keys = database.collection(KEYS)
        self._session = session
        self._account = account
        self._tenant_id = tenant_id
        self._reference = reference

    def payment(self) -> PaymentRecord | None:
        wanted = {"_id": name_of(self._account, self._tenant_id, self._reference)}
        found = self._payments.find_one(wanted, session=self._session)
        return None if found is None else _JSON.loads(found["document"], PaymentRecord)

    def key(self, key: str) -> KeyRecord | None:
        wanted = {"_id": name_of(self._account, self._tenant_id, key)}
        found = self._keys.find_one(wanted, session=self._session)
        return None if found is None else _JSON.loads(found["document"], KeyRecord)

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        name = name_of(payment.account, payment.tenant_id, payment.reference)
        entry: Document = {
            "_id": name,
            "account": payment.account,
            "tenant": payment.tenant_id,
            "reference": payment.reference,
            "document": _JSON.dumps(payment),
        }
        self._payments.replace_one({"_id": name}, entry, upsert=True, session=self._session)
        if key is not None:
            name = name_of(key.account, key.tenant_id, key.key)
            entry = {"_id": name, "document": _JSON.dumps(key)}
            self._keys.replace_one({"_id": name}, entry, upsert=True, session=self._session)


def name_of(account: str, tenant_id: UUID, name: str) -> Binary:
    """Name an entry. The account's length keeps it apart from what follows."""
    owner = account.encode()
    return Binary(len(owner).to_bytes(4, "big") + owner + tenant_id.bytes + name.encode())


def parts_of(name: bytes) -> tuple[str, UUID, str]:
    """Return account, tenant and name of an entry."""
    length = int.from_bytes(name[:4], "big")
    owner, tenant, rest = name[4 : 4 + length], name[4 + length :][:16], name[20 + length :]
    return owner.decode(), UUID(bytes=bytes(tenant)), rest.decode()
