"""S3 and whatever speaks it. Requests, credentials and defaults are those Label Studio would use for the same row.

An empty column is filled from the environment, and what is still empty is left to boto3's own chain (profile,
container, instance role). No message carries a secret: provider texts are shortened and masked, and the errors of
libraries that quote whole headers are replaced by our own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from ...masking import mask_text, mask_url
from . import (
    PAGE_KEYS,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    BucketUnreachable,
    Listing,
    ObjectInfo,
    ObjectMissing,
    Page,
    Reach,
    collected,
    folder_of,
)

Answer = TypeVar("Answer")

DEFAULT_REGION = "us-east-1"
_ACTIONS = {"list": "s3:ListBucket", "head": "s3:GetObject", "get": "s3:GetObject"}
_CREDENTIALS = {
    "InvalidAccessKeyId": "the access key id is unknown there",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "InvalidToken": "the session token is not valid, or does not belong to the access key id",
    "TokenRefreshRequired": "the session token has to be renewed",
    "InvalidClientTokenId": "the access key id is unknown there",
    "RequestTimeTooSkewed": "the clocks here and there differ by more than 15 minutes",
}
_WRONG_REGION = {
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301", "307",
    "TemporaryRedirect",
}  # fmt: skip


# reading the service descriptions takes longer than most answers: once for all clients
DESCRIPTIONS = botocore.loaders.create_loader()


def open_bucket(row: Mapping[str, Any], reach: Reach) -> S3Bucket:
    """From a row of `io_storages_s3importstorage` or `…exportstorage`. Raises BucketProblem for settings that cannot
    be right whatever the provider says."""
    settings_env, timeouts = reach.environment, reach.timeouts
    bucket = _column(row, "bucket")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,255}|arn:[A-Za-z0-9:/_.-]{1,300}", bucket):
        named = f"{_shown(bucket)} is no bucket name" if bucket else "This storage names no bucket"
        raise BucketProblem(f"{named}; write the bare name, without s3:// and without a folder.")
    region = _column(row, "region_name") or settings_env.get("S3_region") or DEFAULT_REGION
    endpoint = _column(row, "s3_endpoint") or settings_env.get("S3_ENDPOINT") or None
    key_id, secret, token = (
        _credential(row, settings_env, column)
        for column in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    )
    if bool(key_id) != bool(secret):
        missing = "secret access key" if key_id else "access key id"
        message = (
            f"This storage has one half of its credentials, as the {missing} is empty here and in the environment."
        )
        raise BucketDenied(message, "open", "PartialCredentials")
    if token and not key_id:
        token = None  # boto3 refuses a token alone; without a key it means nothing
    config = Config(
        signature_version="s3v4",
        connect_timeout=timeouts.connect_seconds,
        read_timeout=timeouts.read_seconds,
        retries={"total_max_attempts": 1},
        user_agent_extra="lsconsole",
    )
    where = _one_line(mask_url(endpoint)[:200]) if endpoint else f"Amazon S3 in {_shown(region)}"
    try:
        session = botocore.session.get_session()
        session.register_component("data_loader", DESCRIPTIONS)
        client = session.create_client(
            "s3", endpoint_url=endpoint, region_name=region, config=config,
            aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token,
        )  # fmt: skip
    except (BotoCoreError, ValueError, TypeError):  # their texts quote the values
        what = f"endpoint {where}" if endpoint else f"region {_shown(region)}"
        raise BucketProblem(
            f"boto3 cannot make a client for the {what}: check the spelling, and http:// or https://."
        ) from None
    return S3Bucket(client, bucket, region, where)


class S3Bucket:
    """See `Bucket`. Threads may share it."""

    def __init__(self, client: Any, bucket: str, region: str, where: str) -> None:
        self._client = client
        self._bucket = bucket
        self._region = region
        self._where = where

    def close(self) -> None:
        self._client.close()

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        folder = folder_of(prefix)
        token = None
        while True:
            asked: dict[str, Any] = {"Bucket": self._bucket, "Prefix": folder, "MaxKeys": PAGE_KEYS}
            asked |= {} if recursive else {"Delimiter": "/"}
            asked |= {"ContinuationToken": token} if token else {}
            page: Mapping[str, Any] = self._ask("list", None, partial(self._client.list_objects_v2, **asked))
            last, token = token, page.get("NextContinuationToken")
            more = bool(page.get("IsTruncated"))
            stuck = more and (not token or token == last)  # a server may repeat its token for ever
            yield Page(
                [
                    _listed(entry)
                    for entry in page.get("Contents") or []
                    if not entry["Key"].endswith("/") and entry["Key"] != folder
                ],
                [found["Prefix"] for found in page.get("CommonPrefixes") or []],
                broken_off=stuck,
            )
            if not more or stuck:
                return

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        return collected(self.pages(prefix, recursive), limit)

    def head(self, key: str) -> ObjectInfo:
        told = self._ask("head", key, lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        return ObjectInfo(key, int(told.get("ContentLength") or 0), _etag(told))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        def read() -> bytes:
            told = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={start}-{end}")
            with told["Body"] as body:
                return bytes(body.read(end - start + 1))  # also of a server that ignores ranges

        try:
            return self._ask("get", key, read)
        except _EmptyRange:
            return b""

    def _ask(self, operation: str, key: str | None, request: Callable[[], Answer]) -> Answer:
        try:
            return request()
        except ClientError as error:
            raise self._refused(error, operation, key) from None
        except NoCredentialsError:
            message = "There are no credentials, neither in the storage nor in the environment, and there is no role."
            raise BucketDenied(message, operation, "NoCredentials") from None
        except (HTTPClientError, BotoConnectionError) as error:
            raise BucketUnreachable(f"{self._where} {_reason(error)}") from None
        except ResponseParserError:
            raise BucketProblem(f"{self._where} answers, but not as S3 does: is this the address of its API?") from None
        except (
            BotoCoreError,
            ValueError,
            TypeError,
            OSError,
        ) as error:  # texts may quote headers: only the kind is told
            subject = f"{operation} {_shown(key)}" if key else operation
            raise BucketProblem(f"{self._where} cannot be asked to {subject}: {type(error).__name__}.") from None

    def _refused(self, error: ClientError, operation: str, key: str | None) -> BucketError:
        told = error.response.get("Error", {})
        code = str(told.get("Code") or "")[:80]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        said = mask_text(str(told.get("Message") or ""))[:300]
        subject = f"bucket {self._bucket}" if key is None else f"{_shown(key)} in bucket {self._bucket}"
        if code in _CREDENTIALS:
            message = f"{self._where} refuses the credentials, as {_CREDENTIALS[code]}."
            return BucketDenied(message, operation, code)
        if code == "NoSuchBucket":
            return BucketMissing(f"There is no bucket {self._bucket} at {self._where}.")
        if code == "InvalidRange":
            return _EmptyRange(subject)
        if code in _WRONG_REGION:
            headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            right = headers.get("x-amz-bucket-region") or told.get("Region")
            hint = f"; it says {_shown(str(right))}" if right else ""
            return BucketProblem(f"Bucket {self._bucket} is not in the region {_shown(self._region)}{hint}.")
        if code == "NoSuchKey" or (status == 404 and key is not None):
            return ObjectMissing(f"There is no object {subject}.")
        if status == 404:
            return BucketMissing(f"There is no bucket {self._bucket} at {self._where}.")
        if status in (401, 403):
            statement = self._statement(_ACTIONS[operation], key)
            message = f"{self._where} denies {_ACTIONS[operation]} on {subject}; allow it: {statement}"
            return BucketDenied(message, operation, code, statement)
        if not code or code.isdigit():  # what botocore makes of a page that is no XML, or of an empty one
            return BucketProblem(f"{self._where} answers {status}, but not as S3 does: is this the address of its API?")
        return BucketProblem(f"{self._where} answers {status} {code} for {subject}: {said}")

    def _statement(self, action: str, key: str | None) -> str:
        """What to add to the policy of the user or role, ready to paste."""
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(
            self._region.rpartition("-")[0].rpartition("-")[0], "aws"
        )
        arn = self._bucket if self._bucket.startswith("arn:") else f"arn:{partition}:s3:::{self._bucket}"
        resource = arn if key is None else f"{arn}/*"
        return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})


class _EmptyRange(BucketError):
    """The object ends before the range starts."""


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectTimeoutError):
        return "did not accept a connection in time."
    if isinstance(error, ReadTimeoutError):
        return "did not answer in time."
    if isinstance(error, SSLError):
        return "cannot be reached over TLS: its certificate is not trusted here, or it does not speak TLS."
    if isinstance(error, ConnectionClosedError):
        return "closed the connection without an answer."
    if isinstance(error, EndpointConnectionError):
        return "cannot be reached: its name does not resolve, or nobody listens there."
    return f"cannot be reached ({type(error).__name__})."


def _column(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _credential(row: Mapping[str, Any], settings_env: Mapping[str, str], column: str) -> str | None:
    value = _column(row, column) or settings_env.get(column.upper()) or None
    if value and not re.fullmatch(r"[!-~]+", value):
        place = "this storage" if _column(row, column) else "the environment"
        raise BucketProblem(f"{column} of {place} holds a blank, a line end or a sign beyond ASCII; enter it again.")
    return value


def _listed(entry: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(entry["Key"], int(entry.get("Size") or 0), _etag(entry))


def _etag(told: Mapping[str, Any]) -> str | None:
    return str(told["ETag"]).strip('"') if told.get("ETag") else None


def _shown(value: str) -> str:
    return repr(mask_text(value if len(value) <= 120 else value[:120] + "…"))


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
