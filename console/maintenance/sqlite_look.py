"""Looking through a SQLite file as a job: is it sound, and does every row point at one that is there. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..deployment import Deployment
from . import sqlite
from .progress import Progress
from .sqlite import Soundness

#: A file of some gigabytes takes minutes; nothing is held up meanwhile.
LONGEST_SECONDS = 3600.0
SHOWN = 10


def run(
    deployment: Deployment, arguments: dict[str, Any], *, progress: Progress, stopped: Callable[[], bool]
) -> dict[str, Any]:
    """`{"steps": [{name, state, message, seconds}]}`, states as the pages know them. Raises NotApplicable on PostgreSQL."""
    full = bool(arguments.get("full"))
    progress(0, 2, "reading the pages" + (" and comparing the indexes" if full else ""))
    pages = sqlite.integrity(deployment, quick=not full, seconds=LONGEST_SECONDS, stopped=stopped)
    progress(1, 2, "looking for rows that point nowhere")
    keys = sqlite.foreign_keys(deployment, seconds=LONGEST_SECONDS, stopped=stopped)
    progress(2, 2, "done")
    name = "Pages, rows and indexes" if full else "Pages and rows"
    return {"steps": [_step(name, pages), _step("Foreign keys", keys)]}


def _step(name: str, seen: Soundness) -> dict[str, Any]:
    if seen.problems:
        told = "; ".join(seen.problems[:SHOWN])
        more = f"; {seen.total - SHOWN:,} more" if seen.total > SHOWN else ""
        state, message = "error", f"{seen.total:,} found: {told}{more}"
    elif seen.complete:
        state, message = "pass", "sound"
    else:
        state, message = "unknown", "stopped before the end; nothing was found until then"
    return {"name": name, "state": state, "message": message, "seconds": round(seen.seconds, 3)}
