"""gcs.sign_denied: credentials that list and do not sign."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from console.deployment.buckets import BucketDenied
from console.deployment.buckets.gcs import GCSBucket
from console.diagnostics import NotApplicable, Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.gcs.sign_denied import sign_denied
from console.service import Console
from tests.gcs_server import Google
from tests.round_trip import assert_round_trip

StorageOf = Callable[..., SimpleNamespace]


def test_a_key_signs_without_a_request(ctx: Context, storage_of: StorageOf, cloud: Google) -> None:
    storage_of()
    assert list(sign_denied.answers(ctx)) == []
    assert cloud.asked == []


def test_credentials_without_a_key(ctx: Context, storage_of: StorageOf) -> None:
    storage = storage_of(google_application_credentials=None)
    [finding] = sign_denied.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (storage.subject, Severity.ERROR, ("pass_through",))
    assert "Service Account Token Creator" in finding.cause
    assert finding.evidence.rows == [{"bucket": "data", "presign": True, "answer": "NoPrivateKey", "missing": ""}]


def test_passing_through_needs_no_signature(ctx: Context, storage_of: StorageOf, console: Console) -> None:
    storage_of(google_application_credentials=None, presign=False)
    with pytest.raises(NotApplicable, match="no link is signed"):
        list(sign_denied.answers(ctx))


def test_the_repair(console: Console, ctx: Context, storage_of: StorageOf) -> None:
    other = storage_of()  # signs, and keeps the check applicable once the repair is made
    storage = storage_of(google_application_credentials=None, project_id=other.project_id)
    ctx.scope = type(ctx.scope)(project_id=other.project_id)
    [finding] = sign_denied.run(ctx)
    assert finding.subject == storage.subject
    assert_round_trip(console, ctx, sign_denied, "pass_through", finding)


def test_google_does_not_sign_for_the_account(
    ctx: Context, storage_of: StorageOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise BucketDenied("Google does not sign", "presign", "TransportError", "iam.serviceAccounts.signBlob for x")

    storage_of()
    monkeypatch.setattr(GCSBucket, "presign", refuse)
    [finding] = sign_denied.run(ctx)
    assert finding.evidence.rows[0]["missing"] == "iam.serviceAccounts.signBlob for x"


def test_a_broken_key_is_unknown_here(ctx: Context, storage_of: StorageOf) -> None:
    storage = storage_of(google_application_credentials="{")
    [answer] = list(sign_denied.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"gcs:{storage.id}: google_application_credentials")
