"""Reads a request class from parsed JSON: strict, and all mistakes at once.

The classes check their own fields when they are made (``oms_core.domain.rules``); this module
adds what only the document can get wrong: its shape, unknown and missing fields.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from attrs import evolve

from oms_core.domain.rules import ListOf, Nested, RuledField, check_values, fields_of
from oms_core.errors import InvalidInput, Mistake

T = TypeVar("T")


def read(cls: type[T], document: object) -> T:
    """Make a *cls* from a parsed JSON document.

    Raises:
        InvalidInput: every mistake in the document, each with its JSON pointer (RFC 6901).
    """
    mistakes: list[Mistake] = []
    made = _read(cls, document, "", mistakes)
    if mistakes:
        raise InvalidInput(tuple(mistakes))
    return cast("T", made)


def _read(cls: type, document: object, at: str, mistakes: list[Mistake]) -> object:
    """Return the instance, or ``None`` after adding to *mistakes*."""
    if not isinstance(document, dict):
        mistakes.append(Mistake(at, "must be an object"))
        return None
    before = len(mistakes)
    values: dict[str, Any] = {}
    unread = len(document)
    for field in fields_of(cls):
        if field.name in document:
            unread -= 1
            values[field.name] = _read_value(
                field, document[field.name], f"{at}/{field.name}", mistakes
            )
        elif field.required:
            mistakes.append(Mistake(f"{at}/{field.name}", "is required"))
    if unread:
        names = {field.name for field in fields_of(cls)}
        mistakes.extend(
            Mistake(f"{at}/{escape(name)}", "is not a known field")
            for name in document
            if name not in names
        )
    if len(mistakes) == before:
        try:
            return cls(**values)
        except InvalidInput as invalid:
            mistakes.extend(evolve(m, pointer=at + m.pointer) for m in invalid.mistakes)
            return None
    reported = {mistake.pointer for mistake in mistakes[before:]}
    cross_check = getattr(cls, "cross_check", None)
    found = list(check_values(cls, values))
    found += cross_check(values) if cross_check is not None else []
    for mistake in found:
        pointer = at + mistake.pointer
        if not any(known == pointer or known.startswith(pointer + "/") for known in reported):
            mistakes.append(evolve(mistake, pointer=pointer))
    return None


def _read_value(field: RuledField, value: object, at: str, mistakes: list[Mistake]) -> object:
    """Make nested objects; everything else is left to the rule of the field."""
    rule = field.rule
    if isinstance(rule, ListOf) and isinstance(value, list) and len(value) <= rule.items_max:
        return tuple(
            _read(rule.cls, item, f"{at}/{index}", mistakes) for index, item in enumerate(value)
        )
    if isinstance(rule, Nested) and value is not None:
        return _read(rule.cls, value, at, mistakes)
    return value


def escape(name: str) -> str:
    """Write a name as a JSON pointer token, cut to a length fit for an answer."""
    return name[:64].replace("~", "~0").replace("/", "~1")
