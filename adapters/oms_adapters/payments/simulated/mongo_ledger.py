"""The simulated provider's books in MongoDB, for the servers and workers that share it.

Imported by whoever uses it alone: it needs the driver, which the other books do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID, uuid4

from bson.binary import Binary
from cattrs.preconf.json import make_converter
from pymongo.errors import DuplicateKeyError, OperationFailure

from oms_adapters.mongodb import Collection, Index, Schema
from oms_adapters.mongodb.connection import SNAPSHOT
from oms_adapters.mongodb.verdict import violated_index
from oms_adapters.payments.simulated.record import KeyRecord, PaymentRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from oms_adapters.mongodb import MongoDatabase
    from oms_adapters.mongodb.database import Documents
    from oms_adapters.payments.simulated.ledger import Books

T = TypeVar("T")
Document: TypeAlias = "dict[str, Any]"

PAYMENTS: Final = "simulated_payments"

_BY_ACCOUNT: Final = Index(
    "simulated_payments_by_account", (("account", 1), ("tenant", 1), ("reference", 1))
)
_KEY: Final = "keys.name"
_BY_KEY: Final = Index("simulated_payments_by_key", ((_KEY, 1),), unique=True, present=_KEY)
# Version 1 had the keys in a collection of their own, which is left as it is and read no more:
# a payment knows by itself what was done to it, whatever the key.
SCHEMA: Final = Schema(
    "simulated_payments",
    version=2,
    collections=(Collection(PAYMENTS, (_BY_ACCOUNT, _BY_KEY)),),
)

_WRITE_CONFLICT: Final = 112
"""What the server itself says to whoever was overtaken and must begin again."""

_JSON: Final = make_converter(omit_if_default=True)
_JSON.register_unstructure_hook(UUID, str)
_JSON.register_structure_hook(UUID, lambda text, _: UUID(text))


class MongoLedger:
    """Books that any number of processes and machines may share.

    A payment is one document with its keys in it, so a change of it is one conditional write.
    That no key stands in two payments is seen to by a unique index.
    """

    def __init__(self, database: MongoDatabase) -> None:
        """Make the collection if the database does not have it yet.

        Raises:
            StoreUnusable: a newer version of this program has changed it.
        """
        self._database = database
        database.migrate(SCHEMA)
        self._payments = database.collection(PAYMENTS)
        self._at_one_moment = self._payments.with_options(read_concern=SNAPSHOT)

    def write(
        self, account: str, tenant_id: UUID, reference: str, change: Callable[[Books], T]
    ) -> T:
        """Run *change*, again if another was quicker; return once it is durable."""
        write = _Write(self._database, self._payments, account, tenant_id, reference, change)
        return self._database.run(write.attempt)

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        """Find a payment as it is durable."""
        wanted = {"_id": name_of(account, tenant_id, reference)}
        found = self._database.run(lambda: self._payments.find_one(wanted, {"document": 1}))
        return None if found is None else _payment_in(found)

    def go_through(self, account: str, question: Callable[[Iterator[PaymentRecord]], T]) -> T:
        """Run *question* on what is durable, as of one moment."""

        def asked() -> T:
            with self._at_one_moment.find(
                {"account": account},
                {"document": 1},
                sort=[("tenant", 1), ("reference", 1)],
                hint=_BY_ACCOUNT.name,
            ) as found:
                return question(_payment_in(each) for each in found)

        return self._database.run(asked)


class _Write(Generic[T]):
    """One call of ``write``: attempted until it replaces the very document that it read."""

    def __init__(
        self,
        database: MongoDatabase,
        payments: Documents,
        account: str,
        tenant_id: UUID,
        reference: str,
        change: Callable[[Books], T],
    ) -> None:
        self._run = database.run
        self._payments = payments
        self._account = account
        self._tenant_id = tenant_id
        self._reference = reference
        self._name = name_of(account, tenant_id, reference)
        self._change = change
        self._answers: dict[UUID, T] = {}
        self._looks_up_keys = False

    def attempt(self) -> T:
        """Run the change on the payment as it is, and write what it enters.

        A write whose answer was lost is repeated and comes too late for itself; the next
        attempt finds its mark. Should another have written over that, the change is run
        again and finds its effect and its key. (A refusal leaves no key: it is met again.)
        """
        there = self._run(lambda: self._payments.find_one({"_id": self._name}))
        if there is not None and there.get("saved_by") in self._answers:
            return self._answers[there["saved_by"]]
        look_up = self._look_up if self._looks_up_keys else None
        books = _MongoBooks(self._account, self._tenant_id, there, look_up)
        answer = self._change(books)
        if books.is_in_doubt:
            self._looks_up_keys = True
            return self.attempt()
        if books.entered is not None:
            mark = uuid4()
            self._answers[mark] = answer
            if books.taken_from is not None:
                self._let_go(books.taken_from)
            self._put(there, books.entered, books.keys, mark)
        return answer

    def _look_up(self, name: bytes) -> Document | None:
        """Find the other payment that has a key; of its keys, that one alone is shown."""
        only = {"keys": {"$elemMatch": {"name": name}}}
        holder = self._run(lambda: self._payments.find_one({_KEY: name}, only, hint=_BY_KEY.name))
        if holder is not None and holder["_id"] == bytes(self._name):
            # It had no such key when it was read. Now it must not be let go of.
            raise _overtaken()
        return holder

    def _let_go(self, holder: Document) -> None:
        """Take a key out of another payment, so that this one may have it.

        Should we die before it has, nobody has it: it was about to stand for something else,
        and the other payment knows without it what was done. If that one enters the key
        meanwhile, it keeps it: the index refuses our write, and we look again.
        """
        (as_seen,) = holder["keys"]
        its_own = {"_id": holder["_id"]}
        self._run(lambda: self._payments.update_one(its_own, {"$pull": {"keys": as_seen}}))

    def _put(
        self, there: Document | None, document: str, keys: Mapping[bytes, str], mark: UUID
    ) -> None:
        version = None if there is None else there.get("version")
        entry = stored_payment(
            self._account,
            self._tenant_id,
            self._reference,
            document,
            version=(version or 0) + 1,
            keys=keys,
            saved_by=mark,
        )
        # Version 1 of the schema gave payments no version of their own: null finds those.
        as_it_was = {"_id": self._name, "version": version}
        try:
            if there is None:
                self._run(lambda: self._payments.insert_one(entry))
                return
            if self._run(lambda: self._payments.replace_one(as_it_was, entry)).matched_count:
                return
        except DuplicateKeyError as error:
            self._looks_up_keys = self._looks_up_keys or _KEY in violated_index(error)
        raise _overtaken()


class _MongoBooks:
    """The books open at one payment as it was read. What is entered here is yet to be written."""

    def __init__(
        self,
        account: str,
        tenant_id: UUID,
        there: Document | None,
        look_up: Callable[[bytes], Document | None] | None,
    ) -> None:
        """Show what is *there*; *look_up* finds the keys of other payments.

        Without it, a key that is none of the payment's own is believed to be new.
        """
        self._account = account
        self._tenant_id = tenant_id
        self._there = there
        self._look_up = look_up
        self._believed_new: set[bytes] = set()
        self._holders: dict[bytes, Document | None] = {}
        self.keys: dict[bytes, str] = {
            each["name"]: each["document"] for each in (there or {}).get("keys", ())
        }
        self.entered: str | None = None
        self.taken_from: Document | None = None
        """The other payment that had the key which was entered."""

    @property
    def is_in_doubt(self) -> bool:
        """A key was believed to be new, and it is not entered, so no index will tell."""
        return not self._believed_new <= self.keys.keys()

    def payment(self) -> PaymentRecord | None:
        return None if self._there is None else _payment_in(self._there)

    def key(self, key: str) -> KeyRecord | None:
        name = self._name_of_key(key)
        document = self.keys.get(name)
        if document is None:
            document = self._elsewhere(name)
        return None if document is None else _JSON.loads(document, KeyRecord)

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        self.entered = _JSON.dumps(payment)
        if key is not None:
            name = self._name_of_key(key.key)
            self.keys[name] = _JSON.dumps(key)
            self.taken_from = self._holders.get(name)

    def _elsewhere(self, name: bytes) -> str | None:
        if self._look_up is None:
            self._believed_new.add(name)
            return None
        holder = self._holders[name] = self._look_up(name)
        return None if holder is None else str(holder["keys"][0]["document"])

    def _name_of_key(self, key: str) -> bytes:
        return bytes(name_of(self._account, self._tenant_id, key))


def stored_payment(
    account: str,
    tenant_id: UUID,
    reference: str,
    document: str,
    *,
    version: int,
    keys: Mapping[bytes, str],
    saved_by: UUID | None,
) -> Document:
    """Make what is stored of a payment; *saved_by* marks the write."""
    return {
        "_id": name_of(account, tenant_id, reference),
        "account": account,
        "tenant": tenant_id,
        "reference": reference,
        "version": version,
        "saved_by": saved_by,
        "keys": stored_keys(keys),
        "document": document,
    }


def stored_keys(keys: Mapping[bytes, str]) -> list[Document]:
    """Make what is stored of keys: the index sees their names."""
    return [{"name": name, "document": document} for name, document in keys.items()]


def name_of(account: str, tenant_id: UUID, name: str) -> Binary:
    """Name an entry. The account's length keeps it apart from what follows."""
    owner = account.encode()
    return Binary(len(owner).to_bytes(4, "big") + owner + tenant_id.bytes + name.encode())


def parts_of(name: bytes) -> tuple[str, UUID, str]:
    """Return account, tenant and name of an entry."""
    length = int.from_bytes(name[:4], "big")
    owner, tenant, rest = name[4 : 4 + length], name[4 + length :][:16], name[20 + length :]
    return owner.decode(), UUID(bytes=bytes(tenant)), rest.decode()


def _payment_in(stored: Mapping[str, Any]) -> PaymentRecord:
    return _JSON.loads(stored["document"], PaymentRecord)


def _overtaken() -> OperationFailure:
    return OperationFailure("Another was quicker.", _WRITE_CONFLICT)
