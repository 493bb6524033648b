"""A target that is not Amazon's refuses the encryption that Label Studio asks for.

Some releases, and deployments with the feature flag for it, send `x-amz-server-side-encryption` with every object of a
target. A server that speaks S3 and has no key service (MinIO without KES, others) answers NotImplemented or a complaint
about its KMS, and nothing is written. Set a key service up there, or use a bucket that encrypts by itself.

Both ways of writing are tried only where the operator allows it (LSCONSOLE_WRITE_PROBES); what a failed sync left in its
traceback is read anyway.

Source: `S3ExportStorage.save_annotation` in Label Studio's io_storages app
(`fflag_feat_back_lsdv_3958_server_side_encryption_for_target_storage_short`).
"""

import re
import secrets
from collections.abc import Callable, Iterator

from ...deployment.buckets import Bucket, BucketDenied, BucketError, folder_of
from ...deployment.buckets.s3 import S3Bucket
from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import address, in_use
from ..targets import WITHOUT_LEAVE

_TRACE = re.compile(
    r"(NotImplemented|KMS is not configured|KMSNotConfigured|ServerSideEncryption\w*|InvalidEncryption\w*)"
)


@check(
    title="Targets on other servers take encrypted objects",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Where Label Studio asks for encryption, annotations do not reach this target",
    cause="The server has no key service behind it, and refuses objects that ask for encryption.",
)
def target_sse(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per target. Rows: with and without the encryption header, the server's answer."""
    environment = ctx.settings.bucket_environment.get("S3_ENDPOINT")
    found = in_use(ctx, prefixes=["s3-export"], targets=True)
    others = [item for item in found if item.get("s3_endpoint") or environment]
    if not others:
        raise NotApplicable("Every S3 target in scope is Amazon's own")
    asked = []
    for storage in others:
        told = _TRACE.search(str(storage.get("traceback") or "")) if storage.get("status") == "failed" else None
        if told:
            row = {"tried": "the last sync", "answer": told[1]}
            yield _finding(ctx, storage, f"The last sync failed with {told[1]}", [row], Severity.ERROR)
        elif ctx.settings.write_probes:
            asked.append((storage, "plain and encrypted", _both(storage)))
    if not ctx.settings.write_probes and not any(_TRACE.search(str(item.get("traceback") or "")) for item in others):
        raise NotApplicable(WITHOUT_LEAVE)
    for storage, answer in ctx.probes.answers(asked):
        if isinstance(answer, Unknown):
            yield answer
        elif answer:
            rows = [{"tried": "PUT", "answer": "written"}, {"tried": "PUT, encrypted", "answer": answer}]
            yield _finding(ctx, storage, "Objects are written, and refused when they ask for encryption", rows, None)


def _both(storage: Storage) -> Callable[[Bucket], str]:
    key = f"{folder_of(storage.get('prefix'))}.lsconsole-probe-{secrets.token_hex(8)}"

    def ask(bucket: Bucket) -> str:
        """The refusal of the encrypted one where the plain one is written; empty otherwise."""
        if not isinstance(bucket, S3Bucket):
            return ""
        denied = False
        try:
            bucket.put(key, b"{}")
            try:
                bucket.put(key, b"{}", encrypt=True)
            except BucketError as refusal:
                return refusal.provider_code or str(refusal)
        except BucketDenied:
            denied = True  # what storage.target_no_put reports
        finally:
            if not denied:
                bucket.delete(key)
        return ""

    return ask


def _finding(
    ctx: Context, storage: Storage, summary: str, rows: list[dict[str, str]], severity: Severity | None
) -> Finding:
    return Finding(
        subject=storage.subject, name=storage.title, summary=summary, severity=severity,
        evidence=ctx.evidence(f"PUT below {address(storage)}; {storage.kind.table_name}.traceback", rows),
    )  # fmt: skip
