"""JSON Schema of what clients send, made from the rules that check it.

A schema may allow what its rule refuses (which currencies exist, say), but never the reverse:
what the document forbids, the server refuses.
"""

from __future__ import annotations

from enum import StrEnum
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final

from oms_core.domain.rules import (
    Amount,
    Flag,
    ListOf,
    Nested,
    OneOf,
    SomeOf,
    Text,
    TextTable,
    UuidText,
    Whole,
    fields_of,
)
from oms_entrypoints.http.query import Instant

if TYPE_CHECKING:
    from oms_core.domain.rules import Rule, RuledField
    from oms_entrypoints.http.openapi.schemas import Schemas

_NO_CONTROLS: Final = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
_NO_CONTROLS_BUT_BREAKS: Final = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
_UUID: Final = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_INSTANT: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
    "(Z|[+-][0-9]{2}:[0-9]{2})$"
)
_AMOUNT_MAX: Final = 999_999_999_999_999


def schema_of_request(cls: type, schemas: Schemas) -> dict[str, Any]:
    """Describe a request class; nested ones are added to *schemas* and referred to."""
    fields = fields_of(cls)
    return {
        "type": "object",
        "description": (cls.__doc__ or "").partition("\n")[0],
        "properties": {field.name: schema_of_field(field, schemas) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def schema_of_field(field: RuledField, schemas: Schemas) -> dict[str, Any]:
    """Describe one field of a request class."""
    schema = schema_of_rule(field.rule, schemas)
    if field.nullable:
        schema = _or_null(schema)
    elif not field.required:
        schema["default"] = list(field.default) if field.default == () else field.default
    return {"description": field.says, **schema}


@singledispatch
def schema_of_rule(rule: Rule, schemas: Schemas) -> dict[str, Any]:
    """Describe what a rule accepts.

    Raises:
        TypeError: no one has said here how to describe such a rule; say it below.
    """
    del schemas
    message = f"no schema for {type(rule).__name__}"
    raise TypeError(message)


@schema_of_rule.register(Text)
def _(rule: Text, _: Schemas) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "string",
        "minLength": rule.chars_min,
        "maxLength": rule.chars_max,
    }
    if rule.pattern is not None:
        schema["pattern"] = f"^{rule.pattern}$"
    else:
        schema["pattern"] = _NO_CONTROLS if rule.printable else _NO_CONTROLS_BUT_BREAKS
    return _with_example(schema, rule.example)


@schema_of_rule.register(Whole)
def _(rule: Whole, _: Schemas) -> dict[str, Any]:
    return {
        "type": "integer",
        "minimum": rule.least,
        "maximum": rule.most,
        "examples": [rule.example],
    }


@schema_of_rule.register(UuidText)
def _(rule: UuidText, _: Schemas) -> dict[str, Any]:
    return {"type": "string", "format": "uuid", "pattern": _UUID, "examples": [rule.example]}


@schema_of_rule.register(Instant)
def _(rule: Instant, _: Schemas) -> dict[str, Any]:
    return {
        "type": "string",
        "format": "date-time",
        "pattern": _INSTANT,
        "examples": [rule.example],
    }


@schema_of_rule.register(Amount)
def _(rule: Amount, _: Schemas) -> dict[str, Any]:
    sign = "-?" if rule.signed else ""
    return {
        "anyOf": [
            {"type": "string", "pattern": f"^{sign}[0-9]{{1,15}}([.][0-9]{{1,15}})?$"},
            {
                "type": "number",
                "minimum": -_AMOUNT_MAX if rule.signed else 0,
                "maximum": _AMOUNT_MAX,
            },
        ],
        "examples": [rule.example],
    }


@schema_of_rule.register(OneOf)
def _(rule: OneOf, _: Schemas) -> dict[str, Any]:
    return {"type": "string", "enum": [choice.value for choice in rule.choices]}


@schema_of_rule.register(Flag)
def _(_: Flag, __: Schemas) -> dict[str, Any]:
    return {"type": "boolean"}


@schema_of_rule.register(SomeOf)
def _(rule: SomeOf, _: Schemas) -> dict[str, Any]:
    words = {"type": "string", "enum": list(rule.words)}
    return {"type": "array", "items": words, "uniqueItems": True}


@schema_of_rule.register(TextTable)
def _(rule: TextTable, schemas: Schemas) -> dict[str, Any]:
    return {
        "type": "object",
        "maxProperties": rule.entries_max,
        "propertyNames": schema_of_rule(rule.key, schemas),
        "additionalProperties": schema_of_rule(rule.value, schemas),
    }


@schema_of_rule.register(Nested)
def _(rule: Nested, schemas: Schemas) -> dict[str, Any]:
    return schemas.of_request(rule.cls)


@schema_of_rule.register(ListOf)
def _(rule: ListOf, schemas: Schemas) -> dict[str, Any]:
    return {
        "type": "array",
        "items": schemas.of_request(rule.cls),
        "minItems": rule.items_min,
        "maxItems": rule.items_max,
    }


def example_of(cls: type) -> dict[str, Any]:
    """Make a small request: the required fields, each with its rule's own example."""
    return {field.name: _example_of(field.rule) for field in fields_of(cls) if field.required}


def _example_of(rule: Rule) -> Any:
    if isinstance(rule, ListOf):
        return [example_of(rule.cls)]
    if isinstance(rule, Nested):
        return example_of(rule.cls)
    if isinstance(rule, OneOf):
        choices: list[StrEnum] = list(rule.choices)
        return choices[0].value
    return getattr(rule, "example", "") or "text"


def _with_example(schema: dict[str, Any], example: str) -> dict[str, Any]:
    return {**schema, "examples": [example]} if example else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
