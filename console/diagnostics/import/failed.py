"""An import or reimport in the background failed, and no later one of its project has succeeded.

The request that started it was answered with success, so the page shows no tasks and no reason. The reason stands in
the row: `error` in words, `traceback` in full. What had arrived by then stays.

What to do: the finding names the failure where it is known; correct the file and import again. If a part arrived
(`arrived`), remove those tasks first, or they come twice.

The open-source edition imports inside the request and answers with the reason itself; it keeps no such rows.

Source: `ProjectImport` and `ProjectReimport` of Label Studio's projects app, `async_import_background` of its
data_import app: what it writes to `error`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ...errors import NotApplicable
from .. import Context, Finding, Severity, check
from ..imported import arrived
from ..row_failures import of_import
from ..sync_failures import told
from ..waiting_rows import IMPORT, REIMPORT, RowKind
from ..waiting_rows import failed as failed_rows


@check(
    title="No import has failed",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="The tasks are not there, or a part of them, and the page gives no reason",
)
def failed(ctx: Context, within_days: float = 14) -> Iterator[Finding]:
    """One finding per project. Rows: what failed, id, since, the known failure, its text, files, tasks that arrived."""
    kinds = [kind for kind in (IMPORT, REIMPORT) if ctx.schema.has_table(kind.table)]
    if not kinds:
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} imports inside the request alone.")
    found: dict[int, list[dict[str, Any]]] = {}
    names: dict[int, str] = {}
    for kind in kinds:
        rows = failed_rows(ctx, kind, timedelta(days=within_days))
        counts = arrived(ctx, rows)
        for row in rows:
            found.setdefault(row["project"], []).append(_row(kind, row) | counts[row["id"]])
            names[row["project"]] = row["project_title"] or ""
    for project_id, evidence in sorted(found.items()):
        yield _finding(ctx, project_id, names[project_id], evidence)


def text_of(row: Mapping[str, Any]) -> str:
    """The text of a failed row: the message, before the traceback, which names it at its end."""
    return str(row.get("error") or row.get("traceback") or "")


def _row(kind: RowKind, row: Mapping[str, Any]) -> dict[str, Any]:
    text = text_of(row)
    known = of_import(text)
    if known.name == "other":
        known = of_import(row.get("traceback"))
    return {
        "what": kind.noun, "id": row["id"], "begun": row.get("created_at"), "failure": known.what, "told": told(text),
        "check": known.check, "advice": known.advice,
    }  # fmt: skip


def _finding(ctx: Context, project_id: int, name: str, rows: list[dict[str, Any]]) -> Finding:
    newest = max(rows, key=lambda row: (row["begun"] is not None, row["begun"]))
    more = f"; {len(rows) - 1:,} more failed" if len(rows) > 1 else ""
    advice = " ".join(part for part in (newest["advice"], f"See {newest['check']}." if newest["check"] else "") if part)
    return Finding(
        subject=f"project:{project_id}", name=name, cause=advice,
        summary=f"{newest['what'].capitalize()} {newest['id']} failed: {newest['failure']}{more}",
        evidence=ctx.evidence("projects_projectimport.error, projects_projectreimport.error", rows),
    )  # fmt: skip
