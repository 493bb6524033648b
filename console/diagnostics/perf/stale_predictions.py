"""Predictions of model versions that nobody is shown fill the database.

Every run of a model and every import of pre-annotations adds predictions; the old ones stay. People are shown those of
the version chosen in the project's settings, yet all of them are stored, counted per task, exported where predictions
are asked for, and read by filters on predictions. Ten versions of a detector are easily larger than all annotations.

Delete a version through Label Studio, which also keeps counters right and lets go of annotations that began as one of
these predictions (they stay as they are):

    curl -X DELETE -H "Authorization: Token TOKEN" -H "Content-Type: application/json" \\
         -d '{"model_version": "VERSION"}' LABEL_STUDIO/api/projects/PROJECT/model-versions/

Newer releases have the same in the project's settings under Predictions. The console does not delete them itself: rows
of other tables hang on a prediction, of which some exist in Enterprise alone. The room is used again by new rows after a
vacuum; the files shrink only by VACUUM FULL in a window.

Reported are projects that show one version and hold at least `hidden_over` predictions of others, if that is over
`per_task_over` predictions per task on average. Sizes are what the results take on disk, compressed, read from a sample
where the table is large; SQLite does not tell them.

Source: `ProjectModelVersions` and `delete_predictions` of Label Studio's projects app, `get_model_versions` and the choice
of `model_version` shown to annotators.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, literal, literal_column, select, text

from ...amounts import bytes_text, counted
from ...deployment.models import Prediction, Project, Task
from .. import Context, Finding, Severity, check

#: Predictions that are read whole; of more only a sample of about as many.
READ_WHOLE = 1_000_000
BACKENDS = "ml_mlbackend"
#: The same rows are drawn each time, so that a finding does not come and go.
SAME_SAMPLE = 7


@check(
    title="Predictions nobody is shown are not kept by the hundred thousand",
    severity=Severity.INFO,
    scopes=["project"],
    impact="The database, its backups and filters on predictions grow for nothing",
    cause="Predictions of older model versions stay when a new one is chosen.",
)
def stale_predictions(ctx: Context, hidden_over: int = 50_000, per_task_over: float = 2.0) -> Iterator[Finding]:
    """One finding per project. Rows: model version, predictions, whether it is shown, bytes on disk."""
    ctx.schema.need(Prediction.model_version)
    versions, sampled = _versions(ctx)
    for project_id, rows in sorted(versions.items()):
        project = ctx.read.execute(
            select(Project.title, Project.model_version).where(Project.id == project_id)
        ).one_or_none()
        if project is None or not project.model_version:
            continue  # without a choice every version is shown
        shown = _shown(ctx, project_id, project.model_version)
        for row in rows:
            row["shown"] = row["model_version"] in shown
        hidden = [row for row in rows if not row["shown"]]
        number = sum(row["predictions"] for row in hidden)
        if number < hidden_over or not any(row["shown"] for row in rows):
            continue
        tasks = ctx.read.scalar(select(func.count()).select_from(Task).where(Task.project_id == project_id)) or 1
        if sum(row["predictions"] for row in rows) <= per_task_over * tasks:
            continue
        size = sum(row["bytes"] or 0 for row in hidden)
        about = "about " if sampled else ""
        yield Finding(
            subject=f"project:{project_id}", name=project.title or "",
            summary=f"{about}{number:,} predictions of {counted(len(hidden), 'model version')} are stored and not shown"
                    + (f", {about}{bytes_text(size)}" if size else ""),
            evidence=ctx.evidence("prediction, grouped by model_version" + (" in a sample" if sampled else ""), rows),
        )  # fmt: skip


def _versions(ctx: Context) -> tuple[dict[int, list[dict[str, Any]]], bool]:
    """Predictions and their bytes per project and model version, the most first; and whether they are of a sample."""
    postgresql = ctx.schema.dialect == "postgresql"
    share = _share(ctx) if postgresql else 1.0
    source: Any = Prediction.__table__
    if share < 1.0:
        source = source.tablesample(func.system(share * 100), seed=literal(SAME_SAMPLE))
    size: Any = func.sum(func.pg_column_size(source.c.result)) if postgresql else literal_column("null")
    if ctx.schema.has(Prediction.project_id):
        project: Any = source.c.project_id
        asked = select(project, source.c.model_version, func.count().label("number"), size.label("size"))
    else:
        project = Task.project_id
        asked = select(project, source.c.model_version, func.count().label("number"), size.label("size")).join_from(
            source, Task.__table__, Task.id == source.c.task_id
        )
    if ctx.scope.project_id is not None:
        asked = asked.where(project == ctx.scope.project_id)
    asked = (
        asked.where(project.is_not(None))
        .group_by(project, source.c.model_version)
        .order_by(project, func.count().desc())
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for project_id, version, number, bytes_ in ctx.read.execute(asked):
        found.setdefault(project_id, []).append({
            "model_version": version, "predictions": round(number / share), "shown": False,
            "bytes": None if bytes_ is None else round(int(bytes_) / share),
        })  # fmt: skip
    return found, share < 1.0


def _share(ctx: Context) -> float:
    """The part of the table that is read: all of it up to READ_WHOLE rows."""
    rows = ctx.read.scalar(text("select reltuples from pg_class where oid = to_regclass('prediction')")) or 0
    return min(1.0, READ_WHOLE / rows) if rows > 0 else 1.0


def _shown(ctx: Context, project_id: int, chosen: str) -> set[str]:
    """Versions that are shown: the one chosen, or the version of the ML backend of that title."""
    shown = {chosen}
    if ctx.schema.has_table(BACKENDS):
        table = ctx.schema.table(BACKENDS)
        asked = select(table.c.model_version).where(table.c.project_id == project_id, table.c.title == chosen)
        shown |= {version for version in ctx.read.execute(asked).scalars() if version}
    return shown
