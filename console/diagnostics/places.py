"""Where a storage's objects are: bucket and folder in one form, so that two storages can be compared.

Source: how Label Studio's storages build the keys they list (`iter_objects`) and write (`save_annotation`).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func, select

from ..deployment.buckets import folder_of
from ..deployment.models import Project, as_utc
from ..deployment.storages import KINDS, Storage, StorageKind, storages
from .addresses import host_of, object_of
from .check import Context

#: Kinds whose rows name a bucket or container, sources and targets.
KINDS_WITH_BUCKETS: dict[str, StorageKind] = {
    prefix: kind for prefix, kind in KINDS.items() if kind.provider in {"s3", "gcs", "azure"}
}
NAMES = {
    "s3": re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]"),
    "gcs": re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9._-]{1,220}[a-z0-9]"),
    "azure": re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]|\$(?:root|web|logs)"),
    #: what older buckets and self-hosted stores allow
    "loose": re.compile(r"[A-Za-z0-9._-]{1,255}"),
    "access point": re.compile(r"arn:aws[a-z-]*:(?:s3|s3-outposts|s3-object-lambda):[a-z0-9-]*:\d{12}:[\w:/.-]+"),
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Server, bucket and folder (with its slash at the end, empty for the root)."""

    provider: str
    server: str
    bucket: str
    folder: str

    def holds(self, other: Place) -> bool:
        """Whether the other folder is this one or lies in it."""
        same = (self.provider, self.server, self.bucket) == (other.provider, other.server, other.bucket)
        return same and other.folder.startswith(self.folder)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.folder}" if self.provider not in {"localfiles", "redis"} else self.folder or "/"


def place_of(ctx: Context, item: Storage) -> Place | None:
    """Where a storage reads or writes; None when its row names no place."""
    provider, environment = item.kind.provider, ctx.settings.bucket_environment
    if provider == "localfiles":
        path = str(item.get("path") or "").strip()
        return Place(provider, "", "", posixpath.normpath(path).rstrip("/") + "/") if path else None
    if provider == "redis":
        server = f"{str(item.get('host') or 'localhost').strip().lower()}:{item.get('port') or 6379}"
        # A target writes bare numbers at the root, whatever its path says.
        folder = "" if item.kind.is_target else str(item.get("path") or "")
        return Place(provider, server, str(item.get("db")), folder)
    bucket = str(item.get(bucket_column(item)) or "").strip().strip("/")
    if not bucket:
        return None
    if provider == "s3":
        server = _server(str(item.get("s3_endpoint") or environment.get("S3_ENDPOINT") or ""))
    else:
        server = str(item.get("account_name") or environment.get("AZURE_BLOB_ACCOUNT_NAME") or "").strip()
    prefix = re.sub(r"/{2,}", "/", str(item.get("prefix") or "").strip()).lstrip("/")
    return Place(provider, server, bucket, folder_of(prefix))


def bucket_column(item: Storage) -> str:
    return "container" if item.kind.provider == "azure" else "bucket"


def has_links(ctx: Context, item: Storage, starting: str = "") -> bool:
    """Whether a source has made a task of any key, or of one that starts with exactly this text."""
    if item.kind.is_target or not ctx.schema.has_table(item.kind.link_name):
        return False
    link = ctx.schema.table(item.kind.link_name)
    found = select(link.c.id).where(link.c.storage_id == item.id).limit(1)
    if starting:
        found = found.where(func.substr(link.c.key, 1, len(starting)) == starting)
    with ctx.transaction() as session:
        return session.scalar(found) is not None


def name_and_folder(stored: str) -> tuple[str, str]:
    """The bucket name and the folder that an address, an ARN or a name with a path means."""
    text = stored.strip().strip("\"'`").strip().replace("\\", "/")
    if text.startswith("arn:"):
        text = text.rpartition(":")[2]
    elif "://" in text or re.search(r"\.(?:amazonaws\.com|googleapis\.com|core\.windows\.net)", host_of(text)):
        full = text if "://" in text else f"https://{text}"
        found, with_key = object_of(full), True
        if found is None:  # there is no key: the bucket is all of the path
            found, with_key = object_of(f"{full.rstrip('/')}/-"), False
        if found:
            return found.bucket, found.key.strip() if with_key else ""
    name, _, folder = text.strip("/").partition("/")
    return name.strip(), folder.strip()


def _server(endpoint: str) -> str:
    """`host:port` of an endpoint; empty for Amazon's own."""
    text = endpoint.strip().lower()
    host = host_of(text)
    if not host or host.endswith(".amazonaws.com"):
        return ""
    found = urlsplit(text if "://" in text else f"//{text}")
    try:
        port = found.port
    except ValueError:
        port = None
    return f"{host}:{port or (443 if found.scheme == 'https' else 80)}"


def everywhere(ctx: Context) -> list[Storage]:
    """All sources and targets that are not switched off, whatever the run is narrowed to: for comparing with."""
    with ctx.transaction() as session:
        found = list(storages(session, ctx.schema, targets=True))
        deleted: set[int] = set()
        if ctx.schema.has(Project.deleted_at):
            deleted = set(session.scalars(select(Project.id).where(Project.deleted_at.is_not(None))))
    return [item for item in found if item.get("synchronizable") is not False and item.get("project_id") not in deleted]


def order(item: Storage) -> tuple[int, str, int]:
    """Sorts storages by the time they were made, as far as their numbers tell it."""
    created = as_utc(item.get("created_at"))
    return (int(created.timestamp()) if created else 0, item.kind.prefix, item.id)
