"""storage.prefix_only_access: a folder that may be listed, and a storage that names none."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.prefix_only_access import prefix_only_access
from console.service import Console
from tests.diagnostics.storage.sources import make_links
from tests.round_trip import assert_round_trip


def test_the_folder_that_can_be_listed_is_named(console: Console, ctx: Context, session: Session, story) -> None:
    storage = story({"img/1.jpg": b"x"}, prefix="")
    storage.fake.faults["HEADBUCKET"] = "deny"
    make_links(session, storage, ["img/1.jpg"])
    [finding] = prefix_only_access.run(ctx)
    assert finding.subject == storage.subject and "its folder img can be listed" in finding.summary
    assert_round_trip(console, ctx, prefix_only_access, "set_prefix", finding)


def test_a_bucket_that_may_be_listed_is_healthy(ctx: Context, story) -> None:
    story({"img/1.jpg": b"x"}, prefix="")
    assert list(prefix_only_access.answers(ctx)) == []
    story({"img/1.jpg": b"x"}, prefix="img").fake.faults["HEADBUCKET"] = "deny"
    assert list(prefix_only_access.answers(ctx)) == []


def test_without_a_folder_to_try_it_is_undecided(ctx: Context, story) -> None:
    story({"img/1.jpg": b"x"}, prefix=None).fake.faults["HEADBUCKET"] = "deny"
    [answer] = list(prefix_only_access.answers(ctx))
    assert isinstance(answer, Unknown)


def test_wrong_keys_are_another_matter(ctx: Context, session: Session, story) -> None:
    storage = story({"img/1.jpg": b"x"}, prefix="", aws_secret_access_key="wrongWrongWrongWrongWrongWrongWrongWrong")
    make_links(session, storage, ["img/1.jpg"])
    [answer] = list(prefix_only_access.answers(ctx))
    assert isinstance(answer, Unknown)
