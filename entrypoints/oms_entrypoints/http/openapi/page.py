"""The OpenAPI document as one page for people: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from typing import Any, Final

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem;color:#1b1f24}
h1{margin-bottom:0}h2{margin-top:3rem;border-bottom:1px solid #d0d7de}h3{margin-top:2.5rem}
code,pre{font:14px/1.5 ui-monospace,monospace;background:#f3f5f7;border-radius:4px}
code{padding:.1em .3em}pre{padding:.8rem;overflow:auto}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem}
th{border-bottom:2px solid #d0d7de}td{border-bottom:1px solid #e5e9ed}
.method{display:inline-block;min-width:3.5rem;font-weight:700;color:#0a5}
.POST{color:#a40}summary{cursor:pointer;padding:.2rem 0}nav li{list-style:none}nav ul{padding:0}
@media(prefers-color-scheme:dark){body{background:#0f1318;color:#dfe4ea}code,pre{background:#1b2129}
a{color:#7ab7ff}td,th,h2{border-color:#2d3540}}
"""
_CODE: Final = re.compile(r"`([^`]*)`")


def content_security_policy() -> str:
    """Return the policy that lets the page use its own style, and nothing else happen."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page_of(document: dict[str, Any]) -> str:
    """Write the page."""
    return _Page(document).write()


class _Page:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._components = document["components"]

    def write(self) -> str:
        """Write everything, in the order of the document."""
        info = self._document["info"]
        calls = [
            (path, method.upper(), operation)
            for path, operations in self._document["paths"].items()
            for method, operation in operations.items()
        ]
        parts = [
            f"<h1>{escape(info['title'])}</h1>",
            f"<p>Version {escape(info['version'])}, as <a href=/openapi.json>OpenAPI</a></p>",
            f"<p>{_prose(info['description'])}</p>",
            "<nav><ul>",
            *(
                f'<li><a href="#{escape(operation["operationId"])}">'
                f"{_method(method)} <code>{escape(path)}</code></a> "
                f"{_prose(operation['summary'])}</li>"
                for path, method, operation in calls
            ),
            "</ul></nav>",
        ]
        for tag in self._document["tags"]:
            parts.append(f"<h2>{escape(tag['name'])}</h2><p>{_prose(tag['description'])}</p>")
            parts += [
                self._operation(path, method, operation)
                for path, method, operation in calls
                if tag["name"] in operation["tags"]
            ]
        parts.append("<h2>schemas</h2>")
        parts += [
            self._schema(name, schema) for name, schema in self._components["schemas"].items()
        ]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head>"
            f"<body>{''.join(parts)}</body></html>"
        )

    def _operation(self, path: str, method: str, operation: dict[str, Any]) -> str:
        name, says = escape(operation["operationId"]), _prose(operation.get("description", ""))
        parts = [
            f'<h3 id="{name}">{_method(method)} <code>{escape(path)}</code></h3>',
            f"<p><strong>{_prose(operation['summary'])}</strong> {says}</p>",
            self._parameters(operation.get("parameters", [])),
        ]
        body = operation.get("requestBody")
        if body is not None:
            content = body["content"]["application/json"]
            parts.append(f"<p>Body: {self._type(content['schema'])}</p>")
            parts += [_code(each["value"]) for each in content.get("examples", {}).values()]
        parts.append("<p>Answers:</p>")
        parts += [
            self._response(status, response) for status, response in operation["responses"].items()
        ]
        return "".join(parts)

    def _parameters(self, parameters: list[dict[str, Any]]) -> str:
        rows = [
            [
                f"<code>{escape(parameter['name'])}</code>",
                escape(parameter["in"]) + (", required" if parameter["required"] else ""),
                self._type(parameter["schema"]),
                _prose(parameter["description"]),
            ]
            for parameter in map(self._resolved, parameters)
        ]
        return _table(["parameter", "in", "type", "meaning"], rows)

    def _response(self, status: str, response: dict[str, Any]) -> str:
        shown = [
            f"<summary><code>{escape(status)}</code> {_prose(response['description'])}</summary>"
        ]
        headers = {name: self._resolved(header) for name, header in response["headers"].items()}
        shown.append(
            _table(
                ["header", "meaning"],
                [
                    [f"<code>{escape(name)}</code>", _prose(header["description"])]
                    for name, header in headers.items()
                ],
            )
        )
        for media_type, content in response.get("content", {}).items():
            shown.append(
                f"<p><code>{escape(media_type)}</code>: {self._type(content['schema'])}</p>"
            )
            shown += [_code(example["value"]) for example in content.get("examples", {}).values()]
        return f"<details>{''.join(shown)}</details>"

    def _schema(self, name: str, schema: dict[str, Any]) -> str:
        title = (
            f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>'
            f"<p>{_prose(schema.get('description', ''))}</p>"
        )
        if "enum" in schema:
            return title + f"<p>{_choices(schema)}</p>"
        required = schema.get("required", [])
        rows = [
            [
                f"<code>{escape(field)}</code>" + (" *" if field in required else ""),
                self._type(inner),
                _prose(inner.get("description", "")),
            ]
            for field, inner in schema.get("properties", {}).items()
        ]
        return title + _table(["field (* always there)", "type", "meaning"], rows)

    def _type(self, schema: dict[str, Any]) -> str:
        """Say in a few words what a value looks like."""
        if "$ref" in schema:
            name = escape(schema["$ref"].rpartition("/")[2])
            return f'<a href="#schema-{name}">{name}</a>'
        if "anyOf" in schema:
            return " or ".join(self._type(part) for part in schema["anyOf"])
        if "const" in schema:
            return f"<code>{escape(json.dumps(schema['const']))}</code>"
        if "enum" in schema:
            return _choices(schema)
        kinds = schema.get("type", "object")
        words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
        if "items" in schema:
            words = f"{words} of {self._type(schema['items'])}"
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            words = f"{words} of {self._type(extra)}"
        return words + _limits(schema)

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """Follow a reference to a component."""
        if "$ref" not in part:
            return part
        _, _, kind, name = part["$ref"].split("/", 3)
        found: dict[str, Any] = self._components[kind][name]
        return found


def _prose(text: str) -> str:
    """Write a sentence; what stands between backticks becomes code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _method(method: str) -> str:
    return f'<span class="method {escape(method)}">{escape(method)}</span>'


def _choices(schema: dict[str, Any]) -> str:
    return ", ".join(f"<code>{escape(str(choice))}</code>" for choice in schema["enum"])


def _limits(schema: dict[str, Any]) -> str:
    found = []
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        if most in schema:
            found.append(f"{schema.get(least, 0)} to {schema[most]}{unit}")
    if "maxProperties" in schema:
        found.append(f"at most {schema['maxProperties']} entries")
    if "default" in schema:
        found.append(f"default {escape(json.dumps(schema['default']))}")
    return f", {', '.join(found)}" if found else ""


def _table(titles: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
