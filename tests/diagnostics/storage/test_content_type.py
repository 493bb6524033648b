"""storage.content_type: types that browsers do not show."""

from __future__ import annotations

import pytest

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.content_type import content_type
from tests.s3_server import Stored


@pytest.mark.parametrize(
    ("key", "stored", "headers", "severity"),
    [
        ("a.jpg", "binary/octet-stream", {}, Severity.INFO),
        ("a.mp4", "text/plain", {}, Severity.INFO),
        ("a.mp3", "image/png", {}, Severity.INFO),
        ("a.wav", "audio/wav", {"Content-Encoding": "gzip"}, Severity.WARNING),
    ],
)
def test_wrong_types(ctx: Context, story, key, stored, headers, severity) -> None:
    storage = story({key: Stored(b"x", content_type=stored, headers=headers)}, use_blob_urls=True)
    [finding] = content_type.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, severity)
    assert finding.summary == f"1 of 1 files tried are stored as {stored}"
    assert finding.evidence.rows[0]["stored"] == stored


def test_where_links_are_off_the_stored_type_decides(ctx: Context, story) -> None:
    story({"a.jpg": Stored(b"x", content_type="binary/octet-stream")}, use_blob_urls=True, presign=False)
    [finding] = content_type.run(ctx)
    assert finding.severity == Severity.WARNING


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.wav", "audio/x-wav"),
        ("a.json", "binary/octet-stream"),
        ("a.odd", "binary/octet-stream"),
    ],
)
def test_right_types_are_healthy(ctx: Context, story, key, stored) -> None:
    story({key: Stored(b"x", content_type=stored)}, use_blob_urls=True)
    assert list(content_type.answers(ctx)) == []


def test_what_may_not_be_read_is_undecided(ctx: Context, story) -> None:
    story({"a.jpg": b"x"}, use_blob_urls=True).fake.faults["HEAD"] = "deny"
    [answer] = list(content_type.answers(ctx))
    assert isinstance(answer, Unknown)
