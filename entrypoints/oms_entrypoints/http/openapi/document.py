"""Writes the OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from oms_core.domain.rules import UuidText, fields_of
from oms_core.errors import InvalidInput, OmsError
from oms_entrypoints.http.openapi import examples
from oms_entrypoints.http.openapi.call import Answer, HeaderParameter, Operation
from oms_entrypoints.http.openapi.calls.inventory_service import (
    INVENTORY_SERVICE_CALLS,
    SERVICE_IS_READY,
)
from oms_entrypoints.http.openapi.operations import OPERATIONS
from oms_entrypoints.http.openapi.refusals import (
    STATUSES_OF_ALL,
    STATUSES_WITH_A_BODY,
    STATUSES_WITH_A_FOREIGN_BODY,
    STATUSES_WITH_A_TOKEN,
    WITH_A_TOKEN,
)
from oms_entrypoints.http.openapi.response_headers import HEADERS_OF_STATUS, RESPONSE_HEADERS
from oms_entrypoints.http.openapi.rule_schemas import example_of, schema_of_rule
from oms_entrypoints.http.openapi.schemas import Schemas
from oms_entrypoints.http.problems import PROBLEM_TYPE, problem_of, title_of
from oms_entrypoints.http.resource import JSON
from oms_entrypoints.http.views import InvalidInputView, ProblemView

if TYPE_CHECKING:
    from collections.abc import Iterable

_DESCRIPTION: Final = (
    "Every order is accepted once and only once, charged once, and never lost. "
    "Every call but those of the server itself and of payment providers needs the headers "
    "`Authorization`, "
    "`X-Tenant-ID` and `X-Org-ID`. Every refusal is a problem (RFC 9457) whose `code` is stable."
)
CONTRACT_VERSION: Final = "1.0.0"
"""Of the inventory service's contract alone; the program's own version is another thing."""
_CONTRACT: Final = (
    "What an inventory service must do for an order system: reserve stock and keep its ledger. "
    "Every call may arrive more than once, and has one effect: reservations and ledger entries "
    "are named by the caller, within tenant and organization, for ever. What becomes of them is "
    "an answer (200); every other status says that nothing is known, or that the call is wrong. "
    "A service may put more fields into its answers."
)
_REFUSAL: Final = (
    "401 and 403: the credentials are refused. 408, 425, 429 and 5xx: nothing is known; the same "
    "call comes again, after `Retry-After` if that is given. Other 4xx and 501 with a `code`: the "
    "call is wrong."
)
_TAGS: Final = {
    "orders": "Place and read orders.",
    "order operations": "What becomes of an order after it was placed.",
    "inventory": "Book and read stock.",
    "events": "Learn of everything that happens.",
    "webhooks": "Have events posted to an address.",
    "sagas": "See what is under way, waits or is stuck, and decide how it goes on.",
    "payment providers": "What payment providers notify; signed, and without a token.",
    "inventory service": "Reserve stock and keep its ledger for another order system.",
    "server": "What a server says about itself; open to everybody.",
}
_PATH_PARAMETERS: Final = {
    "order_id": ("The order's id. Any other text is simply not found.", "Order"),
    "operation_id": ("The operation's id. Any other text is simply not found.", "Operation"),
    "fulfillment_id": (
        "The fulfillment's id. Any other text is simply not found.",
        "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
    ),
    "return_id": (
        "The return's id. Any other text is simply not found.",
        "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
    ),
    "subscription_id": (
        "The subscription's id. Any other text is simply not found.",
        "Subscription",
    ),
    "provider": ("The configured name of the account.", "simulated"),
    "tenant_id": ("The tenant whose payments the account holds.", examples.TENANT),
}
"""What each stands for, and an example: of the view that has it, or as it is."""
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def openapi_document(version: str) -> dict[str, Any]:
    """Return the whole document; *version* is the program's."""
    return _document(OPERATIONS, "Order management", version, _DESCRIPTION)


def inventory_service_document() -> dict[str, Any]:
    """Return what an inventory service must answer, ours or anybody's.

    How it words its refusals is its own affair: they are described once, for all calls.
    """
    contract = (*INVENTORY_SERVICE_CALLS, SERVICE_IS_READY)
    document = _document(contract, "Inventory service", CONTRACT_VERSION, _CONTRACT)
    for path in document["paths"].values():
        for operation in path.values():
            success = operation["responses"]["200"]
            refusal = {"$ref": "#/components/responses/Refusal"}
            operation["responses"] = {"200": success, "default": refusal}
    problem = [{"$ref": f"#/components/schemas/{name}"} for name in ("InvalidInput", "Problem")]
    headers = document["components"]["headers"]
    used = ("X-Request-ID", "Retry-After")
    document["components"]["headers"] = {name: headers[name] for name in used}
    document["components"]["responses"] = {
        "Refusal": {
            "description": _REFUSAL,
            "headers": _header_references(("Retry-After",)),
            "content": {PROBLEM_TYPE: {"schema": {"anyOf": problem}}},
        }
    }
    return document


def _document(
    operations: Iterable[Operation], title: str, version: str, description: str
) -> dict[str, Any]:
    writer = _Writer()
    paths: dict[str, Any] = defaultdict(dict)
    tags: set[str] = set()
    for operation in operations:
        paths[operation.path][operation.method.lower()] = writer.operation(operation)
        tags.add(operation.tag)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": description,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "description": says} for name, says in _TAGS.items() if name in tags
        ],
        "paths": dict(paths),
        "components": {
            "schemas": dict(sorted(writer.schemas.by_name.items())),
            "headers": RESPONSE_HEADERS,
            "parameters": _scope_parameters(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A JSON Web Token whose claims name tenant, organization and "
                    "role, or a static token. VIEWER reads, EDITOR also writes, ADMIN does "
                    "everything.",
                }
            },
        },
    }


def _scope_parameters() -> dict[str, Any]:
    of = {"X-Tenant-ID": ("tenant", examples.TENANT), "X-Org-ID": ("organization", examples.ORG)}
    return {
        name: {
            "name": name,
            "in": "header",
            "required": True,
            "description": f"The {what} that the token is for.",
            "schema": schema_of_rule(UuidText(example), Schemas()),
        }
        for name, (what, example) in of.items()
    }


class _Writer:
    def __init__(self) -> None:
        self.schemas = Schemas()
        self._answers = examples.answers()
        self._problem = self.schemas.of_view(ProblemView)
        self._invalid = self.schemas.of_view(InvalidInputView)

    def operation(self, operation: Operation) -> dict[str, Any]:
        """Write one operation."""
        written: dict[str, Any] = {
            "operationId": operation.name,
            "tags": [operation.tag],
            "summary": operation.summary,
        }
        if operation.role is not None:
            needs = f"Needs the role {operation.role} or above."
            written["description"] = f"{operation.says} {needs}".strip()
            written["security"] = [{"token": []}]
        elif operation.says:
            written["description"] = operation.says
        parameters = self._parameters(operation)
        if parameters:
            written["parameters"] = parameters
        if operation.body is not None:
            written["requestBody"] = {
                "required": not operation.body_is_optional,
                "content": {
                    JSON: {
                        "schema": self.schemas.of_request(operation.body),
                        "examples": {"smallest": {"value": example_of(operation.body)}},
                    }
                },
            }
        elif operation.foreign_body:
            written["requestBody"] = {
                "required": True,
                "description": operation.foreign_body,
                "content": {JSON: {"schema": {"type": "object"}}},
            }
        responses = {str(answer.status): self._answer(answer) for answer in operation.answers}
        responses.update(self._refusals(operation))
        written["responses"] = dict(sorted(responses.items()))
        return written

    def _example_of(self, name: str) -> str:
        """Return a path parameter's example: from the view that has it, or as it is."""
        example = _PATH_PARAMETERS[name][1]
        answer = self._answers.get(example)
        return example if answer is None else str(answer[name])

    def _parameters(self, operation: Operation) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        if operation.role is not None:
            written += [
                {"$ref": f"#/components/parameters/{name}"} for name in ("X-Tenant-ID", "X-Org-ID")
            ]
        written += [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PATH_PARAMETERS[name][0],
                "schema": {"type": "string", "minLength": 1},
                "example": self._example_of(name),
            }
            for name in _PATH_PARAMETER.findall(operation.path)
        ]
        written += [
            {
                "name": header.name,
                "in": "header",
                "required": header.required,
                "description": header.says,
                "schema": self._header_schema(header),
            }
            for header in operation.headers
        ]
        if operation.query is not None:
            for field in fields_of(operation.query):
                schema = schema_of_rule(field.rule, self.schemas)
                if not field.required and field.default is not None:
                    schema["default"] = field.default
                written.append(
                    {
                        "name": field.name,
                        "in": "query",
                        "required": field.required,
                        "description": field.says,
                        "schema": schema,
                    }
                )
        return written

    def _header_schema(self, header: HeaderParameter) -> dict[str, Any]:
        if header.rule is None:
            return {"type": "string", "examples": [header.example]}
        return schema_of_rule(header.rule, self.schemas)

    def _answer(self, answer: Answer) -> dict[str, Any]:
        written: dict[str, Any] = {
            "description": answer.says,
            "headers": _header_references(answer.headers),
        }
        if answer.media_type is not None:
            written["content"] = {answer.media_type: self._content(answer)}
        if answer.or_media_type is not None:
            written["content"][answer.or_media_type] = {"schema": {"type": "string"}}
        return written

    def _content(self, answer: Answer) -> dict[str, Any]:
        if answer.view is None:
            kind = "object" if answer.media_type == JSON else "string"
            return {"schema": {"type": kind}}
        schema = self.schemas.of_view(answer.view)
        name = schema["$ref"].rpartition("/")[2]
        return {"schema": schema, "examples": {"answer": {"value": self._answers[name]}}}

    def _refusals(self, operation: Operation) -> dict[str, Any]:
        """Write what may be refused, each status with an example of every code it comes with."""
        given: list[OmsError] = [*operation.refusals]
        if operation.role is not None:
            given = [*WITH_A_TOKEN, *given]
        found: dict[int, dict[str, Any]] = defaultdict(dict)
        for error in given:
            found[problem_of(error).status][error.code] = examples.problem(error)
        statuses = [*STATUSES_OF_ALL]
        if operation.role is not None:
            statuses += STATUSES_WITH_A_TOKEN
        if operation.body is not None:
            statuses += STATUSES_WITH_A_BODY
        elif operation.foreign_body:
            statuses += STATUSES_WITH_A_FOREIGN_BODY
        for status in statuses:
            example = examples.problem_with_status(status)
            found[status][example["code"]] = example
        return {str(status): self._problems(status, shown) for status, shown in found.items()}

    def _problems(self, status: int, shown: dict[str, Any]) -> dict[str, Any]:
        schema = self._problem
        if InvalidInput.code in shown:
            schema = {"anyOf": [self._invalid, self._problem]}
        header = HEADERS_OF_STATUS.get(status)
        return {
            "description": f"{title_of(status)}: {', '.join(f'`{code}`' for code in shown)}.",
            "headers": _header_references((header,) if header else ()),
            "content": {
                PROBLEM_TYPE: {
                    "schema": schema,
                    "examples": {code: {"value": example} for code, example in shown.items()},
                }
            },
        }


def _header_references(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *names)}
