"""The steps of one file's story, from a link to what a browser makes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..masking import mask, mask_text

State = Literal["ok", "failed", "unknown", "info"]

#: Check -> runbook that goes on from it.
RUNBOOKS = {
    "storage.cors_missing": "cors-error-in-a-task", "storage.cors_head_range": "cors-error-in-a-task",
    "storage.cors_cached_without_origin": "cors-error-in-a-task", "storage.mixed_content": "cors-error-in-a-task",
    "storage.endpoint_internal_presign": "cors-error-in-a-task", "storage.content_type": "cors-error-in-a-task",
    "storage.presign_403": "media-403", "storage.sts_expired": "media-403", "storage.archived_class": "media-403",
    "storage.presigned_in_data": "media-403", "storage.s3_region": "media-403", "storage.list_not_get": "media-403",
    "storage.uri_unresolvable": "media-404", "storage.object_gone": "media-404", "storage.url_double_encoded": "media-404",
    "local.serving_off": "local-files-not-served", "local.no_covering_storage": "local-files-not-served",
    "local.outside_root": "local-files-not-served", "local.permission": "local-files-not-served",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing looked at. `title` is the healthy condition, `message` what was seen, `detail` small facts, masked.

    `check` is the code of the check that looks at the same thing for all files, empty where there is none.
    """

    title: str
    state: State
    message: str
    detail: Mapping[str, str] = field(default_factory=dict)
    check: str = ""
    seconds: float = 0.0


class Story:
    """Collects steps. `left` is the time that is left for requests; what comes after is unknown."""

    def __init__(self, seconds: float) -> None:
        self.steps: list[Step] = []
        self._end = time.monotonic() + seconds
        self._since = time.monotonic()

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def add(self, state: State, title: str, message: str, *, check: str = "", **detail: Any) -> Step:
        """Note a step; it took the time since the last one."""
        now = time.monotonic()
        facts = {
            name.replace("_", " "): str(mask(value))[:500] for name, value in detail.items() if value not in (None, "")
        }
        step = Step(title, state, mask_text(message)[:1000], facts, check, round(now - self._since, 3))
        self._since = now
        self.steps.append(step)
        return step

    def why(self) -> dict[str, str]:
        """The first cause in words: what failed first, or what could not be told, or that all is well."""
        for state in ("failed", "unknown"):
            for step in self.steps:
                if step.state == state:
                    return cause(step.state, step.message, title=step.title, check=step.check)
        return cause("ok", "Nothing was found that keeps a browser from showing this file.")

    def document(self) -> list[dict[str, Any]]:
        return [asdict(step) for step in self.steps]


def cause(state: State, message: str, *, title: str = "", check: str = "") -> dict[str, str]:
    """The answer of a look: `headline` is the message's first sentence, `more` what comes after it."""
    headline, stop, more = message.partition(". ")
    return {"state": state, "message": message, "headline": headline.removesuffix(".") if not stop else headline, "more": more,
            "title": title, "check": check, "runbook": RUNBOOKS.get(check, "")}  # fmt: skip
