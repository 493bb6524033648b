"""A Google storage's account lacks a permission that Label Studio uses.

The role Storage Object Viewer lists and reads objects, and does not hold `storage.buckets.get`. Label Studio looks the
bucket up before it reads or writes an object, and its connection test does so too: without that one permission
everything but the listing ends in 403. A target needs `storage.objects.create`, and `storage.objects.delete` as soon as
an annotation is written for a second time, which replaces the object.

Google is asked which of these permissions the account holds; nothing is read or written for that. An account that was
removed or disabled gets no token and is reported as well.
Source: `get_bucket` in Label Studio's io_storages/gcs/utils.py and models.py; Google's `buckets.testIamPermissions`.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.buckets import Bucket, BucketDenied, Unsupported
from ...deployment.buckets.gcs import ROLES, GCSBucket
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import address, in_use

SOURCE = {
    "storage.buckets.get": "the connection test, and reading any object",
    "storage.objects.list": "every sync",
    "storage.objects.get": "tasks in JSON files, and every link to a file",
}
TARGET = {
    "storage.buckets.get": "the connection test, and writing any object",
    "storage.objects.create": "writing an annotation",
    "storage.objects.delete": "writing an annotation again, which replaces its object",
}


@check(
    title="Every Google account holds the permissions its storage needs",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Syncs, links or annotations fail with 403",
    cause="The role given to the account does not hold what Label Studio uses.",
)
def roles(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage, targets included. Rows: permission, what for, whether it is held, a role that holds it."""
    items = in_use(ctx, prefixes=["gcs", "gcs-export"], targets=True)
    for item, answer in ctx.probes.answers([(item, "roles", _held(item)) for item in items]):
        if isinstance(answer, Unknown):
            yield answer
        elif isinstance(answer, BucketDenied):
            yield from _denied(ctx, item, answer)
        elif set(_needed(item)) - answer[1]:
            yield _finding(ctx, item, *answer)


def _needed(item: Storage) -> dict[str, str]:
    return TARGET if item.kind.is_target else SOURCE


def _held(item: Storage) -> Any:
    def ask(bucket: Bucket) -> tuple[str, frozenset[str]] | BucketDenied:
        if not isinstance(bucket, GCSBucket):
            raise Unsupported("Only Google tells which permissions are held.")
        try:
            held = bucket.permissions(list(_needed(item)))
        except BucketDenied as error:
            return error
        return bucket.tokens.account, held

    return ask


def _denied(ctx: Context, item: Storage, error: BucketDenied) -> Iterator[Finding | Unknown]:
    if error.provider_code == "NoCredentials":
        yield Unknown(f"{item.reference}: {error}")
        return
    row = {"operation": "ask for permissions", "answer": error.provider_code}
    yield Finding(
        subject=item.subject, name=item.title, summary=f"Google lets nobody in with these credentials: {error}",
        cause=str(error), evidence=ctx.evidence(f"testIamPermissions of {address(item)}", [row]),
    )  # fmt: skip


def _finding(ctx: Context, item: Storage, account: str, held: frozenset[str]) -> Finding:
    needed = _needed(item)
    missing = [name for name in needed if name not in held]
    rows = [
        {"permission": name, "needed_for": why, "held": name in held, "role": ROLES[name]}
        for name, why in needed.items()
    ]
    bucket, member = item.get("bucket"), f"serviceAccount:{account}" if account else "serviceAccount:ACCOUNT"
    commands = "; ".join(
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member={member} --role={role}"
        for role in dict.fromkeys(ROLES[name] for name in missing)
    )
    return Finding(
        subject=item.subject, name=item.title,
        summary=f"The account lacks {', '.join(missing)} on the bucket {bucket}",
        impact="; ".join(f"{name} is needed for {needed[name]}" for name in missing),
        cause=f"The roles of {account or 'the account'} do not hold them. Give one that does: {commands}",
        evidence=ctx.evidence(f"testIamPermissions of {address(item)}", rows),
    )  # fmt: skip
