"""storage.list_not_get: a key that lists and does not read, with the statement to add to its policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from console.deployment.buckets import BucketDenied
from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context
from console.diagnostics.probes import ReadProbe
from console.diagnostics.storage import list_not_get as module
from console.diagnostics.storage.list_not_get import list_not_get

TICKETS = ["tickets/1.json", "tickets/2.json", "tickets/3.json", "tickets/readme.txt"]
SourceOf = Callable[..., SimpleNamespace]
BucketOf = Callable[[Sequence[str]], str]
UserWith = Callable[..., dict[str, str]]
CheckPermissions = Callable[[], None]


def test_a_key_that_reads_is_healthy(
    ctx: Context, source_of: SourceOf, bucket_of: BucketOf, user_with: UserWith, permissions_checked: CheckPermissions
) -> None:
    bucket = bucket_of(TICKETS)
    source_of(bucket=bucket, **user_with(bucket, "s3:ListBucket", "s3:GetObject"))
    permissions_checked()
    assert list(list_not_get.answers(ctx)) == []


def test_an_empty_bucket_is_healthy(ctx: Context, source_of: SourceOf) -> None:
    source_of([])
    assert list(list_not_get.answers(ctx)) == []


@pytest.mark.parametrize("as_files", [False, True])
def test_a_key_that_lists_and_does_not_read(
    ctx: Context, source_of: SourceOf, bucket_of: BucketOf, user_with: UserWith, permissions_checked: CheckPermissions,
    as_files: bool,
) -> None:  # fmt: skip
    bucket = bucket_of(["a.txt", *TICKETS])
    keys = user_with(bucket, "s3:ListBucket")
    storage = source_of(bucket=bucket, regex_filter=r".*\.json$", use_blob_urls=as_files, **keys)
    permissions_checked()
    [finding] = list_not_get.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (storage.subject, Severity.ERROR, ())
    assert finding.summary == "5 keys are listed, and 3 of 3 tried cannot be read: HEAD and GET are denied"
    assert [(row["operation"], row["key"], row["answer"], row["code"]) for row in finding.evidence][:3] == [
        ("LIST", "", "allowed", ""),
        ("HEAD", "tickets/1.json", "denied", "AccessDenied"),
        ("GET", "tickets/1.json", "denied", "AccessDenied"),
    ]
    statement = f'{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}'
    assert statement in finding.cause
    assert keys["aws_secret_access_key"] not in f"{finding}"
    assert ("browser" in finding.impact) == as_files


def test_a_key_that_may_not_list_is_unknown_with_the_statement(
    ctx: Context, source_of: SourceOf, bucket_of: BucketOf, user_with: UserWith, permissions_checked: CheckPermissions
) -> None:
    bucket = bucket_of(TICKETS)
    storage = source_of(bucket=bucket, **user_with(bucket, "s3:GetObject"))
    permissions_checked()
    [answer] = list(list_not_get.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"s3:{storage.id}: ")
    assert f'"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::{bucket}"' in str(answer)


def test_an_unreachable_bucket_is_unknown(ctx: Context, source_of: SourceOf, dead_endpoint: str) -> None:
    source_of(bucket="somewhere", s3_endpoint=dead_endpoint)
    [answer] = list(list_not_get.answers(ctx))
    assert isinstance(answer, Unknown) and dead_endpoint in str(answer)


def denied(operation: str, code: str = "AccessDenied", statement: str = '{"Action": "s3:GetObject"}') -> BucketDenied:
    return BucketDenied(f"denied: {operation}", operation, code, statement)


@pytest.mark.parametrize(
    ("head", "get", "refused", "cause"),
    [
        (denied("head", "403"), denied("get"), "HEAD and GET are denied", 's3:GetObject"}.'),
        (None, denied("get"), "HEAD works, GET is denied", "kms:Decrypt"),
        (denied("head", "403"), None, "HEAD is denied, GET works", 's3:GetObject"}.'),
        (None, denied("get", "InvalidObjectState"), "HEAD works, GET is denied", "archive class"),
        (None, denied("get", "ExpiredToken", ""), "HEAD works, GET is denied", "denied: get"),
    ],
)
def test_which_of_the_two_is_denied(
    head: BucketDenied | None, get: BucketDenied | None, refused: str, cause: str
) -> None:
    probes = [ReadProbe("a.json", head, get)]
    assert module._refused(probes) == refused
    assert cause in module._cause(probes)
