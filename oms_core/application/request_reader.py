"""Reads a request class from parsed JSON: strict, and all mistakes at once.

The classes check their own fields when they are made (``oms_core.domain.rules``); this module
adds what only the document can get wrong: its shape, unknown and missing fields.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar, cast

from attrs import evolve

from oms_core.domain.rules import ListOf, Nested, check_values, fields_of
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
    """Return the instance, or the document as it is after adding to *mistakes*.

    So that what surrounds it can still look for mistakes between the fields.
    """
    if not isinstance(document, dict):
        mistakes.append(Mistake(at, "must be an object"))
        return document
    before = len(mistakes)
    values = document
    nested = _nested_fields_of(cls)
    if nested:
        values = dict(document)
        for name, read_nested in nested:
            if name in document:
                values[name] = read_nested(document[name], f"{at}/{name}", mistakes)
    if len(mistakes) == before:
        try:
            return cls(**values)
        except InvalidInput as invalid:
            mistakes.extend(evolve(m, pointer=at + m.pointer) for m in invalid.mistakes)
            return document
        except TypeError:
            # A field is unknown or missing; which ones, and what else is wrong, follows.
            pass
    _explain(cls, values, at, mistakes, {mistake.pointer for mistake in mistakes[before:]})
    return document


def _explain(
    cls: type, values: dict[str, Any], at: str, mistakes: list[Mistake], reported: set[str]
) -> None:
    """Add every mistake of an object that cannot be made; *reported* ones are known already."""
    fields = {field.name: field for field in fields_of(cls)}
    found = [
        Mistake(f"/{name}", "is required")
        for name, field in fields.items()
        if field.required and name not in values
    ]
    found += [
        Mistake(f"/{escape(name)}", "is not a known field") for name in values if name not in fields
    ]
    found += check_values(cls, values)
    cross_check = getattr(cls, "cross_check", None)
    if cross_check is not None:
        found += cross_check(values)
    for mistake in found:
        pointer = at + mistake.pointer
        if not any(known == pointer or known.startswith(pointer + "/") for known in reported):
            mistakes.append(evolve(mistake, pointer=pointer))


_ReadNested: TypeAlias = Callable[[object, str, list[Mistake]], object]


@cache
def _nested_fields_of(cls: type) -> tuple[tuple[str, _ReadNested], ...]:
    """List the fields that hold other request classes, and how to read them."""
    readers: list[tuple[str, _ReadNested]] = []
    for field in fields_of(cls):
        if isinstance(field.rule, ListOf):
            readers.append((field.name, partial(_read_list, field.rule)))
        elif isinstance(field.rule, Nested):
            readers.append((field.name, partial(_read_object, field.rule)))
    return tuple(readers)


def _read_list(rule: ListOf, value: object, at: str, mistakes: list[Mistake]) -> object:
    """Read each item; what is no list, or too long a one, is left to the rule to refuse."""
    if not isinstance(value, list) or len(value) > rule.items_max:
        return value
    cls = rule.cls
    if not _nested_fields_of(cls):
        try:
            return tuple([cls(**item) for item in value])
        except (InvalidInput, TypeError):
            # Something is wrong somewhere: read one by one, to say everything that is.
            pass
    return tuple([_read(cls, item, f"{at}/{index}", mistakes) for index, item in enumerate(value)])


def _read_object(rule: Nested, value: object, at: str, mistakes: list[Mistake]) -> object:
    return value if value is None else _read(rule.cls, value, at, mistakes)


def escape(name: str) -> str:
    """Write a name as a JSON pointer token, cut to a length fit for an answer."""
    return name[:64].replace("~", "~0").replace("/", "~1")
