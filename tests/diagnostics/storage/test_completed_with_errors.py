"""storage.completed_with_errors: the objects that were left out, and why."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics.check import Context
from console.diagnostics.storage.completed_with_errors import completed_with_errors
from tests.diagnostics.storage.sources import make_state, narrowed
from tests.factories import BOTH_ENGINES

TEXT = (
    "Validation error for task from reviews/1.json: [{'result': [ErrorDetail(string='label X\nis not in the config')]}]\n"
    "Validation error for task from reviews/a: b.json: [{'score': ['no number']}]"
)


@BOTH_ENGINES
def test_objects_and_reasons(ctx: Context, session: Session) -> None:
    meta = {"tasks_failed_validation": 2}
    storage = narrowed(ctx, make_state(session, "completed_with_errors", traceback=TEXT, meta=meta))
    [finding] = completed_with_errors.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "2 tasks were left out as invalid from 2 objects"
    assert [row["key"] for row in finding.evidence] == ["reviews/1.json", "reviews/a"]
    assert finding.evidence.rows[0]["reason"].endswith("is not in the config')]}]")


def test_numbers_without_a_text(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "completed_with_errors", meta={"tasks_failed_validation": 7}))
    [finding] = completed_with_errors.run(ctx)
    assert finding.summary == "7 tasks were left out as invalid"
    narrowed(ctx, make_state(session, "completed_with_errors", meta={"tasks_failed_validation": "x"}))
    [finding] = completed_with_errors.run(ctx)
    assert "not written down" in finding.summary


def test_completed_is_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "completed", traceback=TEXT))
    assert list(completed_with_errors.answers(ctx)) == []
