"""Addresses of objects and buckets, as providers and people write them, and what a storage calls the same thing.

Source: the URL forms in the documentation of Amazon S3, Google Cloud Storage and Azure Blob; `url_scheme` of Label
Studio's storages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

#: What Label Studio resolves; other spellings people use for the same provider.
SCHEMES = {"s3": "s3", "gcs": "gs", "azure": "azure-blob"}
MISSPELT = {
    "s3a": "s3", "s3n": "s3", "aws": "s3", "amazon-s3": "s3", "minio": "s3", "gcs": "gs", "google": "gs", "gcp": "gs",
    "google-cloud": "gs", "azure": "azure-blob", "az": "azure-blob", "azureblob": "azure-blob", "azure_blob": "azure-blob",
    "blob": "azure-blob", "wasb": "azure-blob", "wasbs": "azure-blob", "abfs": "azure-blob", "abfss": "azure-blob",
}  # fmt: skip
_AWS = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack\.|fips\.|accelerate\.|website[.-])?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?"
)


@dataclass(frozen=True)
class Address:
    """One object: the scheme of Label Studio's storages (`s3`, `gs`, `azure-blob`), bucket and key."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"


def object_of(url: str) -> Address | None:
    """The object behind an address of http or of a bucket; None for what names none.

    A host of nobody we know counts as a store that speaks S3, with the bucket in the path.
    """
    found = _split(url)
    if found is None:
        return None
    scheme = MISSPELT.get(found.scheme, found.scheme)
    if scheme in SCHEMES.values():
        return Address(scheme, found.netloc.rpartition("@")[2], found.path.lstrip("/")) if found.netloc else None
    if scheme not in {"http", "https"}:
        return None
    host, path = host_of(found), unquote(found.path).lstrip("/")
    first, _, rest = path.partition("/")
    if amazon := _AWS.fullmatch(host):
        return Address("s3", amazon["bucket"], path) if amazon["bucket"] else _address("s3", first, rest)
    if host in {"storage.googleapis.com", "storage.cloud.google.com"}:
        return _address("gs", first, rest)
    if host.endswith(".storage.googleapis.com"):
        return Address("gs", host.removesuffix(".storage.googleapis.com"), path)
    if host.endswith(".blob.core.windows.net"):
        return _address("azure-blob", first, rest)
    return _address("s3", first, rest)


def host_of(url: str | SplitResult) -> str:
    """The host in lower case, without port, login and brackets; empty for what has none."""
    found = _split(url) if isinstance(url, str) else url
    try:
        return ((found.hostname if found else "") or "").rstrip(".").lower()
    except ValueError:
        return ""


def _address(scheme: str, bucket: str, key: str) -> Address | None:
    return Address(scheme, bucket, key) if bucket and key else None


def _split(url: str) -> SplitResult | None:
    text = url.strip()
    try:
        return urlsplit(text if "://" in text or not text else f"//{text}")
    except ValueError:
        return None
