"""gcs.roles: permissions that Label Studio uses and the account lacks, with the command that gives them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.gcs.roles import roles
from tests.gcs_server import Google

StorageOf = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("kind", ["gcs", "gcs-export"])
def test_an_account_with_everything_is_healthy(ctx: Context, storage_of: StorageOf, cloud: Google, kind: str) -> None:
    storage_of(kind)
    assert list(roles.answers(ctx)) == []
    assert not any(" /upload" in line or "/o/" in line for line in cloud.asked), "no object is touched"


@pytest.mark.parametrize(
    ("kind", "missing", "role"),
    [
        ("gcs", "storage.buckets.get", "roles/storage.legacyBucketReader"),
        ("gcs", "storage.objects.list", "roles/storage.objectViewer"),
        ("gcs", "storage.objects.get", "roles/storage.objectViewer"),
        ("gcs-export", "storage.buckets.get", "roles/storage.legacyBucketReader"),
        ("gcs-export", "storage.objects.create", "roles/storage.objectCreator"),
        ("gcs-export", "storage.objects.delete", "roles/storage.objectUser"),
    ],
)
def test_a_missing_permission(
    ctx: Context, storage_of: StorageOf, cloud: Google, kind: str, missing: str, role: str
) -> None:
    storage = storage_of(kind)
    cloud.granted = cloud.granted - {missing}
    [finding] = roles.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert finding.summary == f"The account lacks {missing} on the bucket data"
    assert {row["permission"]: row["held"] for row in finding.evidence}[missing] is False
    assert sum(row["held"] for row in finding.evidence) == 2
    command = f"gcloud storage buckets add-iam-policy-binding gs://data --member=serviceAccount:{cloud.account}"
    assert f"{command} --role={role}" in finding.cause


def test_a_source_needs_no_writing(ctx: Context, storage_of: StorageOf, cloud: Google) -> None:
    storage_of()
    cloud.granted = cloud.granted - {"storage.objects.create", "storage.objects.delete"}
    assert list(roles.answers(ctx)) == []


def test_an_account_that_was_removed(ctx: Context, storage_of: StorageOf, cloud: Google) -> None:
    storage_of()
    cloud.refusal = 400, b'{"error": "invalid_grant", "error_description": "Invalid grant: account not found"}'
    [finding] = roles.run(ctx)
    assert "no such service account" in finding.summary and finding.evidence.rows[0]["answer"] == "invalid_grant"


def test_silence_is_unknown(ctx: Context, storage_of: StorageOf, cloud: Google) -> None:
    storage = storage_of(bucket="other")
    [answer] = list(roles.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"gcs:{storage.id}: There is no bucket other")
    storage_of()
    cloud.fault = 503, {"Content-Type": "text/html"}, b"<h1>busy</h1>"
    [answer] = list(roles.answers(ctx))
    assert isinstance(answer, Unknown) and "answers 503" in str(answer)
