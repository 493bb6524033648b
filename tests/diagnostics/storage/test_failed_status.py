"""storage.failed_status: every known failure is told from its text, and no text is shown with its secrets."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable
from console.diagnostics.check import Context
from console.diagnostics.storage.failed_status import failed_status
from console.diagnostics.sync_failures import classify, told
from tests.diagnostics.storage.sources import make_source, make_state, narrowed, set_columns
from tests.factories import BOTH_ENGINES

BOTO = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nbotocore.exceptions.ClientError: '
TEXTS = {
    "denied": BOTO + "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied",
    "denied write": BOTO + "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
    "denied bucket": BOTO + "An error occurred (403) when calling the HeadBucket operation: Forbidden",
    "no bucket": BOTO + "An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation: The specified bucket",
    "signature": BOTO + "An error occurred (SignatureDoesNotMatch) when calling the ListObjects operation: The request",
    "key id": BOTO + "An error occurred (InvalidAccessKeyId) when calling the ListObjects operation: The AWS Access Key",
    "expired token": BOTO + "An error occurred (ExpiredToken) when calling the ListObjects operation: expired",
    "region": BOTO + "An error occurred (AuthorizationHeaderMalformed) when calling the ListObjects operation: the region",
    "clock": BOTO + "An error occurred (RequestTimeTooSkewed) when calling the ListObjects operation: The difference",
    "no object": BOTO + "An error occurred (NoSuchKey) when calling the GetObject operation: none",
    "no credentials": "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    "unreachable": "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: \"http://x/\"",
    "broken JSON": "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
    "file format": "io_storages.exceptions.UnsupportedFileFormatError: File 'a/b.jpg' is not a JSON",
    "locked": "django.db.utils.OperationalError: database is locked",
    "duplicate key": "psycopg2.errors.UniqueViolation: duplicate key value violates unique constraint \"task_pkey\"",
    "blocked address": "core.utils.exceptions.InvalidUploadUrlError: URL resolves to a reserved network address (block: x)",
    "pattern": "re.error: nothing to repeat at position 0",
    "ping": "It appears the job was failed because the last ping time is too old, and no traceback information",
    "memory": "It appears the job was terminated unexpectedly, and no traceback.\nThis typically occurs due to an OOM",
    "lost job": "It appears the job was not found in redis, and no traceback information is available.",
    "certificate": "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
    "two at once": "ValueError: Storage status (completed) must be QUEUED to move it IN_PROGRESS",
    "other": "ZeroDivisionError: division by zero",
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_failure_is_told_from_its_text(name: str) -> None:
    assert classify(TEXTS[name]).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("google.api_core.exceptions.Forbidden: 403 GET https://x: a@b does not have storage.objects.list access", "denied"),
        ("azure.core.exceptions.ClientAuthenticationError: Server failed to authenticate the request. ErrorCode:"
         "AuthenticationFailed", "signature"),
        ("azure.core.exceptions.ResourceNotFoundError: The specified container does not exist. ErrorCode:ContainerNotFound",
         "no bucket"),
        ("redis.exceptions.ConnectionError: Error 111 connecting to 10.0.0.1:6379. Connection refused.", "unreachable"),
        ("rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (36000 seconds)", "job timeout"),
        ("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ", "memory"),
        ("KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
         "django.db.utils.OperationalError: database is locked\n", "locked"),
    ],
)  # fmt: skip
def test_of_every_provider_and_by_the_last_of_several(text: str, name: str) -> None:
    assert classify(text).name == name


def test_an_endless_text_is_looked_at_from_its_end() -> None:
    assert classify("x" * 10_000_000 + "\nre.error: nothing to repeat").name == "pattern"


def test_other_states_are_healthy(ctx: Context, session: Session) -> None:
    for status in ("initialized", "queued", "in_progress", "completed", "completed_with_errors"):
        narrowed(ctx, make_state(session, status, traceback=TEXTS["denied"]))
        assert list(failed_status.answers(ctx)) == []


@BOTH_ENGINES
def test_a_failed_sync_names_what_looks_closer(ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_state(session, "failed", traceback=TEXTS["denied"], title="Tickets"))
    [finding] = failed_status.run(ctx)
    assert (finding.subject, finding.name, finding.fixes) == (storage.subject, "Tickets", ())
    assert finding.summary == "The sync failed: the credentials may not do this"
    assert finding.cause.endswith("`storage.list_not_get` looks closer.")
    [row] = finding.evidence.rows
    assert row["told"].endswith("when calling the GetObject operation: Access Denied")
    assert row["then"] == f"lsconsole storage sync s3:{storage.id}"


def test_when_it_failed_is_told(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "failed", meta={"time_failure": "2020-01-01 00:00:00+00:00"}))
    [finding] = failed_status.run(ctx)
    assert " d ago: and nothing was written down" in finding.summary


def test_a_target_and_the_child_tables_too(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_state(session, "failed", table="io_storages_s3exportstorage", traceback=TEXTS["denied write"]))
    [finding] = failed_status.run(ctx)
    assert finding.subject.startswith("storage:s3-export:")
    set_columns(session, "io_storages_gcsimportstorage", "gcsstoragemixin_ptr_id", 1, status="failed", traceback="x")
    assert "storage:gcs:1" in {found.subject for found in failed_status.run(Context(ctx.deployment, ctx.probes))}


def test_secrets_in_a_text_are_masked(ctx: Context, session: Session) -> None:
    secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYzEXAMPLEKEY1"
    text = (
        f"ValueError: bad call with aws_secret_access_key={secret} at https://x/?X-Amz-Signature=abcdef0123456789abcdef"
    )
    narrowed(ctx, make_state(session, "failed", traceback=text))
    [finding] = failed_status.run(ctx)
    assert secret not in str(finding) and "abcdef0123456789abcdef" not in str(finding)
    assert "ValueError" in told(text)


def test_a_storage_that_is_switched_off_is_passed_over(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, status="failed", synchronizable=False))
    with pytest.raises(NotApplicable):
        list(failed_status.answers(ctx))
