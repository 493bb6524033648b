"""storage.env_credentials_shadow: who decides where the fields for credentials are empty."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.env_credentials_shadow import env_credentials_shadow
from tests.diagnostics.storage.sources import make_source, narrowed, set_columns

EMPTY = {"aws_access_key_id": "", "aws_secret_access_key": None}


def test_own_keys_are_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session))
    assert list(env_credentials_shadow.answers(ctx)) == []


def test_no_keys_anywhere_is_a_note(ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session, **EMPTY))
    [finding] = env_credentials_shadow.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.INFO)
    assert finding.evidence.rows[0]["from"] == "role of the machine, if it has one"


def test_half_a_pair_is_what_keys_mixed_up_reports(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, aws_secret_access_key=""))
    assert list(env_credentials_shadow.answers(ctx)) == []


@pytest.mark.parametrize(
    ("reference", "table", "columns"),
    [
        ("gcs:1", "io_storages_gcsstoragemixin", {"google_application_credentials": ""}),
        ("azure:1", "io_storages_azureblobstoragemixin", {"account_name": "", "account_key": ""}),
    ],
)
def test_other_providers(ctx: Context, session: Session, reference: str, table: str, columns: dict[str, Any]) -> None:
    ctx.scope = Scope(storage=reference)
    assert list(env_credentials_shadow.answers(ctx)) == []
    set_columns(session, table, "id", 1, **columns)
    assert [finding.severity for finding in env_credentials_shadow.run(ctx)] == [Severity.INFO]


class TestWithKeysInTheEnvironment:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        keys = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001", "AWS_SECRET_ACCESS_KEY": "never-shown"}
        return settings.with_(bucket_environment=keys)

    def test_they_decide(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, **EMPTY))
        [finding] = env_credentials_shadow.run(ctx)
        assert finding.severity == Severity.WARNING
        assert finding.summary.endswith("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY decide")
        assert "never-shown" not in str(finding)

    @pytest.mark.parametrize("column", list(EMPTY))
    def test_half_a_pair_of_each_is_an_error(self, ctx: Context, session: Session, column: str) -> None:
        narrowed(ctx, make_source(session, **{column: ""}))
        [finding] = env_credentials_shadow.run(ctx)
        assert finding.severity == Severity.ERROR and "two accounts" in finding.impact


class TestWithATokenInTheEnvironment:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(bucket_environment={"AWS_SESSION_TOKEN": "x"})

    def test_it_joins_keys_that_are_not_its_own(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session))
        [finding] = env_credentials_shadow.run(ctx)
        assert finding.severity == Severity.ERROR and "session token of the environment" in finding.summary
