"""Local files are in use and Label Studio does not serve them.

LOCAL_FILES_SERVING_ENABLED is off unless somebody sets it. While it is, every address `/data/local-files/?d=…` answers
403 ("Serving local files can be dangerous"), and no storage of local files can be saved or synced. Often the
variable is set for one container and not for the other, under a name that another one shadows
(`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED` wins), or only in the shell that once started Label Studio.

What counts is Label Studio's own environment. With LSCONSOLE_LABEL_STUDIO_URL and a token Label Studio itself is asked;
else the console's environment is taken for it, as long as anything of local files is set there.

Source: `localfiles_data` and `validate_connection` in Label Studio's io_storages/localfiles, the switch in
core/settings/base.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import String, cast, func, select

from ...deployment.models import Task
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..scan import task_shards
from .asking import SERVING_IS_OFF, authorization, can_ask, get
from .disk import UNTOLD, is_serving_told, local_storages

HOW = "Set LOCAL_FILES_SERVING_ENABLED=true and LOCAL_FILES_DOCUMENT_ROOT for Label Studio and its workers, and restart both."


@check(
    title="Local files are served where they are in use",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="Tasks with local files show nothing (403), and their storages can be neither saved nor synced",
    cause="LOCAL_FILES_SERVING_ENABLED is off, as it is unless somebody sets it.",
)
def serving_off(ctx: Context) -> Iterator[Finding]:
    """One finding. Rows: the storages of local files and the projects whose tasks show them."""
    rows: list[dict[str, Any]] = [
        {"what": item.reference, "title": item.title, "project_id": item.get("project_id"), "path": item.get("path")}
        for item in local_storages(ctx)
    ]
    rows += [
        {"what": f"{number:,} tasks", "title": None, "project_id": project, "path": "/data/local-files/"}
        for project, number in sorted(_tasks(ctx).items())
    ]
    if not rows:
        raise NotApplicable("No storage and no task here uses local files.")
    told, source = _is_on(ctx)
    if told:
        return
    yield Finding(
        subject="deployment:local-files", name="Local files",
        summary=f"Local files are not served, and {len(rows):,} storages and projects use them. {HOW}",
        evidence=ctx.evidence(source, rows),
    )  # fmt: skip


def _is_on(ctx: Context) -> tuple[bool, str]:
    if can_ask(ctx):
        reply = get(ctx, "/data/local-files/?d=lsconsole-asks-whether-this-is-served", authorization(ctx))
        if reply.status in {403, 404}:
            return SERVING_IS_OFF not in reply.body, f"GET /data/local-files/ of Label Studio answers {reply.status}"
    if not is_serving_told(ctx):
        raise Unknown(UNTOLD)
    return ctx.settings.local_files_serving, "LOCAL_FILES_SERVING_ENABLED in the environment of the console"


def _tasks(ctx: Context) -> dict[int, int]:
    """Tasks by project that name an address of local files."""
    counted: dict[int, int] = {}
    for shard in task_shards(ctx):
        statement = (
            select(Task.project_id, func.count().label("number"))
            .where(shard.tasks(), Task.project_id.is_not(None), cast(Task.data, String).like("%/data/local-files%"))
            .group_by(Task.project_id)
        )
        with ctx.transaction() as session:
            for row in session.execute(statement):
                counted[row.project_id] = counted.get(row.project_id, 0) + row.number
    return counted
