"""How a field of an answer is shown, and described in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from attrs import frozen


@frozen
class Shown:
    """What the OpenAPI document says about a field beyond its type."""

    says: str
    pattern: str | None = None


AmountText: TypeAlias = Annotated[
    str,
    Shown("Decimal string in major units of the order's currency.", r"^-?[0-9]+(\.[0-9]+)?$"),
]
Cursor: TypeAlias = Annotated[
    str | None, Shown("Send it as `cursor` to get the next page; null on the last page.")
]
Fact: TypeAlias = str | int | bool | None
