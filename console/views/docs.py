"""The API's description for people: what `/api/schema` tells programs, as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, render_template, request
from flask_login import current_user

from ..api.openapi import document
from ..auth import requires
from . import frame

bp = Blueprint("docs", __name__)


@bp.get("/docs/api")
@requires("public")
def api() -> str:
    """Every route of the API with its parameters, body, answers and a command to try it."""
    groups = described(document(), request.host_url.rstrip("/"))
    wanted = (request.args.get("q") or "").strip().lower()[:100]
    if wanted:
        for group in groups:
            group["operations"] = [one for one in group["operations"] if wanted in one["searched"]]
        groups = [group for group in groups if group["operations"]]
    framed = current_user.is_authenticated and frame.can_be_drawn()
    count = sum(len(group["operations"]) for group in groups)
    values: dict[str, Any] = {} if framed else frame.bare()
    return render_template("docs/api.html", groups=groups, count=count, wanted=wanted, framed=framed, **values)


def described(schema: dict[str, Any], base: str) -> list[dict[str, Any]]:
    """The operations of an OpenAPI document by heading, each ready to be shown."""
    groups = {
        tag["name"]: {"title": tag["name"], "about": tag["description"], "operations": []} for tag in schema["tags"]
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]]["operations"].append(_described(schema, base, path, method, operation))
    order = {"get": 0, "post": 1, "put": 2, "patch": 3, "delete": 4}
    for group in groups.values():
        group["slug"] = re.sub(r"[^a-z0-9]+", "-", group["title"].lower()).strip("-")
        group["operations"].sort(key=lambda one: (one["path"], order.get(one["method"].lower(), 9)))
    return sorted((group for group in groups.values() if group["operations"]), key=lambda group: group["title"])


def _described(schema: dict[str, Any], base: str, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    body = _body(schema, operation)
    return {
        "id": operation["operationId"], "method": method.upper(), "path": path, "summary": operation["summary"],
        "about": [part.replace("\n", " ") for part in operation.get("description", "").split("\n\n") if part],
        "public": operation.get("security") == [], "deprecated": operation.get("deprecated", False),
        "parameters": [
            {"name": one["name"], "where": one["in"], "type": type_of(one["schema"]), "required": one["required"],
             "about": one.get("description", "")} for one in parameters
        ],
        "body": list(_fields(schema, body)), "body_type": type_of(body) if body else "",
        "answers": list(_answers(schema, operation)),
        "command": _command(base, path, method, operation, body),
        "searched": f"{method} {path} {operation['summary']} {operation['tags'][0]}".lower(),
    }  # fmt: skip


def _body(schema: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    return _resolved(schema, _first_schema(content))


def _first_schema(content: dict[str, Any]) -> dict[str, Any]:
    for media in content.values():
        return media.get("schema", {})
    return {}


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    if not reference:
        return part
    _, _, kind, name = reference.split("/")
    return schema["components"][kind][name]


def _fields(schema: dict[str, Any], shape: dict[str, Any]) -> Iterable[dict[str, Any]]:
    required = shape.get("required", [])
    for name, part in shape.get("properties", {}).items():
        if not part.get("readOnly"):
            yield {
                "name": name,
                "type": type_of(part),
                "required": name in required,
                "about": part.get("description", ""),
            }


def _answers(schema: dict[str, Any], operation: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Statuses that mean success, with the fields of their bodies; errors all look alike."""
    for status, response in operation["responses"].items():
        if status.startswith(("2", "3")):
            shape = _first_schema(response.get("content", {}))
            inner = shape.get("items", shape.get("properties", {}).get("results", {}).get("items", shape))
            fields = _resolved(schema, inner).get("properties", {})
            yield {"status": status, "type": type_of(shape) if shape else "empty", "fields": list(fields)}


def type_of(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words: `integer or null`, `list of Task`."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if schema.get("enum"):
        return " | ".join(json.dumps(word) for word in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(type_of(one) for one in schema["oneOf"])
    kinds = schema.get("type", "any JSON")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    words = [f"list of {type_of(schema.get('items') or {})}" if kind == "array" else kind for kind in kinds]
    return " or ".join(words)


def _command(base: str, path: str, method: str, operation: dict[str, Any], body: dict[str, Any]) -> str:
    parts = ["curl"]
    if method != "get":
        parts.append(f"-X {method.upper()}")
    parts.append("'" + base + re.sub(r"\{\w+\}", "1", path) + "'")
    if operation.get("security") != []:
        parts.append('-H "Authorization: Token $TOKEN"')
    if method != "get" and body:
        accepted = operation["requestBody"]["content"]
        parts += _json_body(body) if "application/json" in accepted else ["-F 'file=@FILE'"]
    return " ".join(parts)


def _json_body(body: dict[str, Any]) -> list[str]:
    properties = body.get("properties", {})
    required = {name: _sample(properties[name]) for name in body.get("required", []) if name in properties}
    sample = body.get("example") or ([] if body.get("type") == "array" else required)
    return ["-H 'Content-Type: application/json'", f"-d '{json.dumps(sample)}'"]


def _sample(schema: dict[str, Any]) -> Any:
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if schema.get("enum"):
        return schema["enum"][0]
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}.get(kind)
