"""A storage's prefix is not the start of the keys it is meant for.

A key never begins with a slash, and the prefix is the part of the key up to a folder: `2026/photos`. Pasted into the
field are also `/2026/photos`, `s3://bucket/2026/photos`, `bucket/2026/photos`, `2026/photos/*`, or a name with a blank
at its end. Then the listing is empty: with the prefix the sync brings nothing, without it everything.

Half a folder name is the other way to get there: Label Studio adds a slash to the prefix before it lists, so `img`
finds `img/…` and not `images/…`; the connection test lists without that slash and says that all is well.

A prefix that has brought tasks is right, whatever it looks like. In targets a wrong prefix writes to an odd place.

Source: `iter_objects` and `validate_connection` of Label Studio's S3, Google and Azure storages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...deployment.buckets import can_look_into, folder_of
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..places import KINDS_WITH_BUCKETS, bucket_column, has_links, name_and_folder
from ..sources import in_use, shown, storage_update


@check(
    title="Every prefix is the start of the keys it is meant for",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="With this prefix a sync lists nothing and ends well",
    cause="The prefix is written as an address, a path or a pattern, and not as the start of a key.",
)
def prefix_slash(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: the prefix, what is wrong with it, the one that was meant."""
    for item in in_use(ctx, prefixes=tuple(KINDS_WITH_BUCKETS)):
        prefix = str(item.get("prefix") or "")
        if not prefix:
            continue
        problem, meant = _problem(prefix, str(item.get(bucket_column(item)) or ""))
        if problem:
            if not has_links(ctx, item, folder_of(prefix)):
                yield _finding(ctx, item, prefix, problem, meant)
        elif _may_be_half(ctx, item, prefix):
            try:
                folders = ctx.probes.folders(item, prefix.rpartition("/")[0])
            except Unknown as undecided:
                yield undecided
                continue
            near = sorted(folder for folder in folders if folder.startswith(prefix))
            if near and folder_of(prefix) not in near:
                yield _half(ctx, item, prefix, near)


@prefix_slash.fix(title="Use the prefix that was meant")
def use_meant_prefix(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Replace the prefix of this storage; the next sync lists there."""
    for row in finding.evidence.rows[:1]:
        yield storage_update(ctx, finding, "prefix", row["prefix"], row["meant"])


def _finding(ctx: Context, item: Storage, prefix: str, problem: str, meant: str | None) -> Finding:
    row = {"prefix": prefix, "problem": problem, "meant": meant}
    target = item.kind.is_target
    cause = (
        ""
        if meant is None
        else f"Meant is most likely {shown(meant)}."
        if meant
        else "Meant is most likely none at all."
    )
    return Finding(
        subject=item.subject, name=item.title, summary=f"The prefix {shown(prefix)} {problem}", cause=cause,
        severity=Severity.WARNING if target else Severity.ERROR,
        impact="Annotations are written to a place where nobody looks for them" if target else "",
        evidence=ctx.evidence(f"{item.kind.table_name}.prefix", [row]),
        fixes=() if meant is None else ("use_meant_prefix",),
    )  # fmt: skip


def _half(ctx: Context, item: Storage, prefix: str, near: list[str]) -> Finding:
    meant = near[0].rstrip("/") if len(near) == 1 else None
    row = {"prefix": prefix, "problem": "is half a folder name", "meant": meant, "folders": ", ".join(near[:20])}
    named = shown(near[0]) if len(near) == 1 else f"{len(near)} folders that begin so"
    return Finding(
        subject=item.subject, name=item.title,
        summary=f"The prefix {shown(prefix)} is half a folder name: there is no {shown(folder_of(prefix))}, but {named}",
        cause="The connection test passes with half a name, and the sync looks into the folder of exactly this name.",
        evidence=ctx.evidence(f"LIST {bucket_column(item)} {item.get(bucket_column(item))}, delimiter /", [row]),
        fixes=("use_meant_prefix",) if meant else (),
    )  # fmt: skip


def _problem(prefix: str, bucket: str) -> tuple[str | None, str | None]:
    """What is wrong, as the end of a sentence, and the prefix that was meant (None when that cannot be told)."""
    bucket = bucket.strip().strip("/")
    text = prefix.strip().replace("\\", "/")
    if "://" in text:
        named, folder = name_and_folder(text)
        if named != bucket:
            return f"is an address in another bucket, {named[:63]}", None
        return "is an address, not the start of a key", _plain(folder, bucket)
    meant = _plain(text, bucket)
    if text.startswith("/"):
        return "begins with a slash, and no key does", meant
    if "*" in text:
        return "holds a wildcard, and a prefix has none", meant
    if bucket and (text == bucket or text.startswith(f"{bucket}/")):
        return "repeats the name of the bucket", meant
    if "\\" in prefix:
        return "has backslashes, and keys have slashes", meant
    if text != prefix:
        return "has blanks around it", meant
    if "//" in text.rstrip("/") or text.startswith("./"):
        return "has an empty folder in it", meant
    return None, None


def _plain(text: str, bucket: str) -> str:
    """The start of a key that a path means: no slash before it, no bucket, no wildcard."""
    parts = [part for part in text.strip().split("/") if part not in {"", "."}]
    if parts and bucket and parts[0] == bucket:
        parts = parts[1:]
    while parts and "*" in parts[-1]:
        parts.pop()
    plain = re.sub(r"/{2,}", "/", "/".join(parts))
    return f"{plain}/" if plain and text.rstrip().endswith(("/", "/*", "/**")) else plain


def _may_be_half(ctx: Context, item: Storage, prefix: str) -> bool:
    """Only a source that ended a sync with nothing is asked about: others have found their keys, or never looked."""
    if item.kind.is_target or prefix.endswith("/") or not can_look_into(item.kind.provider):
        return False
    return item.get("last_sync_count") in (None, 0) and not has_links(ctx, item)
