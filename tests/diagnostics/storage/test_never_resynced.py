"""storage.never_resynced: files that came in after the last sync."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.never_resynced import never_resynced
from tests.diagnostics.storage.sources import make_links
from tests.factories import BOTH_ENGINES
from tests.s3_server import Stored


def at(hours_ago: float) -> Stored:
    return Stored(b"x", modified=(datetime.now(UTC) - timedelta(hours=hours_ago)).timestamp())


def synced(hours_ago: float = 100) -> dict:
    return {"last_sync": datetime.now(UTC) - timedelta(hours=hours_ago), "status": "completed"}


@BOTH_ENGINES
def test_new_files_are_counted(ctx: Context, session: Session, story) -> None:
    storage = story({"old.jpg": at(200), "new.jpg": at(50), "linked.jpg": at(40), "new.txt": at(60)},
                    regex_filter=r".*\.jpg$", **synced())  # fmt: skip
    make_links(session, storage, ["old.jpg", "linked.jpg"])
    [finding] = never_resynced.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "1 file has come in since the last sync 4 d ago, the first 2 d ago"
    assert [row["key"] for row in finding.evidence] == ["new.jpg"]
    assert f"lsconsole storage sync s3:{storage.id}" in finding.cause


def test_healthy_ones(ctx: Context, session: Session, story) -> None:
    story({"old.jpg": at(200), "fresh.jpg": at(1)}, **synced())
    assert list(never_resynced.answers(ctx)) == []
    story({"a.jpg": at(50)})
    assert list(never_resynced.answers(ctx)) == []


def test_a_bucket_that_may_not_be_listed_is_undecided(ctx: Context, story) -> None:
    story({"a.jpg": at(50)}, **synced()).fake.faults["LIST"] = "deny"
    [answer] = list(never_resynced.answers(ctx))
    assert isinstance(answer, Unknown)
