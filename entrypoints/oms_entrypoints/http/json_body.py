"""Reads a request body as strict JSON (RFC 8259): what is doubtful is refused, not repaired."""

from __future__ import annotations

import json
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from oms_core.application.request_reader import escape
from oms_core.domain.rules import require
from oms_core.errors import InvalidInput, Mistake
from oms_entrypoints.http.problems import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request

T = TypeVar("T")

_JSON: Final = "application/json"
_CHUNK_BYTES: Final = 65_536
_SURROGATES: Final = range(0xD800, 0xE000)


def read_json(req: Request, limit_bytes: int) -> Any:
    """Return the parsed body; numbers that are no integers come as ``Decimal``, exactly.

    Raises:
        Refusal: 415 if it is not declared as JSON, 413 if it is over *limit_bytes*.
        InvalidInput: it is not JSON in UTF-8, or names something twice, or holds what no
            store can keep.
    """
    _require_json(req)
    return parse_json(read_body(req, limit_bytes))


def read_optional_json(req: Request, limit_bytes: int) -> Any:
    """Return the parsed body; one that is empty stands for an object without fields.

    Raises:
        Refusal: 415 if there is one and it is not declared as JSON, 413 if it is too large.
        InvalidInput: as ``read_json``.
    """
    body = read_body(req, limit_bytes)
    if not body:
        return {}
    _require_json(req)
    return parse_json(body)


def with_mistakes_before(mistakes: list[Mistake], read_body: Callable[[], T]) -> T:
    """Return what *read_body* does, unless there are *mistakes*, such as in the headers.

    Raises:
        InvalidInput: with these and with those of the body: all are told at once.
    """
    try:
        request = read_body()
    except InvalidInput as invalid:
        raise InvalidInput((*mistakes, *invalid.mistakes)) from None
    require(mistakes)
    return request


def parse_json(body: bytes) -> Any:
    """Parse strict JSON.

    Raises:
        InvalidInput: with the place of the mistake.
    """
    if not body:
        raise _wrong("is empty; send a JSON object")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise _wrong(f"is not UTF-8 (byte {wrong.start}); send JSON in UTF-8") from None
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as wrong:
        raise _wrong(f"is not JSON: {wrong.msg}, at character {wrong.pos}") from None
    except RecursionError:
        raise _wrong("is nested too deeply") from None
    except (ValueError, DecimalException):
        raise _wrong("holds a number that is too long to be one") from None
    # Only an escape can smuggle in what UTF-8 and JSON forbid in the open.
    if "\\u" in text:
        _require_storable(document)
    return document


def _require_json(req: Request) -> None:
    content_type = req.env.get("CONTENT_TYPE", "")
    if content_type != _JSON:
        name, _, parameters = content_type.partition(";")
        charset = parameters.strip().lower().replace('"', "")
        if name.strip().lower() != _JSON or charset not in {"", "charset=utf-8"}:
            raise Refusal(415, f'Send the body as JSON in UTF-8, with "Content-Type: {_JSON}".')
    if req.env.get("HTTP_CONTENT_ENCODING", "identity").lower() not in {"", "identity"}:
        raise Refusal(415, "Send the body as it is, without Content-Encoding.")


def read_body(req: Request, limit_bytes: int) -> bytes:
    """Read all of the body, or as much as shows that it is too large.

    Raises:
        Refusal: 413 if it is over *limit_bytes*.
    """
    length = req.content_length
    if length is None:
        if not req.env.get("wsgi.input_terminated"):
            return b""
        length = limit_bytes + 1
        announced = False
    else:
        announced = True
        if length > limit_bytes:
            raise _too_large(limit_bytes)
    stream = req.env["wsgi.input"]
    body = stream.read(length)
    while len(body) < length:
        more = stream.read(min(_CHUNK_BYTES, length - len(body)))
        if not more:
            break
        body += more
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    if announced and len(body) < length:
        raise _wrong(f"ended after {len(body)} of {length} bytes; send it again")
    return bytes(body)


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(413, f"The body is larger than {limit_bytes} bytes; send less at once.")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, refusing a name that comes twice: which one would be meant?"""
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _wrong(f'names "{_shown(name)}" twice in one object')
            seen.add(name)
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise _wrong(f"holds {name}, which is no JSON number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object_of, parse_float=Decimal, parse_constant=_refuse_constant
)


def _require_storable(document: Any) -> None:
    """Refuse lone surrogates and NUL wherever they stand: no UTF-8, no database has them."""
    mistakes: list[Mistake] = []
    rest: list[tuple[str, Any]] = [("", document)]
    while rest:
        at, value = rest.pop()
        if isinstance(value, str):
            wrong = _unstorable(value)
            if wrong:
                mistakes.append(Mistake(at, f"holds {wrong}"))
        elif isinstance(value, dict):
            for name, inner in value.items():
                wrong = _unstorable(name)
                if wrong:
                    mistakes.append(Mistake(at, f"has a name that holds {wrong}"))
                else:
                    rest.append((f"{at}/{escape(name)}", inner))
        elif isinstance(value, list):
            rest.extend((f"{at}/{index}", inner) for index, inner in enumerate(value))
    if mistakes:
        raise InvalidInput(tuple(mistakes[:_MISTAKES_SHOWN_MAX]))


_MISTAKES_SHOWN_MAX: Final = 100


def _unstorable(text: str) -> str | None:
    if "\0" in text:
        return "the character NUL"
    if not text.isascii() and any(ord(character) in _SURROGATES for character in text):
        return "half of a surrogate pair"
    return None


def _shown(name: str) -> str:
    """Cut a name from outside to what may stand in an answer."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def _wrong(what: str) -> InvalidInput:
    return InvalidInput((Mistake("", f"the body {what}"),))
