"""What calls are refused with, as far as several calls share it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from oms_core import errors
from oms_core.errors import Mistake

STATUSES_WITH_A_TOKEN: Final = (429,)
STATUSES_WITH_A_BODY: Final = (413, 415)
STATUSES_WITH_A_FOREIGN_BODY: Final = (413,)
STATUSES_OF_ALL: Final = (400, 431, 500)
"""What the server itself may say to any request."""

NOBODYS: Final = UUID(int=0)
"""The id of what was not found."""


def invalid(pointer: str, message: str) -> errors.InvalidInput:
    """Give an example of input that has one mistake."""
    return errors.InvalidInput((Mistake(pointer, message),))


WITH_A_TOKEN: Final[tuple[errors.OmsError, ...]] = (
    invalid("/X-Tenant-ID", "is a required header and must be a UUID"),
    errors.AuthenticationFailed("The token has expired; ask for a new one."),
    errors.PermissionDenied("The token's role is VIEWER; this needs EDITOR or above."),
    errors.AuthenticationUnavailable(),
)
"""Of every call that needs a token, before its own."""
LIMIT: Final = invalid("/limit", "must be from 1 to 100")
STORE: Final = (errors.StoreUnavailable(), errors.StoreUnusable("told to the operator alone"))
STOCK: Final = (
    errors.InventoryUnavailable(),
    errors.InventoryUnusable("told to the operator alone"),
    *STORE,
)
"""Of every call that asks the inventory, which may lie outside the store."""
