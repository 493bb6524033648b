"""Wrong rows of tasks, read shard by shard, as one finding per project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Select, select

from ...deployment.models import Project
from .. import Context, Evidence, Finding
from ..check import sql_text
from ..scan import Shard, task_shards


def findings_per_project(ctx: Context, wrong: Callable[[Shard], Select[Any]], stored: str) -> Iterator[Finding]:
    """`wrong(shard)` selects tasks of one shard, `id` and `project_id` among the columns; `stored` names what they
    wrongly hold.

    Rows over the evidence limit are counted and not kept, so memory stays bounded however many are wrong.
    """
    kept: dict[int, list[dict[str, Any]]] = {}
    totals: dict[int, int] = {}
    for shard in task_shards(ctx):
        with ctx.transaction() as session:
            for row in session.execute(wrong(shard).execution_options(yield_per=5000)).mappings():
                project_id = row["project_id"]
                totals[project_id] = totals.get(project_id, 0) + 1
                rows = kept.setdefault(project_id, [])
                if len(rows) < ctx.evidence_limit:
                    rows.append({name: row[name] for name in row if name != "project_id"})
    titles = _titles(ctx, list(kept)) if kept else {}
    for project_id, rows in sorted(kept.items()):
        total = totals[project_id]
        where = Shard(rows[0]["id"], rows[-1]["id"] + 1, project_id)
        yield Finding(
            subject=f"project:{project_id}", name=titles.get(project_id, ""),
            summary=f"{total:,} {'task stores' if total == 1 else 'tasks store'} {stored}",
            evidence=Evidence(sql_text(wrong(where)), tuple(rows[0]), rows, total),
        )  # fmt: skip


def _titles(ctx: Context, wanted: list[int]) -> dict[int, str]:
    with ctx.transaction() as session:
        rows = session.execute(select(Project.id, Project.title).where(Project.id.in_(wanted)))
        return {row.id: row.title or "" for row in rows}
