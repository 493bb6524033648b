"""storage.presign_403: links that do not open, or end too early."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.presign_403 import presign_403
from console.service import Console
from tests.factories import BOTH_ENGINES, make_project
from tests.round_trip import assert_round_trip

MEDIA = {"a.jpg": b"x" * 100}


def test_a_link_that_opens_is_healthy(ctx: Context, story) -> None:
    story(MEDIA, use_blob_urls=True)
    assert list(presign_403.answers(ctx)) == []


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("deny", "may not read the object"), ("403 ExpiredToken", "expired"), ("403 RequestTimeTooSkewed", "clocks"),
     ("403 SignatureDoesNotMatch", "secret key"), ("403 SomethingNew", "SomethingNew")],
)  # fmt: skip
def test_a_link_that_is_refused(ctx: Context, story, fault, cause) -> None:
    storage = story(MEDIA, use_blob_urls=True)
    storage.fake.faults["GET"] = fault
    [finding] = presign_403.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert "403" in finding.summary and cause in finding.cause and finding.fixes == ()
    assert "X-Amz-Signature" not in f"{finding}"


@BOTH_ENGINES
def test_sound_behind_links_of_a_minute(console: Console, ctx: Context, story) -> None:
    storage = story({"a.mp3": b"x"}, use_blob_urls=True, presign_ttl=1)
    [finding] = presign_403.run(ctx)
    assert (finding.severity, finding.summary) == (
        Severity.WARNING,
        "Links last 1 minute, and people play sound or video here",
    )
    assert finding.subject == storage.subject
    assert_round_trip(console, ctx, presign_403, "last_longer", finding)


def test_the_labeling_configuration_tells_too(ctx: Context, session: Session, story) -> None:
    project = make_project(session, label_config='<View><Video name="v" value="$v"/></View>')
    story({"a.dat": b"x"}, use_blob_urls=True, presign_ttl=1, project_id=project.id)
    assert [finding.severity for finding in presign_403.run(ctx)] == [Severity.WARNING]
    story({"a.dat": b"x"}, use_blob_urls=True, presign_ttl=60, project_id=project.id)
    assert presign_403.run(ctx) == []
