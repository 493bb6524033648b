"""S3 and whatever speaks it. Requests, credentials and defaults are those Label Studio would use for the same row.

An empty column is filled from the environment, and what is still empty is left to boto3's own chain (profile,
container, instance role). An endpoint of the row is checked by the network rules at every connection; S3_ENDPOINT and
Amazon's own addresses are trusted, as Label Studio trusts them.

Source: Label Studio's io_storages/s3/models.py and io_storages/s3/utils.py.
"""

from __future__ import annotations

import base64
import contextlib
import mimetypes
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoCredentialsError

from ...masking import mask_url
from . import (
    PAGE_KEYS,
    BucketDenied,
    BucketProblem,
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
from ._s3_answers import ListPage, cors_rules, list_page
from ._s3_guard import Judge, guard
from ._s3_refusals import CREDENTIALS, STUMBLES, EmptyRange, Place, one_line, shown
from ._s3_wire import Reply, Route, TooLong, Wire

DEFAULT_REGION = "us-east-1"
PAGE_BYTES = 64 * 1024 * 1024

# reading the service descriptions takes longer than most answers: once for all clients
DESCRIPTIONS = botocore.loaders.create_loader()


def open_bucket(row: Mapping[str, Any], reach: Reach) -> S3Bucket:
    """From a row of `io_storages_s3importstorage` or `…exportstorage`. Raises BucketProblem for settings that cannot
    be right whatever the provider says, BucketBlocked for an endpoint that no setting allows."""
    environment = reach.environment
    bucket = _column(row, "bucket")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,255}|arn:[A-Za-z0-9:/_.-]{1,300}", bucket):
        named = f"{shown(bucket)} is no bucket name" if bucket else "This storage names no bucket"
        raise BucketProblem(f"{named}; write the bare name, without s3:// and without a folder.")
    region = _column(row, "region_name") or environment.get("S3_region") or DEFAULT_REGION
    endpoint = _column(row, "s3_endpoint") or environment.get("S3_ENDPOINT") or None
    key_id, secret, token = (
        _credential(row, environment, column)
        for column in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    )
    if bool(key_id) != bool(secret):
        missing = "secret access key" if key_id else "access key id"
        message = (
            f"This storage has one half of its credentials, as the {missing} is empty here and in the environment."
        )
        raise BucketDenied(message, "open", "PartialCredentials")
    where = one_line(mask_url(endpoint)[:200]) if endpoint else f"Amazon S3 in {shown(region)}"
    session = botocore.session.get_session()
    session.register_component("data_loader", DESCRIPTIONS)
    if key_id and secret:
        session.set_credentials(key_id, secret, token or None)  # a token alone means nothing without a key
    place = Place(bucket, region, where, _column(row, "prefix"), _column(row, "aws_sse_kms_key_id"))
    made = partial(_client, session, endpoint, where, reach)
    client = made(region)
    try:
        judge = Judge(str(endpoint), reach) if _column(row, "s3_endpoint") else None
    except ValueError:
        raise BucketProblem(f"The endpoint {where} is no address: check its port.") from None
    guard(client._endpoint.http_session, judge, 2 * reach.timeouts.read_seconds)
    return S3Bucket(session, client, place, made, judge, one_region=bool(endpoint))


def _client(session: Any, endpoint: str | None, where: str, reach: Reach, region: str) -> Any:
    config = Config(
        signature_version="s3v4", connect_timeout=reach.timeouts.connect_seconds,
        read_timeout=reach.timeouts.read_seconds, retries={"total_max_attempts": 1}, max_pool_connections=32,
    )  # fmt: skip
    try:
        return session.create_client("s3", endpoint_url=endpoint, region_name=region, config=config)
    except (BotoCoreError, ValueError, TypeError):  # their texts quote the values
        what = f"endpoint {where}" if endpoint else f"region {shown(region)}"
        raise BucketProblem(
            f"boto3 cannot make a client for the {what}: check the spelling, and http:// or https://."
        ) from None


class S3Bucket:
    """See `Bucket`. Threads may share it."""

    def __init__(
        self,
        session: Any,
        client: Any,
        place: Place,
        made: Callable[[str], Any],
        judge: Judge | None,
        *,
        one_region: bool,
    ) -> None:
        """`made` makes a client for another region, unless all are at one endpoint; `judge` is for one that is not trusted."""
        self._session, self._client, self._place, self._made, self._judge = session, client, place, made, judge
        self._one_region = one_region
        self.where = place.where
        self._wire = Wire(client._endpoint.http_session, place.region, self._route, self._credentials)

    def close(self) -> None:
        self._client.close()

    @property
    def region(self) -> str:
        """The region that the storage names, or stands for when it names none."""
        return self._place.region

    def true_region(self) -> str | None:
        """The region the bucket is in, as its provider tells whoever asks, rights or not; None where it does not.

        Listing and reading find their way from a wrong region, as boto3 does; a presigned link of Label Studio does not.
        """
        try:
            reply = self._wire.ask("HEAD", follow=False)
        except STUMBLES as error:
            raise self._place.stumbled(error, "validate", None) from None
        return reply.region or None

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        folder, token, seen = folder_of(prefix), None, set()
        while True:
            page = self._page(folder, recursive, token)
            token = page.token
            stuck = page.more and (not token or token in seen)  # a server may repeat itself for ever
            seen.add(token)
            objects = [found for found in page.objects if not found.key.endswith("/")]
            yield Page(objects, page.folders, broken_off=stuck)
            if not page.more or stuck:
                return

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        return collected(self.pages(prefix, recursive), limit)

    def starts_with(self, prefix: str) -> bool:
        page = self._page(prefix, True, None, most=1)
        return bool(page.objects)

    def validate(self, prefix: str | None, is_target: bool) -> None:
        if not prefix:
            self._heading("validate", None)
            return
        page = self._page(prefix, True, None, most=1, operation="validate")
        if page.counted is None or page.counted < (0 if is_target else 1):
            name = self._place.bucket
            nothing = f"Nothing in bucket {name} starts with {shown(prefix)}."
            uncounted = f"{self.where} does not count the keys of its answers, which Label Studio needs it to."
            raise BucketProblem(nothing if page.counted is not None else uncounted, "PrefixNotFound")

    def head(self, key: str) -> ObjectInfo:
        headers = self._heading("head", key).headers
        size = headers.get("content-length") or ""
        return ObjectInfo(
            key, int(size) if size.isdecimal() else 0, _etag(headers), _modified(headers), headers.get("content-type"),
            headers.get("content-encoding"), headers.get("x-amz-storage-class") or "STANDARD",
        )  # fmt: skip

    def get_range(self, key: str, start: int, end: int) -> bytes:
        try:
            stream = self.stream(key, f"bytes={start}-{end}")
        except EmptyRange:
            return b""
        parts: list[bytes] = []
        wanted = end - start + 1
        with contextlib.closing(stream):
            for chunk in stream.chunks:  # also of a server that ignores ranges
                parts.append(chunk[:wanted])
                wanted -= len(parts[-1])
                if not wanted:
                    break
        return b"".join(parts)

    def read(self, key: str, most_bytes: int) -> bytes:
        reply = self._ask("get", key, "GET")
        try:
            return reply.read(most_bytes)
        except TooLong:
            size = f"{reply.length:,}" if reply.length else "more"
            message = f"{shown(key)} in bucket {self._place.bucket} has {size} bytes; at most {most_bytes:,} are read."
            raise ObjectTooLarge(message) from None
        except STUMBLES as error:
            reply.close()
            raise self._place.stumbled(error, "get", key) from None

    def stream(self, key: str, byte_range: str | None = None) -> Stream:
        reply = self._ask("get", key, "GET", headers={"Range": byte_range} if byte_range else {})
        headers = reply.headers

        def chunks() -> Iterator[bytes]:
            try:
                yield from reply.chunks()
            except STUMBLES as error:
                raise self._place.stumbled(error, "get", key) from None
            finally:
                reply.close()

        return Stream(
            reply.status, chunks(), reply.close, reply.length, headers.get("content-type"), headers.get("content-range"),
            _etag(headers), _modified(headers),
        )  # fmt: skip

    def presign(self, key: str, seconds: int, method: str = "GET") -> str:
        """Signed for the region that the storage names, right or wrong, and for no host that the network rules refuse, as
        Label Studio signs."""
        if self._judge:
            self._judge.look_up()
        asked = {"Bucket": self._place.bucket, "Key": key}
        guessed = mimetypes.guess_type(key)[0]
        if guessed:
            asked["ResponseContentType"] = guessed
        try:
            link: str = self._client.generate_presigned_url(
                "head_object" if method == "HEAD" else "get_object", Params=asked, ExpiresIn=seconds
            )
        except STUMBLES as error:
            raise self._place.stumbled(error, "get", key) from None
        return link

    def cors(self) -> tuple[CorsRule, ...]:
        try:
            reply = self._wire.ask("GET", query={"cors": ""})
            if reply.status < 300:
                return cors_rules(reply.read(PAGE_BYTES))
        except TooLong:
            raise self._place.not_s3() from None
        except STUMBLES as error:
            raise self._place.stumbled(error, "cors", None) from None
        if reply.error.code == "NoSuchCORSConfiguration":
            return ()
        if reply.status == 501 or reply.error.code in {"NotImplemented", "MethodNotAllowed"}:
            raise Unsupported(f"{self.where} knows no CORS rules of buckets.", reply.error.code)
        raise self._place.refused(reply, "cors", None)

    def put(self, key: str, body: bytes, content_type: str = "binary/octet-stream", *, encrypt: bool = False) -> None:
        """Write an object. `encrypt` asks for encryption by the storage's KMS key, or by S3's own without one; Label Studio
        asks so under a feature flag alone, which is off unless the deployment switches it on.

        The checksum is what boto3 sends since 1.36; some servers of others refuse it.
        """
        headers = {
            "Content-Type": content_type,
            "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode(),
            "x-amz-sdk-checksum-algorithm": "CRC32",
        }
        if encrypt and self._place.kms_key:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = self._place.kms_key
        if encrypt:
            headers["x-amz-server-side-encryption"] = "aws:kms" if self._place.kms_key else "AES256"
        self._ask("put", key, "PUT", headers=headers, body=body).close()

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectMissing):
            self._ask("delete", key, "DELETE").close()

    # --- requests

    def _page(
        self, prefix: str, recursive: bool, token: str | None, most: int = PAGE_KEYS, operation: str = "list"
    ) -> ListPage:
        asked = {"list-type": "2", "prefix": prefix, "max-keys": str(most), "encoding-type": "url"}
        asked |= {} if recursive else {"delimiter": "/"}
        asked |= {"continuation-token": token} if token else {}
        reply = self._ask(operation, None, "GET", query=asked)
        try:
            return list_page(reply.read(PAGE_BYTES))
        except TooLong:
            raise self._place.not_s3(reply.status) from None
        except STUMBLES as error:
            raise self._place.stumbled(error, operation, None) from None

    def _heading(self, operation: str, key: str | None) -> Reply:
        """HEAD. Its refusals have no body, hence no code: the same is asked by GET to learn it."""
        try:
            reply = self._wire.ask("HEAD", self._named(key))
            if reply.status < 300:
                return reply
            if reply.status in (400, 403):
                query = {} if key else {"list-type": "2", "max-keys": "0"}
                told = self._wire.ask("GET", self._named(key), query, {"Range": "bytes=0-0"})
                told.close()
                if told.error.code in CREDENTIALS or told.status == reply.status:
                    reply = told
        except STUMBLES as error:
            raise self._place.stumbled(error, operation, key) from None
        raise self._place.refused(reply, operation, key)

    def _ask(
        self, operation: str, key: str | None, method: str, query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, body: bytes = b"",
    ) -> Reply:  # fmt: skip
        try:
            reply = self._wire.ask(method, self._named(key), query, headers, body)
        except STUMBLES as error:
            raise self._place.stumbled(error, operation, key) from None
        if reply.status >= 300:
            raise self._place.refused(reply, operation, key)
        return reply

    def _named(self, key: str | None) -> str:
        if key == "":
            raise ObjectMissing(f"An object without a name is in no bucket, {self._place.bucket} included.")
        return key or ""

    def _credentials(self) -> Any:
        found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        return found.get_frozen_credentials()

    def _route(self, region: str) -> Route:
        """How boto3 would address the bucket from a client of this region."""
        if region == self._place.region or self._one_region:
            client = self._client
        else:
            client = self._made(region)
        route = Route.of(client, self._place.bucket)
        return Route(route.url, region, route.service) if self._one_region else route


def _column(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _credential(row: Mapping[str, Any], environment: Mapping[str, str], column: str) -> str | None:
    value = _column(row, column) or environment.get(column.upper()) or None
    if value and not re.fullmatch(r"[!-~]+", value):
        place = "this storage" if _column(row, column) else "the environment"
        raise BucketProblem(f"{column} of {place} holds a blank, a line end or a sign beyond ASCII; enter it again.")
    return value


def _etag(headers: Mapping[str, str]) -> str | None:
    return (headers.get("etag") or "").strip('"') or None


def _modified(headers: Mapping[str, str]) -> Any:
    try:
        return parsedate_to_datetime(headers["last-modified"])
    except (KeyError, ValueError, TypeError):
        return None
