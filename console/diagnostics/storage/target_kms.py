"""A target encrypts with a key of KMS that its bucket or credentials cannot use.

A KMS key belongs to one region; one of another region than the bucket's is refused. Credentials need
`kms:GenerateDataKey` to write with a key and `kms:Decrypt` to read what was written, so a pre-signed link may answer 403
where the target works.

Writing is tried only where the operator allows it (LSCONSOLE_WRITE_PROBES).

Source: `aws_sse_kms_key_id` in Label Studio's io_storages app; the form of KMS key names (ARN).
"""

import re
from collections.abc import Iterator

from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import address, in_use
from ..targets import WITHOUT_LEAVE, tried

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d*:(?:key|alias)/.+")
_BARE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}|alias/[A-Za-z0-9/_-]+", re.IGNORECASE)


@check(
    title="KMS keys of targets fit their buckets",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Annotations do not reach the bucket",
    cause="The key cannot be used from this bucket with these credentials.",
)
def target_kms(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per target. Row: the key, its region, the storage's region; or the provider's answer."""
    keyed = [item for item in in_use(ctx, prefixes=["s3-export"], targets=True) if item.get("aws_sse_kms_key_id")]
    if not keyed:
        raise NotApplicable("No target in scope names a key of KMS")
    sound = []
    for storage in keyed:
        finding = _by_name(ctx, storage)
        if finding:
            yield finding
        else:
            sound.append(storage.subject)
    if not ctx.settings.write_probes and len(sound) == len(keyed):
        raise NotApplicable(f"The keys that are named fit. {WITHOUT_LEAVE}")
    for storage, put in tried(ctx, "put", ["s3-export"]) if sound and ctx.settings.write_probes else ():
        if storage.subject not in sound:
            continue
        if isinstance(put, Unknown):
            yield put
        elif put.state == "failed" and "kms" in f"{put.code} {put.message} {put.statement}".lower():
            row = {"key": storage.get("aws_sse_kms_key_id"), "code": put.code, "message": put.message}
            yield Finding(
                subject=storage.subject, name=storage.title, summary=f"Writing with the KMS key is refused with {put.code}",
                cause=f"What is missing: {put.statement}" if put.statement else put.message,
                evidence=ctx.evidence(f"PUT below {address(storage)}", [row]),
            )  # fmt: skip


def _by_name(ctx: Context, storage: Storage) -> Finding | None:
    name = str(storage.get("aws_sse_kms_key_id")).strip()
    region = storage.get("region_name") or ctx.settings.bucket_environment.get("S3_region") or "us-east-1"
    found = _ARN.fullmatch(name)
    row = {"key": name, "key_region": found[1] if found else None, "storage_region": region}
    told = ""
    if found and found[1] != region:
        told = f"The KMS key is in {found[1]}, and the storage names {region}"
    elif not found and not _BARE.fullmatch(name):
        told = "The KMS key id is neither an id nor an ARN of a key"
    if not told:
        return None
    return Finding(
        subject=storage.subject, name=storage.title, summary=told,
        cause="A key of KMS is used in its own region alone." if found else "An id, an alias/name or an ARN is accepted.",
        evidence=ctx.evidence(f"{storage.kind.table_name}.aws_sse_kms_key_id", [row]),
    )  # fmt: skip
