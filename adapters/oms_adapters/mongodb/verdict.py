"""What each error of the driver means to whoever called."""

from __future__ import annotations

from typing import Final

from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from oms_core.errors import StorageTrouble, StoreUnavailable, StoreUnusable

_TRANSIENT_CODES: Final = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        50,  # MaxTimeMSExpired
        63,  # StaleShardVersion
        64,  # WriteConcernFailed (waiting for a majority took too long)
        79,  # UnknownReplWriteConcern
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        100,  # UnsatisfiableWriteConcern (members are down)
        112,  # WriteConflict
        133,  # FailedToSatisfyReadPreference
        134,  # ReadConcernMajorityNotAvailableYet
        150,  # StaleEpoch
        189,  # PrimarySteppedDown
        225,  # TransactionTooOld
        234,  # RetryChangeStream
        244,  # TransactionAborted
        246,  # SnapshotUnavailable
        251,  # NoSuchTransaction
        262,  # ExceededTimeLimit
        263,  # OperationNotSupportedInTransaction while indexes are built
        290,  # TransactionExceededLifetimeLimitSeconds
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13388,  # StaleConfig
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
"""Codes of mongodb.com/docs/manual/reference/error-codes that pass by themselves."""

_MENDABLE_CODES: Final = frozenset(
    {
        13,  # Unauthorized
        18,  # AuthenticationFailed
        39,  # FileOpenFailed
        133,  # FailedToSatisfyReadPreference
        14031,  # OutOfDiskSpace
    }
)
"""An operator can mend these while we wait; trying again at once is of no use."""

_PASSING_LABELS: Final = (
    "RetryableWriteError",
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
)


def verdict(error: PyMongoError) -> StorageTrouble:
    """Translate any error of the driver; a write that met it may have happened or not.

    The server's own text is left out: it may quote the data of an order. A duplicate key is
    for the caller to read first, with ``violated_index``.
    """
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError):
        return StoreUnavailable(f"MongoDB: {type(error).__name__}{_code(error)}")
    if is_transient(error):
        return StoreUnavailable(f"MongoDB: {type(error).__name__}{_code(error)}")
    if isinstance(error, InvalidOperation):
        # A client that was closed; anything else of this class is a bug and would be seen
        # by every test.
        return StoreUnavailable("MongoDB: the connection was closed")
    if isinstance(error, OperationFailure):
        if _codes(error) & _MENDABLE_CODES:
            return StoreUnavailable(f"MongoDB refuses access or has no space{_code(error)}")
        return StoreUnusable(
            f"MongoDB refused a command{_code(error)}; look into its log, and see that the "
            "indexes are as this version of the program made them."
        )
    if isinstance(error, ConfigurationError):
        return StoreUnusable("The MongoDB driver refuses its configuration; correct the URI.")
    return StoreUnavailable(f"MongoDB: {type(error).__name__}")


def is_transient(error: PyMongoError) -> bool:
    """Tell whether the same call, made again at once, may well succeed."""
    if isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError):
        return False  # it has waited for as long as a caller may wait
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError):
        return True
    if any(error.has_error_label(label) for label in _PASSING_LABELS):
        return True
    return bool(_codes(error) & _TRANSIENT_CODES)


def violated_index(error: DuplicateKeyError) -> tuple[str, ...]:
    """Name the fields of the unique index that the write violated."""
    return tuple((error.details or {}).get("keyPattern", ()))


def _codes(error: PyMongoError) -> set[int]:
    """Return the error's own code, and those of the parts of a bulk write."""
    found: set[int] = set()
    if isinstance(error, OperationFailure) and isinstance(error.code, int):
        found.add(error.code)
    if isinstance(error, BulkWriteError):
        for part in ("writeErrors", "writeConcernErrors"):
            found |= {int(each["code"]) for each in error.details.get(part, ()) if "code" in each}
    return found


def _code(error: PyMongoError) -> str:
    codes = ", ".join(str(code) for code in sorted(_codes(error)))
    return f" (code {codes})" if codes else ""
