"""A sync ended, and left tasks out because they were not valid.

Every task of a JSON file is checked as it is made. One whose predictions (and, by setting, annotations) do not fit the
labeling configuration is left out, the sync goes on, and the storage says `completed_with_errors`. The page looks
almost like success, and the tasks are missing. Older releases stop at the first of them instead.

The rows name the objects and what was wrong. Correct the files or the labeling configuration, then sync again: the
objects that were left out have no link, so they are read anew.

Source: `_scan_and_create_links` and `info_set_completed_with_errors` in Label Studio's io_storages app.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...masking import mask_text
from .. import Context, Finding, Severity, check
from ..sync_state import number, with_status

_LINE = re.compile(r"Validation error for task from (?P<key>.+?): (?P<reason>.*)", re.DOTALL)
LONGEST_REASON = 500


@check(
    title="No sync left tasks out as invalid",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="The sync counts as completed, and these tasks are missing from the project",
    cause="Predictions or annotations in these files do not fit the project's labeling configuration.",
)
def completed_with_errors(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Rows: object and what was wrong with its task."""
    for item in with_status(ctx, targets=False):
        failed = int(number(item, "tasks_failed_validation") or 0)
        if item.get("status") != "completed_with_errors" and not (item.get("status") == "completed" and failed):
            continue
        rows = _rows(str(item.get("traceback") or ""))
        missing = max(failed, len(rows))
        objects = len({row["key"] for row in rows if row["key"]})
        among = f" from {objects:,} {'object' if objects == 1 else 'objects'}" if objects else ""
        left_out = f"{missing:,} {'task was' if missing == 1 else 'tasks were'} left out as invalid{among}"
        yield Finding(
            subject=item.subject, name=item.title,
            summary=left_out if missing else "The sync ended with errors, and which is not written down",
            evidence=ctx.evidence(f"{item.kind.table_name}.traceback", rows or [{"key": None, "reason": ""}]),
        )  # fmt: skip


def _rows(text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for line in filter(str.strip, re.split(r"\n(?=Validation error for task from )", text)):
        found = _LINE.match(line)
        key, reason = (found["key"], found["reason"]) if found else (None, line)
        rows.append({"key": key, "reason": mask_text(reason.strip())[:LONGEST_REASON]})
    return rows
