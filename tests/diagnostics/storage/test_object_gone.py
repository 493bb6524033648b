"""storage.object_gone: tasks whose objects are not there any more."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.object_gone import object_gone
from tests.diagnostics.storage.sources import make_links
from tests.factories import BOTH_ENGINES


def linked(session: Session, story, there: int, gone: int):
    storage = story({f"{number}.jpg": b"x" for number in range(there)})
    make_links(session, storage, [f"{number}.jpg" for number in range(there + gone)])
    return storage


@BOTH_ENGINES
def test_gone_objects_are_listed_with_their_tasks(ctx: Context, session: Session, story) -> None:
    storage = linked(session, story, there=3, gone=2)
    [finding] = object_gone.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary.startswith("The objects of 2 tasks are gone from") and finding.summary.endswith("of 5")
    assert [row["key"] for row in finding.evidence] == ["3.jpg", "4.jpg"]
    assert all(row["task_id"] for row in finding.evidence)


def test_all_there_is_healthy(ctx: Context, session: Session, story) -> None:
    linked(session, story, there=4, gone=0)
    assert list(object_gone.answers(ctx)) == []


def test_a_sample_is_spread_and_a_deep_run_asks_for_more(ctx: Context, session: Session, story) -> None:
    linked(session, story, there=0, gone=70)
    [finding] = object_gone.run(ctx)
    assert "of 30 asked for, out of 70" in finding.summary or "of 35 asked for, out of 70" in finding.summary
    assert "More than half is gone" in finding.cause
    ctx.deep = True
    ctx.probes._answers.clear()
    [deep] = object_gone.run(ctx)
    assert deep.evidence.total == 70


def test_a_bucket_that_may_not_be_read_is_undecided(ctx: Context, session: Session, story) -> None:
    linked(session, story, there=1, gone=0).fake.faults["HEAD"] = "deny"
    [answer] = list(object_gone.answers(ctx))
    assert isinstance(answer, Unknown)
