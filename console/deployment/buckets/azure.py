"""Azure Blob, asked through its REST API as Label Studio's client library asks it, without its retries.

The address is that of the public cloud unless the operator names another one (LSCONSOLE_AZURE_ENDPOINT).
Source: Label Studio's io_storages/azure_blob/models.py, `iter_objects`, `validate_connection`, `generate_http_url`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import requests
from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from ...masking import mask_text, mask_url
from . import (
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
    collected,
    folder_of,
)
from ._azure_login import PUBLIC, Login
from ._azure_refusals import refusal
from ._web import Answer, Web, beyond_the_end, one_range, range_header

#: The most names that Azure hands out at a time.
PAGE_BLOBS = 5000
NO_KEY = (
    "Links cannot be signed with the SAS that stands where the account key belongs, and Label Studio takes a key alone; "
    "enter the account's key."
)


def open_bucket(row: Mapping[str, Any], reach: Reach) -> AzureBucket:
    """From a row of `io_storages_azureblobstoragemixin` with its child. Raises BucketProblem, BucketDenied."""
    container = str(row.get("container") or "")
    if not re.fullmatch(r"[a-z0-9](?:-?[a-z0-9]){2,62}|\$root|\$web|\$logs", container):
        named = f"{_shown(container)} is no container name" if container else "This storage names no container"
        raise BucketProblem(
            f"{named}; write the bare name: 3 to 63 small letters, digits and single hyphens, without azure-blob://."
        )
    return AzureBucket(container, Login.of(row, reach), reach)


class AzureBucket:
    """See `Bucket`. Threads may share it."""

    def __init__(self, container: str, login: Login, reach: Reach) -> None:
        self.where = mask_url(login.base)[:200]
        self.login = login
        self.is_public_cloud = login.base == PUBLIC.replace("{account}", login.account)
        self._container = container
        self._web = Web(self.where, reach.timeouts)

    def close(self) -> None:
        self._web.close()

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        """Blobs whose name ends in a slash, and the folders of accounts with a hierarchical namespace, are objects here
        as they are for Label Studio; only the entry of the prefix itself is left out."""
        folder = folder_of(prefix)
        own, marker = folder.rstrip("/") + "/", ""
        while True:
            page, following = self._list(folder, recursive, PAGE_BLOBS, marker)
            stuck = bool(following) and following == marker
            yield Page([found for found in page.objects if found.key != own], page.folders, broken_off=stuck)
            if not following or stuck:
                return
            marker = following

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        return collected(self.pages(prefix, recursive), limit)

    def starts_with(self, prefix: str) -> bool:
        marker = ""
        for _ in range(10):  # a page may be empty and point to another
            page, marker = self._list(prefix, True, 1, marker)
            if page.objects or not marker:
                break
        return bool(page.objects)

    def validate(self, prefix: str | None, is_target: bool) -> None:
        if self.login.sas:
            raise BucketProblem("account_key holds a SAS, and Label Studio takes the account's key alone.", "NoKey")
        self._told("validate", None, "GET", f"{self._url()}?restype=container")
        if prefix and not is_target and not self.starts_with(prefix):
            raise BucketProblem(f"azure-blob://{self._container}/{prefix} not found.", "NoSuchPrefix")

    def head(self, key: str) -> ObjectInfo:
        told = self._told("head", key, "HEAD", self._url(key)).headers
        modified = told.get("Last-Modified")
        return ObjectInfo(
            key, int(told.get("Content-Length") or 0), (told.get("ETag") or "").strip('"') or None,
            parsedate_to_datetime(modified) if modified else None, told.get("Content-Type"),
            told.get("Content-Encoding") or None, told.get("x-ms-access-tier"),
        )  # fmt: skip

    def get_range(self, key: str, start: int, end: int) -> bytes:
        response = self._blob(key, {"Range": f"bytes={start}-{end}"})
        if response.status_code == 416:
            response.close()
            return b""
        skipped = start if response.status_code == 200 else 0  # the range was not looked at
        return self._web.beginning(response, skipped + end - start + 1)[skipped:]

    def read(self, key: str, most_bytes: int) -> bytes:
        try:
            return self._web.whole(self._blob(key, {}), most_bytes)
        except ObjectTooLarge:
            raise ObjectTooLarge(f"{self._subject(key)} is larger than {most_bytes} bytes.") from None

    def stream(self, key: str, byte_range: str | None = None) -> Stream:
        wanted = one_range(byte_range)
        if wanted and wanted[0] is None:  # "the last n bytes" is nothing Azure knows
            wanted = (max(self.head(key).size - (wanted[1] or 0), 0), None)
        response = self._blob(key, {"Range": range_header(wanted)} if wanted else {})
        if response.status_code == 416:
            response.close()
            raise beyond_the_end(self._subject(key))
        return self._web.stream(response)

    def presign(self, key: str, seconds: int, method: str = "GET") -> str:
        if self.login.sas:
            raise BucketProblem(NO_KEY, "NoKey")
        writes = method.upper() == "PUT"
        token = generate_blob_sas(
            account_name=self.login.account, container_name=self._container, blob_name=key,
            account_key=self.login.key, permission=BlobSasPermissions(read=not writes, create=writes, write=writes),
            expiry=datetime.now(UTC) + timedelta(seconds=seconds),
        )  # fmt: skip
        return f"{self._url(key)}?{token}"

    def cors(self) -> tuple[CorsRule, ...]:
        """The rules of the whole account: containers have none of their own."""
        answer = self._told("cors", None, "GET", f"{self.login.base}/?restype=service&comp=properties")
        return tuple(_cors_rule(rule) for rule in self._xml(answer).iterfind("Cors/CorsRule"))

    def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        headers = {"Content-Type": content_type, "x-ms-blob-type": "BlockBlob"}
        self._told("put", key, "PUT", self._url(key), body, headers)

    def delete(self, key: str) -> None:
        try:
            self._told("delete", key, "DELETE", self._url(key))
        except ObjectMissing:
            return

    def _list(self, prefix: str, recursive: bool, most: int, marker: str) -> tuple[Page, str]:
        url = f"{self._url()}?restype=container&comp=list&maxresults={most}"
        url += f"&prefix={_quoted(prefix)}" if prefix else ""
        url += "" if recursive else "&delimiter=%2F"
        url += f"&marker={_quoted(marker)}" if marker else ""
        root = self._xml(self._told("list", None, "GET", url))
        blobs = root.find("Blobs")
        if blobs is None:
            raise self._foreign(200)
        objects = [_object(blob) for blob in blobs.iterfind("Blob")]
        folders = [_name(folder) for folder in blobs.iterfind("BlobPrefix")]
        return Page(objects, folders), root.findtext("NextMarker") or ""

    def _url(self, key: str | None = None) -> str:
        address = f"{self.login.base}/{self._container}"
        return address if key is None else f"{address}/{_path(key)}"

    def _signed(
        self, method: str, url: str, headers: Mapping[str, str], length: int = 0
    ) -> tuple[str, dict[str, str]]:  # fmt: skip
        return self.login.signed(method, url, {"Accept-Encoding": "identity", **headers}, length)

    def _blob(self, key: str, headers: Mapping[str, str]) -> requests.Response:
        """The answer to GET of a blob, whose body is still to be read; 416 is the caller's."""
        response = self._web.open("GET", *self._signed("GET", self._url(key), headers))
        if response.status_code in (200, 206, 416):
            return response
        body = self._web.beginning(response, 65536)
        raise self._refused(Answer(response.status_code, response.headers, body), "get", key)

    def _told(
        self, operation: str, key: str | None, method: str, url: str, body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        url, told = self._signed(method, url, headers or {}, len(body or b""))
        answer = self._web.ask(method, url, told, body)
        if answer.status not in (200, 201, 202):
            raise self._refused(answer, operation, key)
        return answer

    def _xml(self, answer: Answer) -> ElementTree.Element:
        root = _parsed(answer.body)
        if root is None:
            raise self._foreign(answer.status)
        return root

    def _refused(self, answer: Answer, operation: str, key: str | None) -> BucketError:
        code, said = _error(answer)
        if code in ("ContainerNotFound", "ContainerBeingDeleted") or (answer.status == 404 and key is None and code):
            return BucketMissing(f"There is no container {self._container} at {self.where}.", code)
        if answer.status == 404 and key is not None and code in ("BlobNotFound", "ResourceNotFound", ""):
            return ObjectMissing(f"There is no object {self._subject(key)}.", code or "404")
        if not code:
            return self._foreign(answer.status)
        return refusal(
            self.login, self.where, self._container, self._subject(key), operation, answer.status, code, said
        )

    def _foreign(self, status: int) -> BucketError:
        if status >= 500:
            return BucketUnreachable(f"{self.where} answers {status}.")
        return BucketProblem(f"{self.where} answers {status}, but not as Azure does: is this the address of its API?")

    def _subject(self, key: str | None) -> str:
        return f"container {self._container}" if key is None else f"{_shown(key)} in container {self._container}"


def _quoted(text: str, safe: str = "") -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe=safe)


def _path(key: str) -> str:
    """A key as part of an address. One with `.` and `..` in it goes as one piece, which nothing on the way resolves."""
    if {".", ".."} & set(key.split("/")):
        return _quoted(key).replace(".", "%2E") if key in (".", "..") else _quoted(key)
    return _quoted(key, safe="/~")


def _name(entry: ElementTree.Element) -> str:
    """Names that XML cannot hold come percent-encoded."""
    name = entry.find("Name")
    if name is None or name.text is None:
        return ""
    return unquote(name.text) if name.get("Encoded") == "true" else name.text


def _object(blob: ElementTree.Element) -> ObjectInfo:
    told = {child.tag: child.text for child in blob.find("Properties") or ()}
    modified = told.get("Last-Modified")
    return ObjectInfo(
        _name(blob), int(told.get("Content-Length") or 0), (told.get("Etag") or "").strip('"') or None,
        parsedate_to_datetime(modified) if modified else None, told.get("Content-Type"),
        told.get("Content-Encoding") or None, told.get("AccessTier"),
    )  # fmt: skip


def _cors_rule(rule: ElementTree.Element) -> CorsRule:
    def items(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (rule.findtext(name) or "").split(",") if part.strip())

    age = rule.findtext("MaxAgeInSeconds") or ""
    return CorsRule(
        items("AllowedOrigins"), items("AllowedMethods"), items("AllowedHeaders"), items("ExposedHeaders"),
        int(age) if age.isdecimal() else None,
    )  # fmt: skip


def _error(answer: Answer) -> tuple[str, str]:
    """Azure's code and sentence. The code stands in a header too, which an answer to HEAD has alone."""
    code, said = answer.headers.get("x-ms-error-code") or "", ""
    if (root := _parsed(answer.body)) is not None:
        code = code or root.findtext("Code") or ""
        said = " ".join(filter(None, (root.findtext("Message"), root.findtext("AuthenticationErrorDetail"))))
    return code[:80], said


def _parsed(body: bytes) -> ElementTree.Element | None:
    """The root of an XML document, None for anything else. Without a DTD there are no entities to expand."""
    if b"<!DOCTYPE" in body:
        return None
    try:
        return ElementTree.fromstring(body)  # noqa: S314
    except (ElementTree.ParseError, ValueError):
        return None


def _shown(value: str) -> str:
    return repr(mask_text(value if len(value) <= 120 else value[:120] + "…"))
