"""The API's own description, for programs."""

from __future__ import annotations

from typing import Any

from .openapi import document
from .routes import Resource, answer

api = Resource("Documentation", "What this API is, for programs; people read the page /docs/api.")


@api.get("/api/schema/", public=True, answers={200: {"type": "object"}})
def schema() -> Any:
    """This document: OpenAPI 3.1."""
    return answer(document())
