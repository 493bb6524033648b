"""How Label Studio's sync reads one source storage: which objects, which of them, and as what.

The rules differ by provider and release; everything that lists, filters or syncs asks here.
Source: `iter_objects` of each provider and `_scan_and_create_links` in Label Studio's io_storages app.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from .releases import catalogue, is_since

if TYPE_CHECKING:
    from .schema import Schema
    from .storages import Storage

#: What stands before a key in task data; Redis has none, local files have a path of Label Studio's own.
SCHEMES = {"s3": "s3", "gcs": "gs", "azure": "azure-blob"}
#: Extensions that a sync of JSON tasks opens; keys without one are tried as well.
TASK_EXTENSIONS = frozenset({".json", ".jsonl", ".parquet"})
#: The key of task data that a file is bound to until the project's labeling configuration names one.
UNDEFINED = "$undefined$"


@dataclass(frozen=True)
class ScanRules:
    """How one source storage is scanned.

    `prefix` as the row has it (a path for local files, the start of the keys for Redis). `pattern` is the filter that
    is applied, None for none. `names_only`: it is matched with the file name instead of the whole key.
    `as_files`: each object becomes a task that shows it. `by_extension`: another extension ends the sync before the
    object is read. `several`: a list or lines of JSON make several tasks.
    """

    provider: str
    place: str
    prefix: str
    recursive: bool
    pattern: str | None
    names_only: bool
    as_files: bool
    by_extension: bool
    several: bool

    def subject(self, key: str) -> str:
        """The part of a key that the filter is matched with."""
        return posixpath.basename(key) if self.names_only else key

    def opens(self, key: str) -> bool:
        """Whether a sync of JSON tasks reads this object; where it does not, the whole sync fails."""
        extension = posixpath.splitext(key.lower())[1]
        return not self.by_extension or not extension or extension in TASK_EXTENSIONS

    def address(self, key: str, *, local_root: str = "/", host: str = "") -> str | None:
        """What task data holds for an object: `s3://bucket/key`. None for Redis, which has no addresses.

        Raises ValueError for a local file outside of `local_root`, as Label Studio does.
        """
        if self.provider == "localfiles":
            relative = os.path.relpath(key, local_root)
            if relative.startswith(".."):
                raise ValueError(f"{key} is not below {local_root}")
            return f"{host.rstrip('/')}/data/local-files/?d={quote(relative)}"
        scheme = SCHEMES.get(self.provider)
        return f"{scheme}://{self.place}/{key}" if scheme else None


def scan_rules(storage: Storage, schema: Schema) -> ScanRules:
    """The rules for one source storage of the attached release."""
    release = schema.label_studio_version
    provider = storage.kind.provider
    pattern = storage.get("regex_filter") if provider != "redis" else None
    return ScanRules(
        provider=provider,
        place=str(storage.get("bucket") or storage.get("container") or storage.get("path") or ""),
        prefix=_prefix(storage), recursive=_is_recursive(storage, schema), pattern=str(pattern) if pattern else None,
        names_only=provider == "localfiles",
        as_files=bool(storage.get("use_blob_urls")) and provider != "redis",
        by_extension=_since(release, "1.21.0") and not _passes_over_names(storage),
        several="row_index" in schema.columns.get(storage.kind.link_name, {}),
    )  # fmt: skip


def _passes_over_names(storage: Storage) -> bool:
    """Redis has no use for the switch that makes files of objects; with it, its keys may still end as they like."""
    return storage.kind.provider == "redis" and bool(storage.get("use_blob_urls"))


def _prefix(storage: Storage) -> str:
    if storage.kind.provider in {"localfiles", "redis"}:
        path = storage.get("path")
        # Label Studio makes text of an empty path of Redis, and asks for keys that start with "None".
        return str(path) if storage.kind.provider == "redis" else str(path or "")
    return str(storage.get("prefix") or "")


def _is_recursive(storage: Storage, schema: Schema) -> bool:
    """Up to release 1.20 a storage without a prefix is always read through to its last folder.

    That release is told by the other providers, which got the column one release later.
    """
    if storage.kind.provider == "redis":
        return True
    newer = "recursive_scan" in schema.columns.get("io_storages_gcsimportstorage", {})
    if not newer and not storage.get("prefix"):
        return True
    return bool(storage.get("recursive_scan", True))


def _since(release: str, first: str) -> bool:
    """A release that we do not know is newer than those we do."""
    return release not in catalogue().releases or is_since(release, first)
