"""perf.ml_state_poll: dead backends that the project's pages wait for."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from console.diagnostics.perf.ml_state_poll import ml_state_poll
from tests.factories import BOTH_ENGINES, change_row, make_project, make_row


def make_backend(session: Session, project_id: int, state: str, url: str = "http://10.0.0.1:9090") -> int:
    now = datetime.now(UTC)
    return make_row(
        session, "ml_mlbackend", state=state, url=url, title="Model", project_id=project_id, created_at=now, updated_at=now,
        is_interactive=False, timeout=100.0, auto_update=True, auth_method="NONE",
    ).id  # fmt: skip


@BOTH_ENGINES
def test_one_dead_backend_is_no_finding(ctx: Context, session: Session) -> None:
    assert ml_state_poll.run(ctx) == []  # the dumps have one
    project = make_project(session)
    for state in ("CO", "DI", "ER", "TR"):
        make_backend(session, project.id, state)
    assert ml_state_poll.run(ctx) == []


@BOTH_ENGINES
def test_three_dead_backends(ctx: Context, session: Session) -> None:
    project = make_project(session, title="Models")
    dead = [
        make_backend(session, project.id, state, url="http://user:hidden-word@10.0.0.1:9090")
        for state in ("DI", "ER", "DI")
    ]
    [finding] = ml_state_poll.run(ctx)
    assert (finding.subject, finding.name) == (f"project:{project.id}", "Models")
    assert (
        finding.summary == "3 ML backends did not answer when Label Studio asked last: up to 6 s of waiting per visit"
    )
    assert [row["id"] for row in finding.evidence] == dead
    assert "hidden-word" not in str(finding)
    ctx.scope = Scope(project_id=1)
    ctx.close()
    assert ml_state_poll.run(ctx) == []
    ctx.scope = Scope()
    change_row(session, "ml_mlbackend", dead[0], state="CO")
    assert ml_state_poll.run(ctx) == []
