"""The field for the bucket holds no bucket name: an address, an ARN, a host, or a name with blanks.

Label Studio stores what was typed. The provider's library then refuses it ("Invalid bucket name"), or asks for a bucket
that cannot exist. The bare name belongs there, without `s3://`, without a folder and without slashes; the folder belongs
into the prefix.

The rules of names differ: Amazon S3 has 3 to 63 lower-case letters, digits, dots and hyphens; Google Cloud Storage
allows `_` as well; a container of Azure has neither dots nor two hyphens in a row. Old buckets of S3 and some
self-hosted stores have other names, so a storage that has synced from its bucket is taken at its word. ARNs of access
points are names too.

Source: the naming rules of Amazon S3, Google Cloud Storage and Azure Blob; boto3's own check of bucket names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...deployment.storages import Storage, column_table
from .. import Change, Context, Finding, Severity, UpdateRow, check
from ..addresses import host_of
from ..places import KINDS_WITH_BUCKETS, NAMES, bucket_column, has_links, name_and_folder
from ..sources import in_use, shown


@check(
    title="Every storage names its bucket by the bare name",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Nothing can be listed, read or written",
    cause="An address or something near the name stands where the bare name of the bucket belongs.",
)
def bucket_name_form(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Row: what stands there, what is wrong with it, the name and folder that were meant."""
    for item in in_use(ctx, prefixes=tuple(KINDS_WITH_BUCKETS)):
        stored = item.get(bucket_column(item)) or ""
        problem = _problem(item, stored)
        if problem and not (NAMES["loose"].fullmatch(stored) and has_links(ctx, item)):
            yield _finding(ctx, item, stored, problem)


def _finding(ctx: Context, item: Storage, stored: str, problem: str) -> Finding:
    meant, folder = name_and_folder(stored)
    if not NAMES[item.kind.provider].fullmatch(meant) and NAMES[item.kind.provider].fullmatch(meant.lower()):
        meant = meant.lower()
    sound = bool(NAMES[item.kind.provider].fullmatch(meant)) and meant != stored
    prefix = item.get("prefix")
    moved = folder if folder and not prefix else None
    row = {
        "column": bucket_column(item), "stored": stored, "problem": problem, "meant": meant if sound else None,
        "prefix": prefix, "prefix_then": moved,
    }  # fmt: skip
    word = "container" if item.kind.provider == "azure" else "bucket"
    summary = f"{shown(stored)} is no name of a {word}: {problem}" if stored else f"The storage names no {word}"
    return Finding(
        subject=item.subject, name=item.title, summary=summary,
        cause=f"Meant is most likely {shown(meant)}." if sound else "",
        evidence=ctx.evidence(f"{item.kind.table_name}.{bucket_column(item)}", [row]),
        fixes=("use_bare_name",) if sound else (),
    )  # fmt: skip


@bucket_name_form.fix(title="Use the bare name")
def use_bare_name(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store the name alone, and the folder that came with it as the prefix when there is none."""
    for row in finding.evidence.rows[:1]:
        prefix, _, number = finding.subject.removeprefix("storage:").rpartition(":")
        table, key = column_table(ctx.schema, KINDS_WITH_BUCKETS[prefix], row["column"])
        before, after = {row["column"]: row["stored"]}, {row["column"]: row["meant"]}
        if row["prefix_then"]:
            before["prefix"], after["prefix"] = row["prefix"], row["prefix_then"]
        yield UpdateRow(table.name, {key: int(number)}, before, after)


def _problem(item: Storage, stored: str) -> str | None:
    """What is wrong with a name, in words; None for one the provider accepts."""
    provider = item.kind.provider
    if "://" not in stored and re.search(r"\.(?:amazonaws\.com|googleapis\.com|windows\.net)", host_of(stored)):
        return "it is the name of a host"
    if NAMES[provider].fullmatch(stored) or (provider == "s3" and NAMES["access point"].fullmatch(stored)):
        return None
    if not stored.strip():
        return "it is empty"
    if stored != stored.strip():
        return "there are blanks around it"
    if "://" in stored:
        return "it is an address"
    if stored.startswith("arn:"):
        return "it is an ARN"
    if "/" in stored or "\\" in stored:
        return "there is a slash in it"
    if stored != stored.lower() and NAMES[provider].fullmatch(stored.lower()):
        return "there are capital letters in it"
    if re.search(r"\s", stored):
        return "there is a blank in it"
    if len(stored) < 3 or len(stored) > 63:
        return f"it has {len(stored)} characters, and a name has 3 to 63"
    return "there are characters in it that a name cannot have"
