"""Whether a storage's settings can be right, and whether its bucket answers: what Label Studio asks before it stores them.

The messages are Label Studio's wherever it has one of its own; the rest are the words of the bucket's reader. None holds
a secret. Nothing here holds a transaction: a bucket may take its time.

Source: Label Studio's `io_storages/*/serializers.py validate` and `validate_connection` of its models.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ParamValidationError
from botocore.handlers import validate_bucket_name

from ...config import Settings
from ...deployment.buckets import (
    Bucket,
    BucketBlocked,
    BucketDenied,
    BucketError,
    BucketMissing,
    ObjectMissing,
    Reach,
    open_bucket,
)
from ...deployment.local_paths import normalized
from ...deployment.storages import StorageKind
from ...errors import Forbidden, Invalid
from ...patterns import compile_problem, glob_meaning
from .fields import RENAMED

#: Label Studio's words for an address that its network rules refuse.
BLOCKED = (
    "The provided URL was not allowed. URLs must use http:// or https://, and must not resolve to "
    "local or private network addresses when SSRF protection applies."
)
NO_REDIS = "Can't connect to Redis server."
NO_PATH = "Path must be set for Local Files storage"
NO_AZURE_KEY = (
    "Azure account name and key must be set using environment variables AZURE_BLOB_ACCOUNT_NAME and "
    "AZURE_BLOB_ACCOUNT_KEY or account_name and account_key fields."
)


def check_names(kind: StorageKind, body: Mapping[str, Any]) -> None:
    """Refuse parameters of older scripts, naming the new ones: passed over, they would leave a storage that finds
    nothing. Raises Invalid."""
    wrong = {}
    for old, new in RENAMED[kind.provider].items():
        if old in body:
            wrong[old] = [f"This parameter is called {new} now." if new else "This parameter was removed."]
    if wrong:
        raise Invalid(wrong)


def pattern_problem(pattern: str) -> str | None:
    """Why a filter is no regular expression, and what to write instead; Label Studio stores it, and its sync fails."""
    problem = compile_problem(pattern)
    if problem is None:
        return None
    meaning = glob_meaning(pattern)
    instead = f"For this wildcard write {meaning}" if meaning else "Write .* for every object."
    return f"This is not a valid regular expression: {problem}. {instead}"


def bucket_problem(name: str) -> str | None:
    """Why a name can be no bucket of S3, in the words of Amazon's library, as Label Studio tells it."""
    try:
        validate_bucket_name({"Bucket": name})
    except ParamValidationError as error:
        return str(error.kwargs["report"])
    return None


def check_address(kind: StorageKind, given: Mapping[str, Any], reach: Reach) -> None:
    """Refuse an endpoint that the network rules do not allow. Raises Forbidden, or Invalid for a name that nobody
    knows."""
    if kind.provider == "s3" and given.get("s3_endpoint"):
        _check_endpoint(given["s3_endpoint"], reach)


def needs_connection(kind: StorageKind, given: Mapping[str, Any], *, new: bool) -> bool:
    """Whether Label Studio tries the bucket before it stores these fields."""
    if kind.provider == "localfiles" or (new and kind.is_target):
        return True
    if kind.provider == "s3":
        return bool(given.get("bucket"))
    return not kind.is_target


def check_connection(kind: StorageKind, row: Mapping[str, Any], settings: Settings, reach: Reach | None = None) -> None:
    """Try the bucket as Label Studio does before it stores or syncs a storage. Raises Invalid, or Forbidden for an
    address that the network rules refuse."""
    if kind.provider == "localfiles" and not normalized(row.get("path") or ""):
        raise Invalid(NO_PATH)
    with_reach = reach or Reach.of(settings)
    _check_credentials(kind, row, with_reach)
    try:
        bucket = open_bucket(kind.provider, row, with_reach)
        _validate(bucket, kind, row)
    except BucketBlocked as error:
        raise Forbidden(f"{BLOCKED} {error}") from None
    except BucketError as error:
        raise Invalid(told(kind, row, error)) from None


def told(kind: StorageKind, row: Mapping[str, Any], error: BucketError) -> str:
    """What the API says about a bucket that does not answer: Label Studio's words where it has any."""
    bucket = row.get("bucket") or row.get("container")
    if kind.provider == "redis":
        return NO_REDIS
    if kind.provider == "s3":
        if isinstance(error, BucketMissing):
            return f"Cannot find bucket {bucket} in S3"
        if isinstance(error, BucketDenied):
            return f"Cannot connect to S3 {bucket} with specified AWS credentials"
        if isinstance(error, ObjectMissing) or error.provider_code in {"PrefixNotFound", "NoSuchPrefix"}:
            return f"s3://{bucket}/{row.get('prefix')} not found."
    if kind.provider == "azure" and isinstance(error, BucketMissing):
        return f"Container not found: {bucket}"
    return str(error)


def _validate(bucket: Bucket, kind: StorageKind, row: Mapping[str, Any]) -> None:
    try:
        bucket.validate(row.get("prefix") or row.get("path"), kind.is_target)
    finally:
        bucket.close()


def _check_credentials(kind: StorageKind, row: Mapping[str, Any], reach: Reach) -> None:
    if kind.provider == "redis" and not row.get("db"):
        raise Invalid(NO_REDIS)  # Label Studio takes database 0 for a mistake
    if kind.provider == "azure":
        for column in ("account_name", "account_key"):
            if not (row.get(column) or reach.environment.get(f"AZURE_BLOB_{column.upper()}")):
                raise Invalid(NO_AZURE_KEY)
    if kind.provider == "gcs" and row.get("google_application_credentials"):
        try:
            json.loads(row["google_application_credentials"])
        except (ValueError, RecursionError) as error:
            raise Invalid(f"Google Application Credentials must be valid JSON string. {error}") from None


def _check_endpoint(endpoint: str, reach: Reach) -> None:
    """The address that a storage names is resolved here, and again by whoever connects to it."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden(BLOCKED) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise Forbidden(BLOCKED)
    try:
        rules = reach.rules_for(host, port)
        for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            Reach.need(rules, host, str(found[4][0]))
    except BucketBlocked as error:
        raise Forbidden(f"{BLOCKED} {error}") from None
    except (OSError, UnicodeError):
        if not reach.rules.protected:
            return  # whoever connects will say so
        raise Invalid({"s3_endpoint": [f"Can't resolve hostname {host}"]}) from None
