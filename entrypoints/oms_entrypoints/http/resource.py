"""What every resource is: an address with the methods it knows, and who may use each."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast

import orjson

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.ports.authentication import Principal, Role

Permits: TypeAlias = "Mapping[str, Role | None]"
JSON: Final = "application/json"


class Resource:
    """Base of all resources.

    ``permits`` names every method with the role it needs, ``None`` for the public. A method
    that is implemented but not named there is a mistake that stops the start: nothing is
    open because somebody forgot to close it.
    """

    permits: ClassVar[Permits] = {}


def require_permits(resource: Resource) -> None:
    """Refuse a resource whose methods are not exactly the ones it permits.

    Raises:
        TypeError: they are not; a mistake in the program.
    """
    implemented = {m.value for m in HTTPMethod if hasattr(resource, f"on_{m.value.lower()}")}
    if implemented != set(resource.permits):
        message = (
            f"{type(resource).__name__} implements {sorted(implemented)} "
            f"but permits {sorted(resource.permits)}"
        )
        raise TypeError(message)


def send_json(resp: Response, document: Any) -> None:
    """Answer with *document*; moments are written in UTC with a Z."""
    resp.data = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    resp.content_type = JSON


def caller_of(req: Request) -> Principal:
    """Return who was let in."""
    return cast("Principal", req.context.principal)
