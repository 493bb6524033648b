"""The newest snapshot holds fewer tasks than the project had when it was made.

That is mostly meant: a snapshot may be narrowed to a tab of the Data Manager, to annotated or to finished tasks, and the
export button leaves out tasks without annotations unless "include all tasks" is ticked (`download_all_tasks=true`). But
who reads the file may not know. So this is only told when somebody asks about one project.

Compared is the number of tasks that the snapshot counted with the tasks of the project that were there by then. Tasks
deleted since make the difference smaller, never larger.

What to do: make the snapshot without a filter, or look at the tab that it was made from.

Source: `counters.task_number` of `Export` and `_get_filtered_tasks` in Label Studio's data_export app.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from ...deployment.models import Task
from ...errors import NotApplicable
from .. import Context, Finding, Severity, check
from ..sync_state import as_document
from ..waiting_rows import SNAPSHOT, need, rows


@check(
    title="The newest snapshot of the project holds all of its tasks",
    severity=Severity.INFO,
    scopes=["project"],
    impact="Whoever reads the file takes a part for the whole",
    cause="It was made with a filter: a tab, annotated tasks or finished tasks alone.",
)
def truncated_filter(ctx: Context) -> Iterator[Finding]:
    """One finding. Row: snapshot, tasks in it, tasks the project had by then, when it was made."""
    table = need(ctx, SNAPSHOT)
    if ctx.scope.project_id is None:
        raise NotApplicable("Leaving tasks out is mostly meant: ask about one project.")
    newest = rows(ctx, SNAPSHOT, table.c.status == "completed", limit=1)
    if not newest:
        raise NotApplicable("This project has no finished snapshot.")
    [row] = newest
    held = as_document(row.get("counters")).get("task_number")
    if not isinstance(held, int) or isinstance(held, bool):
        raise NotApplicable(f"Snapshot {row['id']} does not say how many tasks it holds.")
    with ctx.transaction() as session:
        statement = select(func.count()).select_from(Task).where(
            Task.project_id == ctx.scope.project_id, Task.created_at < row["created_at"]
        )  # fmt: skip
        there = session.scalar(statement) or 0
    if held < there:
        shown = {"snapshot": row["id"], "holds": held, "there_were": there, "made": row["created_at"]}
        yield Finding(
            subject=f"project:{ctx.scope.project_id}", name=row["project_title"] or "",
            summary=f"Snapshot {row['id']} holds {held:,} of the {there:,} tasks that were there",
            evidence=ctx.evidence("data_export_export.counters; tasks made before it", [shown]),
        )  # fmt: skip
