"""gcs.credentials_json: keys that cannot be used, told and put right without showing any of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.gcs.credentials_json import credentials_json
from console.service import Console
from console.state.models import AuditEvent, PlanRow
from tests.factories import BOTH_ENGINES
from tests.gcs_server import Google
from tests.round_trip import assert_round_trip

StorageOf = Callable[..., SimpleNamespace]


def broken(cloud: Google) -> str:
    """A key whose line ends were escaped twice on the way."""
    told = json.loads(cloud.key_file())
    return json.dumps({**told, "private_key": told["private_key"].replace("\n", "\\n")})


@pytest.mark.parametrize("kind", ["gcs", "gcs-export"])
def test_a_good_key_and_none_at_all_are_healthy(ctx: Context, storage_of: StorageOf, kind: str) -> None:
    storage_of(kind)
    assert list(credentials_json.answers(ctx)) == []
    storage_of(kind, google_application_credentials=None)
    assert list(credentials_json.answers(ctx)) == []


@pytest.mark.parametrize("kind", ["gcs", "gcs-export"])
def test_line_ends_escaped_twice(ctx: Context, storage_of: StorageOf, cloud: Google, kind: str) -> None:
    storage = storage_of(kind, google_application_credentials=broken(cloud), google_project_id="project-2")
    [finding] = credentials_json.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (storage.subject, Severity.ERROR, ("repair_key",))
    assert "escaped twice" in finding.summary
    [row] = finding.evidence
    assert (row["account"], row["project_of_key"], row["project_of_storage"], row["can_be_put_right"]) == (
        cloud.account, "project-1", "project-2", True,
    )  # fmt: skip
    assert "PRIVATE KEY" not in f"{finding}"


@BOTH_ENGINES
def test_the_repair_and_its_undo_show_no_key(
    console: Console, ctx: Context, storage_of: StorageOf, cloud: Google
) -> None:
    storage_of(google_application_credentials=broken(cloud))
    [finding] = credentials_json.run(ctx)
    assert_round_trip(console, ctx, credentials_json, "repair_key", finding)
    secret = json.loads(cloud.key_file())["private_key"].splitlines()[3]
    with console.store.session() as state:
        kept = [f"{vars(row)}" for model in (PlanRow, AuditEvent) for row in state.query(model)]
    assert len(kept) >= 3 and not any(secret in text for text in kept)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/opt/keys/ls.json", "path of a file"),
        ("{", "valid JSON"),
        ('{"type": "service_account"}', "lacks client_email"),
    ],
)
def test_what_has_to_be_entered_again_has_no_fix(ctx: Context, storage_of: StorageOf, text: str, words: str) -> None:
    storage_of(google_application_credentials=text)
    [finding] = credentials_json.run(ctx)
    assert words in finding.summary and finding.fixes == ()


def test_a_token_service_that_is_not_googles(
    ctx: Context, storage_of: StorageOf, cloud: Google, session: Session
) -> None:
    storage_of(google_application_credentials=cloud.key_file(token_uri="http://169.254.169.254/token"))
    assert credentials_json.run(ctx) == [], "the address is judged where it is connected to"
    storage_of(google_application_credentials=cloud.key_file(token_uri="http://metadata.google.internal/token"))
    [finding] = credentials_json.run(ctx)
    assert "metadata" in finding.summary and finding.fixes == ()


class TestWithNetworkRules:
    """As deployments have it by default."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(ssrf_protection=True, bucket_endpoints=())

    def test_any_other_address_is_reported(self, ctx: Context, storage_of: StorageOf, cloud: Google) -> None:
        storage_of()
        [finding] = credentials_json.run(ctx)
        assert "points to 127.0.0.1, not to Google" in finding.summary and finding.fixes == ()


def test_evidence_of_hostile_keys_is_bounded(ctx: Context, storage_of: StorageOf, cloud: Google) -> None:
    hostile: dict[str, Any] = {"client_email": "x" * 9999, "project_id": ["a"], "private_key": "<script>"}
    storage_of(google_application_credentials=cloud.key_file(**hostile))
    [finding] = credentials_json.run(ctx)
    assert len(f"{finding.evidence.rows}") < 1000
