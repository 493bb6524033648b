"""Which source storage serves a link into a bucket, and why none does.

Source: Label Studio's `io_storages/utils.py storage_can_resolve_bucket_url`: scheme and bucket have to be equal, letter by
letter, and the storage has to be one of the task's project.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from ..deployment.schema import Schema
from ..deployment.storage_rules import SCHEMES
from ..deployment.storages import PROVIDER_TITLES, Storage, storages
from .media_steps import Story

TITLE = "A source storage of the project claims the link"
#: What people write -> what Label Studio reads.
MISSPELT = {
    "s3a": "s3", "s3n": "s3", "aws": "s3", "minio": "s3", "gcs": "gs", "google": "gs", "gcp": "gs", "azure": "azure-blob",
    "az": "azure-blob", "azureblob": "azure-blob", "azure_blob": "azure-blob", "abfs": "azure-blob", "abfss": "azure-blob",
    "wasb": "azure-blob", "wasbs": "azure-blob", "blob": "azure-blob",
}  # fmt: skip


@dataclass(frozen=True)
class Link:
    """`scheme://bucket/key` in its parts, as they are written."""

    scheme: str
    bucket: str
    key: str


def parts_of(text: str) -> Link | None:
    """The parts of a link, None for what has no bucket and key."""
    found = re.fullmatch(r"(?s)([A-Za-z][A-Za-z0-9+._-]*):/{1,3}([^/]+)/(.*)", text.strip())
    return Link(found[1], found[2], found[3]) if found else None


def claimed(story: Story, session: Session, schema: Schema, text: str, project_id: int | None) -> Storage | None:
    """The storage, and a step that names it or says why there is none. Without a project the first of the deployment."""
    link = parts_of(text)
    known = list(storages(session, schema, prefixes=list(SCHEMES)))
    own = [one for one in known if project_id is None or one.get("project_id") == project_id]
    if link is not None and text.strip().startswith(f"{link.scheme}://{link.bucket}/"):
        claiming = [one for one in own if SCHEMES[one.kind.provider] == link.scheme and _bucket(one) == link.bucket]
        if claiming:
            _tell(story, claiming, project_id)
            return claiming[0]
    story.add("failed", TITLE, _why_none(text, link, known, own, project_id), check="storage.uri_unresolvable",
              link=text, buckets_of_the_project=", ".join(_named(one) for one in own[:10]) if project_id else "")  # fmt: skip
    return None


def _tell(story: Story, claiming: Sequence[Storage], project_id: int | None) -> None:
    first = claiming[0]
    told = f"{first.reference}, “{first.title}” of project {first.get('project_id')}, has this bucket."
    if project_id is None:
        told += " No project was named, so this is the first storage with this bucket."
    if len(claiming) > 1:
        told += f" {len(claiming) - 1} more have it too; Label Studio asks the one with the lowest id."
    presign = first.get("presign")
    signs = "pre-signed links" if presign is None or presign else "files passed through Label Studio"
    story.add("ok", TITLE, told, storage=first.reference, bucket=_bucket(first), serves_by=signs,
              provider=PROVIDER_TITLES[first.kind.provider])  # fmt: skip


def _why_none(
    text: str, link: Link | None, known: Sequence[Storage], own: Sequence[Storage], project_id: int | None
) -> str:
    where = f"Project {project_id}" if project_id is not None else "The deployment"
    schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES.values())
    if link is None:
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9+._-]*:/*[^/]*", text.strip()):
            return "The link names a bucket and no file in it. A link is scheme://bucket/key."
        return f"This is no link that a storage resolves. They begin with {schemes} and go on with bucket and key."
    if link.scheme not in SCHEMES.values():
        lowered = link.scheme.lower()
        right = MISSPELT.get(lowered) or (lowered if lowered in SCHEMES.values() else "")
        hint = f" Write {right}://{link.bucket}/…" if right else f" Label Studio knows {schemes}."
        return f"The scheme {link.scheme}:// is not one that Label Studio resolves.{hint}"
    if not text.strip().startswith(f"{link.scheme}://{link.bucket}/"):
        return f"After {link.scheme}: two slashes are expected: {link.scheme}://{link.bucket}/…"
    elsewhere = [one for one in known if SCHEMES[one.kind.provider] == link.scheme and _bucket(one) == link.bucket]
    if elsewhere:
        named = ", ".join(f"{one.reference} of project {one.get('project_id')}" for one in elsewhere[:3])
        return f"{where} has no source storage for the bucket {link.bucket}; {named} has. Label Studio asks the task's own project alone."
    same = [one for one in own if _bucket(one).lower() == link.bucket.lower()]
    if same:
        return f"The bucket is written {link.bucket} in the link and {_bucket(same[0])} in {same[0].reference}: case counts."
    provider = next(name for name, scheme in SCHEMES.items() if scheme == link.scheme)
    here = [one for one in own if one.kind.provider == provider]
    if here:
        named = ", ".join(_named(one) for one in here[:5])
        owner = f" of project {project_id}" if project_id is not None else ""
        return f"No {PROVIDER_TITLES[provider]} storage{owner} has the bucket {link.bucket}; there is {named}."
    return (
        f"{where} has no source storage of type {PROVIDER_TITLES[provider]}, so the link reaches the browser as it is."
    )


def storage_of_address(known: Sequence[Storage], url: str) -> Storage | None:
    """The S3 storage whose endpoint and bucket a web address names, so that its network rules hold for it."""
    parts = urlsplit(url)
    for one in known:
        endpoint = urlsplit(str(one.get("s3_endpoint") or "")).netloc.rpartition("@")[2].lower()
        host = parts.netloc.rpartition("@")[2].lower()
        if endpoint and host in {endpoint, f"{_bucket(one)}.{endpoint}".lower()}:
            return one
    return None


def _bucket(storage: Storage) -> str:
    return str(storage.get("bucket") or storage.get("container") or "")


def _named(storage: Storage) -> str:
    return f"{storage.reference} ({SCHEMES[storage.kind.provider]}://{_bucket(storage)})"
