"""Objects are stored under a type that browsers do not show.

An upload without a type leaves `binary/octet-stream`; some tools write `text/plain`. The browser then saves the file
instead of showing it, and players refuse to decode it. A file of sound or video that was stored with
`Content-Encoding: gzip` cannot be sought in.

Newer releases of Label Studio name the type by the extension in the links they sign for S3, so there the stored type
only matters where links are off, or to other programs; for other providers, and before, it decides.

Source: `resolve_s3_url` in Label Studio's io_storages app (`ResponseContentType`); the Fetch standard on types.
"""

import mimetypes
from collections.abc import Callable, Iterator, Sequence

from ...deployment.buckets import Bucket, ObjectInfo, ObjectMissing
from ...deployment.keys import family, is_media
from ...deployment.releases import is_since
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import address, in_use, passing

SAMPLES = 8
#: The release whose links for S3 name the type by the extension.
NAMED_SINCE = "1.23.0"
_BLAND = {"", "binary/octet-stream", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"}


@check(
    title="Media are stored under their own type",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Browsers save these files instead of showing them, or players refuse them",
    cause="Whoever uploaded them named no type, or a wrong one.",
)
def content_type(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: key, the type it is stored under, the one its extension stands for, its encoding."""
    shows = [item for item in in_use(ctx, prefixes=["s3", "gcs", "azure"]) if item.get("use_blob_urls")]
    questions = []
    for storage, listing in ctx.probes.listings(shows):
        if isinstance(listing, Unknown):
            yield listing
            continue
        try:
            keys = [key for key in passing(storage, [item.key for item in listing.keys]) if is_media(key)]
        except Unknown as undecided:
            yield undecided
            continue
        if keys:
            step = max(1, len(keys) // SAMPLES)
            questions.append((storage, "types of samples", _asks(keys[::step][:SAMPLES])))
    for storage, samples in ctx.probes.answers(questions):
        if isinstance(samples, Unknown):
            yield samples
        elif wrong := [item for item in samples if _wrong(item)]:
            yield _finding(ctx, storage, wrong, len(samples))


def _asks(keys: Sequence[str]) -> Callable[[Bucket], list[ObjectInfo]]:
    def ask(bucket: Bucket) -> list[ObjectInfo]:
        found = []
        for key in keys:
            try:
                found.append(bucket.head(key))
            except ObjectMissing:
                continue
        return found

    return ask


def _meant(key: str) -> str:
    return mimetypes.guess_type(key)[0] or ""


def _wrong(item: ObjectInfo) -> bool:
    meant, stored = _meant(item.key), (item.content_type or "").partition(";")[0].strip().lower()
    if family(item.key) in {"audio", "video"} and "gzip" in (item.content_encoding or "").lower():
        return True
    if stored == meant or not meant:
        return False
    return stored in _BLAND or stored.partition("/")[0] != meant.partition("/")[0]


def _finding(ctx: Context, storage: Storage, wrong: list[ObjectInfo], tried: int) -> Finding:
    rows = [
        {"key": item.key, "stored": item.content_type, "meant": _meant(item.key), "encoding": item.content_encoding}
        for item in wrong
    ]
    known = ctx.schema.label_studio_version
    named = storage.kind.provider == "s3" and storage.get("presign", True) and is_since(known, NAMED_SINCE)
    packed = any("gzip" in (item.content_encoding or "").lower() for item in wrong)
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"{len(wrong)} of {tried} files tried are stored as {', '.join(dict.fromkeys(str(item.content_type) for item in wrong))}",
        severity=Severity.INFO if named and not packed else None,
        impact=f"Links of Label Studio {known} name the type themselves; other programs see the stored one" if named and not packed else "",
        cause="Sound or video is stored compressed (gzip), and cannot be sought in." if packed else "",
        evidence=ctx.evidence(f"HEAD of samples of {address(storage)}", rows),
    )  # fmt: skip
