"""Google Cloud Storage, asked through its JSON API as Label Studio's client library asks it, without its retries.

Credentials: see `_gcs_tokens`. STORAGE_EMULATOR_HOST of the environment leads to an emulator, anonymously unless the
row holds a key. Listings are asked for the fields that are used, which makes a page several times lighter.
Source: Label Studio's io_storages/gcs/utils.py and models.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import google.cloud.storage
import orjson
import requests
from google.auth.exceptions import GoogleAuthError

from ...masking import mask_text, mask_url
from . import (
    PAGE_KEYS,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    BucketUnreachable,
    CorsRule,
    Listing,
    ObjectInfo,
    ObjectMissing,
    ObjectTooLarge,
    Page,
    Reach,
    Stream,
    Unsupported,
    collected,
    folder_of,
)
from ._gcs_tokens import Tokens
from ._web import Answer, Web, beyond_the_end, one_range, range_header

PUBLIC = "https://storage.googleapis.com"
FORCE_DEFAULT = "GCS_CLOUD_STORAGE_FORCE_DEFAULT_CREDENTIALS"
OBJECT_FIELDS = "name,size,etag,updated,contentType,contentEncoding,storageClass"
#: permission -> the narrowest role that holds it
ROLES = {
    "storage.buckets.get": "roles/storage.legacyBucketReader",
    "storage.objects.list": "roles/storage.objectViewer",
    "storage.objects.get": "roles/storage.objectViewer",
    "storage.objects.create": "roles/storage.objectCreator",
    "storage.objects.delete": "roles/storage.objectUser",
}
_PERMISSIONS = {
    "list": "storage.objects.list", "head": "storage.objects.get", "get": "storage.objects.get",
    "put": "storage.objects.create", "delete": "storage.objects.delete", "cors": "storage.buckets.get",
    "validate": "storage.buckets.get",
}  # fmt: skip
SIGN_ROLE = "roles/iam.serviceAccountTokenCreator"
NO_KEY = (
    "Links cannot be signed: these credentials have no private key. Store the key of a service account, or give the "
    f"account the role Service Account Token Creator ({SIGN_ROLE}) on itself and set {FORCE_DEFAULT}=true for Label "
    "Studio, or switch pre-signed URLs off in this storage."
)


def open_bucket(row: Mapping[str, Any], reach: Reach) -> GCSBucket:
    """From a row of `io_storages_gcsstoragemixin` with its child. Raises BucketProblem, BucketBlocked."""
    bucket = str(row.get("bucket") or "")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,220}[A-Za-z0-9])?", bucket):
        named = f"{_shown(bucket)} is no bucket name" if bucket else "This storage names no bucket"
        raise BucketProblem(f"{named}; write the bare name, without gs:// and without a folder.")
    emulator = reach.environment.get("STORAGE_EMULATOR_HOST") or ""
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    if emulator and not urlsplit(emulator).hostname:
        raise BucketProblem("STORAGE_EMULATOR_HOST of the environment is no address.")
    return GCSBucket(bucket, row, reach, emulator.rstrip("/"))


class GCSBucket:
    """See `Bucket`. Threads may share it."""

    def __init__(self, bucket: str, row: Mapping[str, Any], reach: Reach, emulator: str) -> None:
        self.where = mask_url(emulator)[:200] if emulator else "Google Cloud Storage"
        self.tokens = Tokens(row, reach, emulated=bool(emulator))
        self._bucket = bucket
        self._base = emulator or PUBLIC
        self._web = Web(self.where, reach.timeouts)
        self._project = str(row.get("google_project_id") or "") or "none"
        self._forced = (reach.environment.get(FORCE_DEFAULT) or "").lower() in ("1", "true", "yes", "on")
        self._client: google.cloud.storage.Client | None = None

    def close(self) -> None:
        self._web.close()

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        folder = folder_of(prefix)
        token = ""
        while True:
            told = self._list(folder, recursive, PAGE_KEYS, token)
            last, token = token, str(told.get("nextPageToken") or "")
            stuck = bool(token) and token == last
            listed = [_object(item) for item in told.get("items") or [] if not item["name"].endswith("/")]
            yield Page(listed, list(told.get("prefixes") or []), broken_off=stuck)
            if not token or stuck:
                return

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        return collected(self.pages(prefix, recursive), limit)

    def starts_with(self, prefix: str) -> bool:
        token = ""
        for _ in range(10):  # a page may be empty and point to another
            told = self._list(prefix, True, 1, token)
            token = str(told.get("nextPageToken") or "")
            if told.get("items") or not token:
                break
        return bool(told.get("items"))

    def validate(self, prefix: str | None, is_target: bool) -> None:
        self._told("validate", None, "GET", self._url("?fields=name"))
        if prefix and not is_target and not self.starts_with(prefix):
            raise BucketProblem(f"No blobs found in {self._bucket}/{prefix} or prefix doesn't exist", "NoSuchPrefix")

    def head(self, key: str) -> ObjectInfo:
        return _object(self._told("head", key, "GET", self._url(f"/o/{_quoted(key)}?fields={OBJECT_FIELDS}")))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        response = self._media(key, {"Range": f"bytes={start}-{end}", "Accept-Encoding": "identity"})
        if response.status_code == 416:
            response.close()
            return b""
        skipped = start if response.status_code == 200 else 0  # the range was not looked at
        return self._web.beginning(response, skipped + end - start + 1)[skipped:]

    def read(self, key: str, most_bytes: int) -> bytes:
        response = self._media(key, {"Accept-Encoding": "gzip"})
        try:
            return self._web.whole(response, most_bytes)
        except ObjectTooLarge:
            raise ObjectTooLarge(f"{self._subject(key)} is larger than {most_bytes} bytes.") from None

    def stream(self, key: str, byte_range: str | None = None) -> Stream:
        wanted = one_range(byte_range)
        response = self._media(
            key, {"Accept-Encoding": "identity"} | ({"Range": range_header(wanted)} if wanted else {})
        )
        if response.status_code == 416:
            response.close()
            raise beyond_the_end(self._subject(key))
        return self._web.stream(response)

    def presign(self, key: str, seconds: int, method: str = "GET") -> str:
        signs = self.tokens.signing()
        forced: dict[str, str] = {}
        if not self.tokens.from_row and self._forced and not self.tokens.anonymous:
            token = self.tokens.token("presign")  # Google signs for an account that has no key here
            forced = {"access_token": token, "service_account_email": self.tokens.account}
        if signs is None and not forced.get("service_account_email"):
            raise BucketProblem(NO_KEY, "NoPrivateKey")
        try:
            return str(
                self._signer(signs).bucket(self._bucket).blob(key).generate_signed_url(
                    version="v4", expiration=timedelta(seconds=seconds), method=method, credentials=signs,
                    api_access_endpoint=self._base, **forced,
                )
            )  # fmt: skip
        except (GoogleAuthError, requests.RequestException) as error:
            statement = f"iam.serviceAccounts.signBlob for {self.tokens.account} (role {SIGN_ROLE} on itself)"
            message = (
                f"Google does not sign links for {self.tokens.account or 'these credentials'}; allow it: {statement}"
            )
            raise BucketDenied(message, "presign", type(error).__name__, statement) from None
        except ValueError as error:  # longer than seven days
            raise BucketProblem(f"Google signs no such link: {mask_text(str(error))[:200]}") from None

    def cors(self) -> tuple[CorsRule, ...]:
        told = self._told("cors", None, "GET", self._url("?fields=cors"))
        return tuple(
            CorsRule(
                tuple(rule.get("origin") or ()), tuple(rule.get("method") or ()), tuple(rule.get("responseHeader") or ()),
                tuple(rule.get("responseHeader") or ()), rule.get("maxAgeSeconds"),
            )
            for rule in told.get("cors") or []
        )  # fmt: skip

    def put(self, key: str, body: bytes, content_type: str = "text/plain") -> None:
        url = f"{self._base}/upload/storage/v1/b/{self._bucket}/o?uploadType=media&name={_quoted(key)}&fields=name"
        self._told("put", key, "POST", url, body, {"Content-Type": content_type})

    def delete(self, key: str) -> None:
        answer = self._asked("delete", "DELETE", self._url(f"/o/{_quoted(key)}"))
        if answer.status == 404 and not isinstance(self._refused(answer, "delete", key), BucketMissing):
            return
        if answer.status not in (200, 204):
            raise self._refused(answer, "delete", key)

    def permissions(self, wanted: Sequence[str]) -> frozenset[str]:
        """Which of these permissions the credentials have on the bucket; asking takes none of them."""
        asked = "&".join(f"permissions={quote(name, safe='')}" for name in wanted)
        told = self._told("roles", None, "GET", self._url(f"/iam/testPermissions?{asked}"))
        return frozenset(told.get("permissions") or ())

    def _signer(self, signs: Any) -> google.cloud.storage.Client:
        if self._client is None:
            credentials = signs or google.auth.credentials.AnonymousCredentials()
            self._client = google.cloud.storage.Client(project=self._project, credentials=credentials)
        return self._client

    def _list(self, prefix: str, recursive: bool, most: int, token: str) -> dict[str, Any]:
        query = f"?maxResults={most}&fields=nextPageToken,prefixes,items({OBJECT_FIELDS})"
        query += f"&prefix={_quoted(prefix)}" if prefix else ""
        query += "" if recursive else "&delimiter=%2F"
        query += f"&pageToken={_quoted(token)}" if token else ""
        return self._told("list", None, "GET", self._url(f"/o{query}"))

    def _url(self, rest: str) -> str:
        return f"{self._base}/storage/v1/b/{self._bucket}{rest}"

    def _media(self, key: str, headers: Mapping[str, str]) -> requests.Response:
        """The answer to GET of an object, whose body is still to be read; 416 is the caller's."""
        asked = {**headers, **self.tokens.headers("get")}
        response = self._web.open("GET", self._url(f"/o/{_quoted(key)}?alt=media"), asked)
        if response.status_code in (200, 206, 416):
            return response
        body = self._web.beginning(response, 65536)
        raise self._refused(Answer(response.status_code, response.headers, body), "get", key)

    def _asked(
        self, operation: str, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        told = {"Accept-Encoding": "gzip", **(headers or {}), **self.tokens.headers(operation)}
        return self._web.ask(method, url, told, body)

    def _told(
        self, operation: str, key: str | None, method: str, url: str, body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        answer = self._asked(operation, method, url, body, headers)
        if answer.status != 200:
            raise self._refused(answer, operation, key)
        try:
            told = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            raise self._foreign(answer)
        return told

    def _refused(self, answer: Answer, operation: str, key: str | None) -> BucketError:
        reason, said = _error(answer)
        subject = self._subject(key)
        if answer.status == 404 and operation == "roles" and "json" not in answer.headers.get("Content-Type", ""):
            return Unsupported(f"{self.where} does not tell permissions.")
        if answer.status == 404 and (key is None or operation == "put" or "bucket does not exist" in said):
            return BucketMissing(f"There is no bucket {self._bucket} at {self.where}.", reason or "notFound")
        if answer.status == 404:
            return ObjectMissing(f"There is no object {subject}.", reason or "notFound")
        if reason in ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"):
            message = (
                f"The credentials of the environment lack the scope for storage, so {self.where} denies {operation}."
            )
            return BucketDenied(message, operation, reason, "https://www.googleapis.com/auth/devstorage.full_control")
        if reason in ("accountDisabled", "userAccountDisabled", "accessNotConfigured", "userProjectMissing",
                      "vpcServiceControls", "policyViolation"):  # fmt: skip
            return BucketDenied(f"{self.where} refuses {subject} ({reason}): {said}", operation, reason)
        if answer.status == 403 and reason in ("rateLimitExceeded", "userRateLimitExceeded"):
            return BucketProblem(f"{self.where} answers 403 {reason} for {subject}: {said}", reason)
        if answer.status == 401 and self.tokens.account:
            return BucketDenied(f"{self.where} refuses the token of {self.tokens.account}.", operation, reason or "401")
        if answer.status in (401, 403):
            found = re.search(r"storage\.[a-z]+\.[A-Za-z]+", said)
            permission = found[0] if found else _PERMISSIONS.get(operation, "")
            statement = self._statement(permission)
            return BucketDenied(
                f"{self.where} denies {permission} on {subject}; allow it: {statement}", operation,
                reason or str(answer.status), statement,
            )  # fmt: skip
        if not reason:
            return self._foreign(answer)
        return BucketProblem(f"{self.where} answers {answer.status} {reason} for {subject}: {said}", reason)

    def _statement(self, permission: str) -> str:
        """What to give to whom, in words that lead to the command."""
        who = self.tokens.account or ("everybody" if self.tokens.anonymous else "these credentials")
        role = f" (role {ROLES[permission]})" if permission in ROLES else ""
        return f"{permission} on gs://{self._bucket} for {who}{role}"

    def _foreign(self, answer: Answer) -> BucketError:
        what = "but not as Google Cloud Storage does: is this the address of its API?"
        if answer.status >= 500:
            return BucketUnreachable(f"{self.where} answers {answer.status}.")
        return BucketProblem(f"{self.where} answers {answer.status}, {what}")

    def _subject(self, key: str | None) -> str:
        return f"bucket {self._bucket}" if key is None else f"{_shown(key)} in bucket {self._bucket}"


def _quoted(text: str) -> str:
    """Percent-encoded for one part of a path or a query, also where a key is no valid Unicode."""
    return quote(text.encode("utf-8", "surrogateescape"), safe="")


def _object(item: Mapping[str, Any]) -> ObjectInfo:
    updated = item.get("updated")
    return ObjectInfo(
        item["name"], int(item.get("size") or 0), str(item["etag"]).strip('"') if item.get("etag") else None,
        datetime.fromisoformat(updated) if updated else None, item.get("contentType"), item.get("contentEncoding"),
        item.get("storageClass"),
    )  # fmt: skip


def _error(answer: Answer) -> tuple[str, str]:
    """Google's reason and sentence; the sentence alone for media, whose errors are plain text."""
    try:
        told = orjson.loads(answer.body)
        error = told["error"] if isinstance(told, dict) else {}
        details = error.get("details") or [{}]
        reason = str(details[0].get("reason") or (error.get("errors") or [{}])[0].get("reason") or "")
        said = str(error.get("message") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError):
        text = answer.body[:1000].decode("utf-8", "replace")
        reason, said = "", "" if "<" in text else text
    return reason[:80], mask_text(" ".join(said.split()))[:300]


def _shown(value: str) -> str:
    return repr(mask_text(value if len(value) <= 120 else value[:120] + "…"))
