"""storage.sts_expired: keys of a session, by their form and by what the last sync was told."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.storage.sts_expired import sts_expired
from tests.diagnostics.storage.sources import make_source, narrowed

ASIA, TOKEN = "ASIAIOSFODNN7EXA0001", "FwoGZXIvYXdzEBYaDKtVExample"


def test_permanent_keys_and_none_are_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session))
    assert list(sts_expired.answers(ctx)) == []
    narrowed(ctx, make_source(session, aws_access_key_id=None, aws_secret_access_key=None, aws_session_token=""))
    assert list(sts_expired.answers(ctx)) == []


@pytest.mark.parametrize(
    ("columns", "summary"),
    [
        (
            {"aws_access_key_id": ASIA, "aws_session_token": TOKEN},
            "It has a temporary key (ASIA…) with its session token",
        ),
        ({"aws_access_key_id": f" {ASIA}"}, "It has a temporary key (ASIA…) without its session token"),
        ({"aws_session_token": TOKEN}, "It has a session token beside a key that is no temporary one"),
    ],
)
def test_temporary_keys(ctx: Context, session: Session, columns: dict[str, Any], summary: str) -> None:
    storage = narrowed(ctx, make_source(session, **columns))
    [finding] = sts_expired.run(ctx)
    assert (finding.subject, finding.severity, finding.summary) == (storage.subject, Severity.WARNING, summary)
    assert ASIA not in str(finding) and TOKEN not in str(finding)


def test_a_session_that_has_ended_is_an_error(ctx: Context, session: Session) -> None:
    text = "botocore.exceptions.ClientError: An error occurred (ExpiredToken) when calling the ListObjects operation: x"
    narrowed(ctx, make_source(session, aws_access_key_id=ASIA, status="failed", traceback=text))
    [finding] = sts_expired.run(ctx)
    assert finding.severity == Severity.ERROR and "the session has ended" in finding.summary


def test_a_target_too(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, table="io_storages_s3exportstorage", aws_access_key_id=ASIA))
    assert [finding.subject.split(":")[1] for finding in sts_expired.run(ctx)] == ["s3-export"]


class TestTheEnvironment:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(bucket_environment={"AWS_ACCESS_KEY_ID": ASIA, "AWS_SESSION_TOKEN": TOKEN})

    def test_it_decides_where_the_row_is_empty(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, aws_access_key_id="", aws_secret_access_key=""))
        [finding] = sts_expired.run(ctx)
        assert finding.evidence.rows[0]["key_from"] == "environment"

    def test_it_does_not_where_the_row_has_a_key(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session))
        assert list(sts_expired.answers(ctx)) == []
