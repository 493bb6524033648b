"""How an API module declares its routes: path, methods, who may, and what OpenAPI has to say about them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response

from ..labeling.db import LARGEST_ID
from .encoding import encoded
from .fields import Many, Paged, Shape

#: A path variable that holds an id; what is no id finds no route.
ID = f"int(max={LARGEST_ID})"
Answer = Shape | Many | Paged | Mapping[str, Any] | None
#: In `answers`: a refusal without a body, where others send one.
NO_BODY: Mapping[str, Any] = {"description": "no body"}


@dataclass(frozen=True)
class Route:
    """One documented route. `answers` maps a status to its body; None is an empty body."""

    view: Callable[..., Any]
    rules: tuple[str, ...]
    methods: tuple[str, ...]
    public: bool
    query: Shape | None
    body: Shape | Mapping[str, Any] | None
    answers: Mapping[int, Answer]
    deprecated: bool
    write_body_types: tuple[str, ...]

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.view) or "").split("\n", 1)[0].rstrip(".")

    @property
    def about(self) -> str:
        return (inspect.getdoc(self.view) or "").partition("\n")[2].strip()


@dataclass
class Resource:
    """The routes of one module, under one heading of the documentation."""

    title: str
    about: str = ""
    routes: list[Route] = field(default_factory=list)

    def route(
        self, *rules: str, methods: Sequence[str] = ("GET",), public: bool = False, query: Shape | None = None,
        body: Shape | Mapping[str, Any] | None = None, answers: Mapping[int, Answer] | None = None, deprecated: bool = False,
        body_types: Sequence[str] = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded"),
    ) -> Callable[[Any], Any]:  # fmt: skip
        """Declare a view. The first rule is the documented one; `<ID:name>` stands for an id in the path."""

        def declare(view: Any) -> Any:
            found = answers if answers is not None else {200: {}}
            expanded = tuple(rule.replace("<ID:", f"<{ID}:") for rule in rules)
            self.routes.append(
                Route(view, expanded, tuple(methods), public, query, body, found, deprecated, tuple(body_types))
            )
            return view

        return declare

    def get(self, *rules: str, **options: Any) -> Callable[[Any], Any]:
        return self.route(*rules, methods=("GET",), **options)

    def post(self, *rules: str, **options: Any) -> Callable[[Any], Any]:
        return self.route(*rules, methods=("POST",), **options)

    def patch(self, *rules: str, **options: Any) -> Callable[[Any], Any]:
        return self.route(*rules, methods=("PATCH",), **options)

    def put(self, *rules: str, **options: Any) -> Callable[[Any], Any]:
        return self.route(*rules, methods=("PUT",), **options)

    def delete(self, *rules: str, **options: Any) -> Callable[[Any], Any]:
        return self.route(*rules, methods=("DELETE",), **options)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; see `encoded`."""
    return Response(encoded(value), status=status, mimetype="application/json", headers=dict(headers or {}))


def nothing(status: int = 204) -> Response:
    """An answer without a body, so without the type of one."""
    response = Response(status=status)
    response.headers.pop("Content-Type", None)
    return response
