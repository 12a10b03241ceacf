"""JSON Schema of what clients receive, made from the types of the answers."""

from __future__ import annotations

import types
from datetime import datetime
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

from oms_entrypoints.http.views import Shown

if TYPE_CHECKING:
    from oms_entrypoints.http.openapi.schemas import Schemas

_SCALARS: Final[dict[object, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
}


def schema_of_view(cls: type, schemas: Schemas) -> dict[str, Any]:
    """Describe a ``TypedDict``: every field is always there, and there is no other."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        "type": "object",
        "description": (cls.__doc__ or "").partition("\n")[0],
        "properties": {name: _schema_of(hint, schemas) for name, hint in hints.items()},
        "required": list(hints),
        "additionalProperties": False,
    }


def _schema_of(hint: Any, schemas: Schemas) -> dict[str, Any]:
    if hint in _SCALARS:
        return dict(_SCALARS[hint])
    if is_typeddict(hint):
        return schemas.of_view(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return schemas.of_choices(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _described(_schema_of(parts[0], schemas), parts[1:])
    if origin is Literal:
        return {"const": getattr(parts[0], "value", parts[0])}
    if origin is list:
        return {"type": "array", "items": _schema_of(parts[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(parts[1], schemas)}
    if origin in {Union, types.UnionType}:
        return _any_of([_schema_of(part, schemas) for part in parts])
    message = f"no schema for {hint!r}"
    raise TypeError(message)


def _described(schema: dict[str, Any], notes: tuple[object, ...]) -> dict[str, Any]:
    for note in notes:
        if isinstance(note, Shown):
            schema = {**schema, "description": note.says}
            if note.pattern is not None:
                schema["pattern"] = note.pattern
    return schema


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Join alternatives; plain types become one list of types, which reads better."""
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    *others, last = schemas
    if last == {"type": "null"} and len(others) == 1 and isinstance(others[0].get("type"), str):
        return {**others[0], "type": [others[0]["type"], "null"]}
    return {"anyOf": schemas}
