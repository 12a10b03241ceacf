"""What clients see of a refusal."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from oms_entrypoints.http.views.shown import Shown


class MistakeView(TypedDict):
    """One thing wrong with a request."""

    pointer: Annotated[
        str, Shown("JSON pointer (RFC 6901) into the body, or `/` and a parameter's name.")
    ]
    message: str


class ProblemView(TypedDict):
    """Why a request was refused (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: Annotated[str, Shown("Stable: for programs to branch on.")]
    detail: Annotated[str, Shown("What is wrong and what to do next.")]
    error: Annotated[str, Shown("The same sentence as `detail`.")]
    request_id: Annotated[str, Shown("Names this request in the server's log.")]


class InvalidInputView(ProblemView):
    """All that is wrong with a request, at once."""

    errors: list[MistakeView]
