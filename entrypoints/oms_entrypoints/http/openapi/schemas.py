"""The named schemas of one document, each described once and referred to everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oms_entrypoints.http.openapi.rule_schemas import schema_of_request
from oms_entrypoints.http.openapi.view_schemas import schema_of_view

if TYPE_CHECKING:
    from enum import Enum


class Schemas:
    """Collects schemas while a document is written."""

    def __init__(self) -> None:
        self.by_name: dict[str, dict[str, Any]] = {}

    def of_request(self, cls: type) -> dict[str, Any]:
        """Refer to a request class."""
        if cls.__name__ not in self.by_name:
            self.by_name[cls.__name__] = {}  # a class may contain itself
            self.by_name[cls.__name__] = schema_of_request(cls, self)
        return _reference(cls.__name__)

    def of_view(self, cls: type) -> dict[str, Any]:
        """Refer to the type of an answer."""
        name = cls.__name__.removesuffix("View")
        if name not in self.by_name:
            self.by_name[name] = {}
            self.by_name[name] = schema_of_view(cls, self)
        return _reference(name)

    def of_choices(self, cls: type[Enum]) -> dict[str, Any]:
        """Refer to an enumeration."""
        self.by_name.setdefault(
            cls.__name__,
            {
                "type": "string",
                "description": (cls.__doc__ or "").partition("\n")[0],
                "enum": [choice.value for choice in cls],
            },
        )
        return _reference(cls.__name__)


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
