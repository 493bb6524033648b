"""Several ML backends of one project do not answer, and its pages wait for each of them.

Whenever somebody opens the project's model settings, or a page that lists its models, Label Studio asks every backend
of the project in turn whether it lives. One that refuses costs little; one that swallows the connection costs the
whole time-out, and the next is asked only after it. Several dead entries make the page take many seconds, and a
request process is busy for as long.

Remove entries of models that are gone, in the project's settings under Model or with
`DELETE /api/ml/ID` on Label Studio, and start those that should run. Stored predictions stay.

Reported are projects with at least `dead_backends` backends that were disconnected or in error when Label Studio asked
them last. The waiting time is the most it can be: one second to connect and one to answer, as releases come.

Source: `update_ml_backends_state` and the health check of Label Studio's ml app; ML_CONNECTION_TIMEOUT and
ML_TIMEOUT_HEALTH are 1 second by default.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import select

from ...amounts import counted
from ...deployment.models import Project
from ...masking import mask_text
from .. import Context, Finding, NotApplicable, Severity, check

BACKENDS = "ml_mlbackend"
#: Disconnected and error, in Label Studio's words.
DEAD = ("DI", "ER")
SECONDS_EACH = 2


@check(
    title="No project waits for dead ML backends",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="Settings and pages that list the project's models take seconds to open",
    cause="Label Studio asks each backend in turn, and waits for those that do not answer.",
)
def ml_state_poll(ctx: Context, dead_backends: int = 3) -> Iterator[Finding]:
    """One finding per project. Rows: the backends that did not answer, with their addresses."""
    if not ctx.schema.has_table(BACKENDS):
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} has no table {BACKENDS}")
    table = ctx.schema.table(BACKENDS)
    asked = (
        select(table.c.project_id, table.c.id, table.c.title, table.c.url, table.c.state, table.c.updated_at)
        .where(table.c.state.in_(DEAD)).order_by(table.c.project_id, table.c.id)
    )  # fmt: skip
    if ctx.scope.project_id is not None:
        asked = asked.where(table.c.project_id == ctx.scope.project_id)
    rows = [dict(row) | {"url": mask_text(str(row["url"]))} for row in ctx.read.execute(asked).mappings()]
    for project_id, found in groupby(rows, key=lambda row: row["project_id"]):
        backends = list(found)
        if len(backends) < dead_backends:
            continue
        yield Finding(
            subject=f"project:{project_id}",
            name=ctx.read.scalar(select(Project.title).where(Project.id == project_id)) or "",
            summary=f"{counted(len(backends), 'ML backend')} did not answer when Label Studio asked last: "
                    f"up to {len(backends) * SECONDS_EACH} s of waiting per visit",
            evidence=ctx.evidence(asked, backends),
        )  # fmt: skip
