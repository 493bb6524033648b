"""perf.stale_predictions: versions of a model that nobody is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.diagnostics.change import InsertRow
from console.diagnostics.change import apply as write_changes
from console.diagnostics.check import Context, Scope, Severity
from console.diagnostics.perf import stale_predictions as module
from console.diagnostics.perf.stale_predictions import stale_predictions
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, make_prediction, make_project, make_row, make_task


@pytest.fixture
def sensitive(ctx: Context) -> Context:
    ctx.deployment.settings = replace(ctx.settings, thresholds={"perf.stale_predictions.hidden_over": 100})
    return ctx


def make_predictions(session: Session, project_id: int, version: str, number: int) -> None:
    task = make_task(session, project_id=project_id)
    first = make_prediction(session, task=task, model_version=version)
    row = {name: value for name, value in vars(first).items() if name != "id"}
    write_changes(session, session.info["schema"], [InsertRow("prediction", row, unless={}) for _ in range(number - 1)])
    session.commit()


@BOTH_ENGINES
def test_versions_that_are_not_shown(sensitive: Context, session: Session) -> None:
    assert stale_predictions.run(sensitive) == []
    project = make_project(session, title="Detector", model_version="v9")
    make_predictions(session, project.id, "v9", 30)
    make_predictions(session, project.id, "v8", 80)
    make_predictions(session, project.id, "v7", 40)
    [finding] = stale_predictions.run(sensitive)
    assert (finding.subject, finding.name, finding.severity) == (f"project:{project.id}", "Detector", Severity.INFO)
    assert finding.fixes == ()
    assert finding.summary.startswith("120 predictions of 2 model versions are stored and not shown")
    rows = {row["model_version"]: row for row in finding.evidence}
    assert {name: (row["predictions"], row["shown"]) for name, row in rows.items()} == {
        "v9": (30, True), "v8": (80, False), "v7": (40, False),
    }  # fmt: skip
    if sensitive.schema.dialect == "postgresql":
        assert rows["v8"]["bytes"] > 80 * 50
        assert finding.summary.endswith("kB")
    else:
        assert rows["v8"]["bytes"] is None
    sensitive.close()
    sensitive.scope = Scope(project_id=1)
    assert stale_predictions.run(sensitive) == []


@BOTH_ENGINES
def test_without_a_choice_and_with_a_backend_all_may_be_shown(sensitive: Context, session: Session) -> None:
    everything = make_project(session, model_version="")
    make_predictions(session, everything.id, "v1", 120)
    by_backend = make_project(session, model_version="Detector")
    make_row(session, "ml_mlbackend", state="CO", url="http://10.0.0.1", title="Detector", project_id=by_backend.id,
             model_version="v2", is_interactive=False, timeout=100.0, auto_update=True, auth_method="NONE")  # fmt: skip
    make_predictions(session, by_backend.id, "v2", 150)
    nothing_shown = make_project(session, model_version="v5")
    make_predictions(session, nothing_shown.id, "v4", 150)
    assert stale_predictions.run(sensitive) == []


def test_one_old_version_in_a_big_project_is_no_finding(sensitive: Context, session: Session) -> None:
    limits = {"perf.stale_predictions.hidden_over": 10}
    sensitive.deployment.settings = replace(sensitive.settings, thresholds=limits)
    project = make_project(session, model_version="v9")
    for _ in range(12):
        task = make_task(session, project=project)
        make_prediction(session, task=task, model_version="v9")
        make_prediction(session, task=task, model_version="v8")
    assert stale_predictions.run(sensitive) == []


@ON_POSTGRESQL
def test_a_large_table_is_sampled(sensitive: Context, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(session, model_version="v9")
    make_predictions(session, project.id, "v9", 600)
    make_predictions(session, project.id, "v8", 3000)
    session.execute(text("analyze prediction"))
    session.commit()
    monkeypatch.setattr(module, "READ_WHOLE", 1800)
    [finding] = stale_predictions.run(sensitive)
    assert finding.summary.startswith("about ")
    hidden = next(row for row in finding.evidence if row["model_version"] == "v8")
    assert 1000 < hidden["predictions"] < 6000


@pytest.mark.parametrize(("engine", "version"), [("postgresql", "1.8.2.post1")])
def test_an_older_release(sensitive: Context, session: Session) -> None:
    project = make_project(session, model_version="v9")
    make_predictions(session, project.id, "v9", 30)
    make_predictions(session, project.id, "v8", 120)
    assert [finding.subject for finding in stale_predictions.run(sensitive)] == [f"project:{project.id}"]
