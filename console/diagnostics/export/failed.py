"""A snapshot or its conversion failed, and no later one has succeeded.

The page shows "failed" without a reason. For a conversion the traceback stands in its row. For a snapshot Label Studio
catches the exception and writes it into the log of the server or worker alone; only when the job itself was ended (its
time limit of three hours, a process killed for its memory) does rq keep a text, and that is shown here.

What to do: the finding names the failure where it is known. Without a text look into the log of the time that is told:
`kubectl logs WORKER | grep -A 30 "Export was failed"`. Disk, memory and rights are the common reasons.

A failure that a later snapshot (conversion to the same format) of the project made good is not reported.

Source: `export_to_file` and `set_export_background_failure` of Label Studio's data_export app,
`ConvertedFormat.traceback`; rq's failed registries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ...errors import NotApplicable, Unknown
from .. import Context, Finding, Severity, check
from ..lost_jobs import Judge
from ..row_failures import of_export
from ..sync_failures import told
from ..waiting_rows import CONVERSION, SNAPSHOT, RowKind
from ..waiting_rows import failed as failed_rows


@check(
    title="No export has failed",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="There is nothing to download, and the page gives no reason",
)
def failed(ctx: Context, within_days: float = 14) -> Iterator[Finding]:
    """One finding per project. Rows: what failed, id, since, format, the known failure, its last line, what to do."""
    kinds = [kind for kind in (SNAPSHOT, CONVERSION) if ctx.schema.has_table(kind.table)]
    if not kinds:
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} keeps no snapshots.")
    judge = Judge(ctx)
    found: dict[int, list[dict[str, Any]]] = {}
    names: dict[int, str] = {}
    for kind in kinds:
        for row in failed_rows(ctx, kind, timedelta(days=within_days)):
            found.setdefault(row["project"], []).append(_row(kind, row, text_of(judge, kind, row)))
            names[row["project"]] = row["project_title"] or ""
    for project_id, rows in sorted(found.items()):
        yield _finding(ctx, project_id, names[project_id], rows)


def text_of(judge: Judge, kind: RowKind, row: Mapping[str, Any]) -> str:
    """The text there is about a failed row: its own, else that of its job; empty when there is none to be had."""
    own = next((str(row[name]) for name in kind.failure if row.get(name)), "")
    try:
        return own or judge.failure(kind.about, row["id"])
    except Unknown:  # Redis does not answer: the row has failed all the same
        return ""


def _row(kind: RowKind, row: Mapping[str, Any], text: str) -> dict[str, Any]:
    known = of_export(text)
    return {
        "what": kind.noun, "id": row["id"], "begun": row.get("created_at"), "format": row.get("export_type") or "JSON",
        "failure": known.what if text else "no reason is kept: look into the log of the server or worker",
        "told": told(text), "check": known.check if text else "", "advice": known.advice if text else "",
    }  # fmt: skip


def _finding(ctx: Context, project_id: int, name: str, rows: list[dict[str, Any]]) -> Finding:
    newest = max(rows, key=lambda row: (row["begun"] is not None, row["begun"]))
    one = f"{newest['what'].capitalize()} {newest['id']} failed"
    more = f"; {len(rows) - 1:,} more failed before" if len(rows) > 1 else ""
    advice = " ".join(part for part in (newest["advice"], f"See {newest['check']}." if newest["check"] else "") if part)
    return Finding(
        subject=f"project:{project_id}", name=name, summary=f"{one}: {newest['failure']}{more}", cause=advice,
        evidence=ctx.evidence("data_export_export, data_export_convertedformat; rq:failed of their jobs", rows),
    )  # fmt: skip
