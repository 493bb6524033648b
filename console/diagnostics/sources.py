"""The storages a check looks at, what their filters let through, and the one change their fixes are made of."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from ..deployment.buckets import Listing
from ..deployment.models import Project
from ..deployment.storages import KINDS, Storage, column_table
from ..errors import NotApplicable, Unknown
from ..masking import mask_text
from ..patterns import PatternInvalid, PatternTimeout, match_all
from .change import UpdateRow
from .check import Context, Finding, Subject

#: Kinds of source storage that have a filter and links by key; Redis storages apply no filter.
FILTERED = tuple(prefix for prefix, kind in KINDS.items() if not kind.is_target and kind.provider != "redis")
_SCHEMES = {"s3": "s3://", "gcs": "gs://", "azure": "azure-blob://"}


def in_use(ctx: Context, *, prefixes: Sequence[str] | None = None, targets: bool = False) -> list[Storage]:
    """Storages that may be synced, of projects that are not deleted. Raises NotApplicable when there is none."""
    found = ctx.storages(prefixes=prefixes, targets=targets)
    ctx.probes.seen_storages.update(storage.subject for storage in found)
    deleted = _deleted_projects(ctx)
    kept = [
        storage
        for storage in found
        if storage.get("synchronizable") is not False and storage.get("project_id") not in deleted
    ]
    if not kept:
        raise NotApplicable("Every storage of this kind is switched off, or belongs to a deleted project")
    return kept


def passing(storage: Storage, keys: Sequence[str]) -> list[str]:
    """Keys that the storage's filter lets through: all without a filter, none when the filter is no regex.

    Raises Unknown when the filter takes too long to try.
    """
    pattern = storage.get("regex_filter")
    if not pattern:
        return list(keys)
    try:
        return [
            key for key, matches in zip(keys, match_all(pattern, matched_with(storage, keys)), strict=True) if matches
        ]
    except PatternInvalid:
        return []
    except PatternTimeout as error:
        raise Unknown(f"{storage.reference}: {error}.") from None


def matched_with(storage: Storage, keys: Sequence[str]) -> list[str]:
    """What the filter of this storage is tried on: whole keys, but the bare names of local files."""
    return [posixpath.basename(key) for key in keys] if storage.kind.provider == "localfiles" else list(keys)


def storage_update(ctx: Context, finding: Finding, column: str, before: Any, after: Any) -> UpdateRow:
    """Change one column of the finding's storage, in the table that really holds it."""
    prefix, _, number = Subject.parse(finding.subject).id.rpartition(":")
    table, key = column_table(ctx.schema, KINDS[prefix], column)
    return UpdateRow(table.name, {key: int(number)}, {column: before}, {column: after})


def repairable(storage: Storage) -> bool:
    """Whether evidence can carry the filter as it is: one that looks like a secret is masked there."""
    pattern = storage.get("regex_filter") or ""
    return mask_text(pattern) == pattern


def address(storage: Storage) -> str:
    """Where the objects are, as people write it: `s3://bucket/prefix`."""
    return _SCHEMES.get(storage.kind.provider, "") + storage.place


def listed(storage: Storage, listing: Listing) -> str:
    """The source of evidence that comes from a listing."""
    return f"LIST {address(storage)}: {keys_of(listing)}"


def keys_of(listing: Listing) -> str:
    """How many keys were looked at, and whether there are more: `the first 1,000 keys`, `42 keys`."""
    number = len(listing.keys)
    keys = f"{number:,} {'key' if number == 1 else 'keys'}"
    return f"the first {keys}" if listing.truncated else keys


def shown(pattern: str) -> str:
    """A filter as a sentence can hold it."""
    return f"`{pattern}`" if len(pattern) <= 80 else f"`{pattern[:80]}…` ({len(pattern):,} characters)"


def _deleted_projects(ctx: Context) -> set[int]:
    """Newer releases keep the rows of a deleted project for a while."""
    if not ctx.schema.has(Project.deleted_at):
        return set()
    with ctx.transaction() as session:
        return set(session.scalars(select(Project.id).where(Project.deleted_at.is_not(None))))
