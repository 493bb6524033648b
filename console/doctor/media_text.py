"""The story of a file as plain text: for a terminal, and for a ticket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MARKS = {"ok": "ok", "failed": "FAILED", "unknown": "unknown", "info": "note"}


def summary(document: Mapping[str, Any]) -> str:
    """One paragraph: what was asked, and why it does not show."""
    why = document["why"]
    about = f"{document['asked']}: {why['message']}"
    more = f" Go on with the runbook {why['runbook']}." if why["runbook"] else ""
    return f"{about}{more}"


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The whole story, a line for each step."""
    yield summary(document)
    yield from _steps(document["steps"])
    for file in document["files"]:
        yield ""
        yield f"{file['field']}: {file['link']}" if file["field"] else file["link"]
        yield from _steps(file["steps"])


def _steps(steps: list[Mapping[str, Any]]) -> Iterator[str]:
    for step in steps:
        yield f"  {MARKS[step['state']]:8}{step['title']}. {step['message']}"
        for name, value in step["detail"].items():
            yield f"          {name}: {value}"
