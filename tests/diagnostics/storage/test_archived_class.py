"""storage.archived_class: objects that need a restore."""

from __future__ import annotations

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.archived_class import archived_class
from tests.s3_server import Stored


def test_archived_objects_are_told(ctx: Context, story) -> None:
    storage = story({"a.jpg": Stored(b"x", storage_class="GLACIER"), "b.jpg": Stored(b"x", storage_class="DEEP_ARCHIVE"),
                     "c.jpg": Stored(b"x", storage_class="GLACIER_IR"), "d.txt": Stored(b"x", storage_class="GLACIER")},
                    regex_filter=r".*\.jpg$")  # fmt: skip
    [finding] = archived_class.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "2 of 4 keys lie in an archive class (GLACIER, DEEP_ARCHIVE)"
    assert [row["key"] for row in finding.evidence] == ["a.jpg", "b.jpg"]


def test_usual_classes_are_healthy(ctx: Context, story) -> None:
    story({"a.jpg": b"x", "c.jpg": Stored(b"x", storage_class="STANDARD_IA")})
    assert list(archived_class.answers(ctx)) == []


def test_a_bucket_that_may_not_be_listed_is_undecided(ctx: Context, story) -> None:
    story({"a.jpg": b"x"}).fake.faults["LIST"] = "deny"
    [answer] = list(archived_class.answers(ctx))
    assert isinstance(answer, Unknown)
