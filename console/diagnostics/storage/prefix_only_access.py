"""Credentials reach one folder alone, and the storage names none.

Without a prefix Label Studio's connection test asks for the bucket itself (HeadBucket), which takes the right to list
all of it. A role that is limited to a folder is refused with 403, although it works with a command line that names the
folder. Where the folder is known (other storages of the bucket, links and tasks that exist), it is tried.

Source: `validate_connection` of the S3 storages in Label Studio's io_storages app.
"""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import select

from ...deployment.buckets import Bucket, BucketDenied, BucketError
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import address, in_use, storage_update

#: Folders tried in one bucket.
MOST_FOLDERS = 8


@check(
    title="Storages without a prefix may list their whole bucket",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The connection test fails with 403, and so does every sync",
    cause="The credentials may list a folder of the bucket and not the bucket.",
)
def prefix_only_access(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: folder, whether it can be listed."""
    found = in_use(ctx, prefixes=["s3", "s3-export"], targets=True)
    bare = [storage for storage in found if not (storage.get("prefix") or "").strip("/")]
    questions = [(storage, "the whole bucket, or folders", _asks(_folders(ctx, storage))) for storage in bare]
    for storage, folders in ctx.probes.answers(questions):
        if isinstance(folders, Unknown):
            yield folders
        elif folders:
            yield _finding(ctx, storage, folders)


def _folders(ctx: Context, storage: Storage) -> list[str]:
    """First folders of what is known to lie in this bucket: prefixes of other storages, keys of links."""
    names = [
        str(other.get("prefix")).strip("/")
        for other in ctx.deployment_storages()
        if other.kind.provider == "s3" and other.get("bucket") == storage.get("bucket") and other.get("prefix")
    ]
    if ctx.schema.has_table("io_storages_s3importstoragelink"):
        link = ctx.schema.table("io_storages_s3importstoragelink").c
        with ctx.transaction() as session:
            keys = session.scalars(select(link.key).where(link.storage_id == storage.id).limit(50)).all()
        names += [key.rpartition("/")[0] for key in keys] + [key.partition("/")[0] for key in keys if "/" in key]
    return [name for name in dict.fromkeys(names) if name][:MOST_FOLDERS]


def _asks(folders: Sequence[str]) -> Callable[[Bucket], dict[str, bool]]:
    """Which folders can be listed, when the bucket as a whole cannot; empty when it can, or when no folder can."""

    def ask(bucket: Bucket) -> dict[str, bool]:
        try:
            bucket.validate(None, True)
        except BucketDenied as denied:
            if denied.provider_code not in {"403", "AccessDenied"}:
                raise
            tried = {folder: _lists(bucket, folder) for folder in folders}
            if any(tried.values()):
                return tried
            raise
        return {}

    return ask


def _lists(bucket: Bucket, folder: str) -> bool:
    try:
        bucket.list(folder, True, 1)
    except BucketError:
        return False
    return True


def _finding(ctx: Context, storage: Storage, folders: dict[str, bool]) -> Finding:
    rows = [{"folder": name, "listed": "allowed" if allowed else "denied"} for name, allowed in folders.items()]
    allowed = [name for name, yes in folders.items() if yes]
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"The bucket is refused as a whole, and its folder {allowed[0]} can be listed; the storage names no prefix",
        evidence=ctx.evidence(f"HEAD of the bucket of {address(storage)} and LIST of its known folders", rows),
    )  # fmt: skip


@prefix_only_access.fix(title="Name the folder that can be listed")
def set_prefix(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store the prefix; syncs and targets stay below it from then on."""
    storage = next(item for item in ctx.deployment_storages() if item.subject == finding.subject)
    for row in finding.evidence:
        if row["listed"] == "allowed":
            yield storage_update(ctx, finding, "prefix", storage.get("prefix"), row["folder"])
            return
