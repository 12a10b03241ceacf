"""How one call of the API is described: what goes in, what may come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from oms_entrypoints.http.resource import JSON

if TYPE_CHECKING:
    from oms_core import errors
    from oms_core.domain.rules import Text
    from oms_core.ports.authentication import Role


@frozen
class Answer:
    """What a success looks like."""

    status: int
    says: str
    view: type | None = None
    """Its type, if it has one."""
    media_type: str | None = JSON
    """``None``: without a body."""
    headers: tuple[str, ...] = ()
    """Names in ``RESPONSE_HEADERS``."""
    or_media_type: str | None = None
    """What else it may be, without a type of its own."""


@frozen
class HeaderParameter:
    """A header that a client may or must send."""

    name: str
    says: str
    rule: Text | None = None
    """``None``: what is not understood is not refused but ignored."""
    required: bool = False
    example: str = ""


@frozen
class Operation:
    """One method at one address."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    answers: tuple[Answer, ...]
    says: str = ""
    role: Role | None = None
    """Who may call it; ``None``: everybody, without a token."""
    body: type | None = None
    body_is_optional: bool = False
    """No body at all stands for one without fields."""
    foreign_body: str = ""
    """What the body is, if its form is somebody else's."""
    query: type | None = None
    headers: tuple[HeaderParameter, ...] = ()
    refusals: tuple[errors.OmsError, ...] = field(default=())
    """What the core may refuse, beyond what every call with a token may."""
