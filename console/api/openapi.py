"""The OpenAPI 3.1 document, made from the routes as they are declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from .. import __version__
from .fields import Many, Paged, Shape
from .routes import NO_BODY, Answer, Resource, Route

ERRORS = {
    400: "Values break a rule, or the body cannot be read.",
    401: "No credentials, or credentials that are not valid.",
    403: "The account may not do this.",
    404: "There is no such object in the account's organization.",
    405: "The path does not answer to this method.",
    409: "Another object stands in the way.",
    413: "The request is larger than is accepted.",
    415: "The body comes in a format that is not read here.",
    429: "Too many requests from one address.",
    503: "The deployment's database does not answer, or refuses.",
}
ERROR = {
    "type": "object",
    "required": ["id", "status_code", "version", "detail"],
    "properties": {
        "id": {"type": "string", "format": "uuid", "description": "also in the log, and in X-Request-ID"},
        "status_code": {"type": "integer"},
        "version": {"type": "string", "description": "Label Studio's release, as far as its database tells"},
        "detail": {"type": "string"},
        "exc_info": {"type": "null"},
        "validation_errors": {"type": "object", "description": "field -> messages"},
    },
}
_VARIABLE = re.compile(r"<(?:(?P<kind>[a-z]+)(?:\([^)]*\))?:)?(?P<name>\w+)>")


@cache
def document() -> dict[str, Any]:
    """The whole document. The routes do not change while the process lives."""
    from . import resources

    shapes: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, dict[str, Any]] = {}
    found = resources()
    for module, resource in found.items():
        for route in resource.routes:
            for shape in _shapes(route):
                shapes.setdefault(shape.name, shape.schema())
            for method in route.methods:
                operation = _operation(module, resource, route, method)
                paths.setdefault(openapi_path(route.rules[0]), {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LS Console",
            "version": __version__,
            "description": "Label Studio's core task and annotation API, served by LS Console over the same database.",
        },
        "tags": [{"name": resource.title, "description": resource.about} for resource in found.values()],
        "security": [{"token": []}, {"bearer": []}, {"session": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(shapes.items())),
            "responses": {
                f"Error{status}": {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in ERRORS.items()
            },
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token <key>`"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "access token of POST /api/token/refresh/"},
                "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
            },
        },
    }  # fmt: skip


def openapi_path(rule: str) -> str:
    """`/api/tasks/<int:task_id>/` as `/api/tasks/{task_id}/`."""
    return _VARIABLE.sub(lambda found: "{" + found["name"] + "}", rule)


def _operation(module: str, resource: Resource, route: Route, method: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{module}_{route.view.__name__}" + (f"_{method.lower()}" if len(route.methods) > 1 else ""),
        "tags": [resource.title],
        "summary": route.summary,
        "responses": {
            **{str(status): {"$ref": f"#/components/responses/Error{status}"} for status in ERRORS},
            **{
                str(status): _response(body)
                for status, body in route.answers.items()
                if body is not None or status not in ERRORS
            },
        },
    }
    if route.about:
        operation["description"] = route.about
    parameters = [*_path_parameters(route.rules[0]), *_query_parameters(route.query)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None and method != "GET":
        schema = route.body.reference() if isinstance(route.body, Shape) else dict(route.body)
        operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in route.write_body_types}}
    if route.public:
        operation["security"] = []
    if route.deprecated:
        operation["deprecated"] = True
    return operation


def _response(body: Answer) -> dict[str, Any]:
    if body is None or body is NO_BODY:
        return {"description": "Done." if body is None else "Refused, without a body."}
    return {"description": "Done.", "content": {"application/json": {"schema": _schema(body)}}}


def _schema(body: Answer) -> Any:
    if isinstance(body, Shape):
        return body.reference()
    if isinstance(body, Many):
        return {"type": "array", "items": body.of.reference()}
    if isinstance(body, Paged):
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["count", "results"],
            "properties": {
                "count": {"type": "integer"}, "next": address, "previous": address,
                "results": {"type": "array", "items": body.of.reference()},
            },
        }  # fmt: skip
    return dict(body or {})


def _path_parameters(rule: str) -> Iterator[dict[str, Any]]:
    for found in _VARIABLE.finditer(rule):
        kind = {"type": "integer", "minimum": 1} if found["kind"] == "int" else {"type": "string"}
        yield {"name": found["name"], "in": "path", "required": True, "schema": kind}


def _query_parameters(query: Shape | None) -> Iterator[dict[str, Any]]:
    for name, field in query.fields.items() if query else ():
        schema = field.schema()
        about = schema.pop("description", "")
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": field.required, "schema": schema}
        yield parameter | {"description": about} if about else parameter


def _shapes(route: Route) -> Iterator[Shape]:
    bodies: list[Answer | Shape | Mapping[str, Any]] = [route.body, *route.answers.values()]
    for body in bodies:
        shape = body.of if isinstance(body, Many | Paged) else body
        if isinstance(shape, Shape):
            yield from shape.shapes()
