"""What a refusal of S3 means, and which policy statement would change it. No message carries a secret."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from ...errors import ConsoleError
from ...masking import mask_text
from . import (
    BucketBlocked,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    BucketUnreachable,
    ObjectMissing,
    folder_of,
)
from ._s3_answers import NotS3
from ._s3_wire import BrokenOff, Reply

#: The method of Bucket that was refused -> what a policy calls it.
ACTIONS = {
    "list": "s3:ListBucket", "validate": "s3:ListBucket", "head": "s3:GetObject", "get": "s3:GetObject",
    "put": "s3:PutObject", "delete": "s3:DeleteObject", "cors": "s3:GetBucketCORS",
}  # fmt: skip
CREDENTIALS = {
    "InvalidAccessKeyId": "the access key id is unknown there",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "InvalidToken": "the session token is not valid, or does not belong to the access key id",
    "TokenRefreshRequired": "the session token has to be renewed",
    "InvalidClientTokenId": "the access key id is unknown there",
    "RequestTimeTooSkewed": "the clocks here and there differ by more than 15 minutes",
}
WRONG_REGION = {
    "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect",
}  # fmt: skip


class EmptyRange(BucketError):
    """The object ends before the range starts."""


@dataclass(frozen=True)
class Place:
    """The bucket as messages and statements name it; `prefix` is the storage's own, empty for the whole bucket."""

    bucket: str
    region: str
    where: str
    prefix: str = ""
    kms_key: str = ""

    def refused(self, reply: Reply, operation: str, key: str | None) -> BucketError:
        """The error that an answer stands for. `operation` as in ACTIONS."""
        code, status = reply.error.code, reply.status
        named = code or str(status)
        subject = f"bucket {self.bucket}" if key is None else f"{shown(key)} in bucket {self.bucket}"
        if code in CREDENTIALS:
            return BucketDenied(f"{self.where} refuses the credentials, as {CREDENTIALS[code]}.", operation, code)
        if code == "NoSuchBucket" or (status == 404 and key is None):
            return BucketMissing(f"There is no bucket {self.bucket} at {self.where}.", named)
        if code == "NoSuchKey" or status == 404:
            return ObjectMissing(f"There is no object {subject}.", named)
        if code == "InvalidRange" or status == 416:
            return EmptyRange(f"The range lies behind the end of {subject}.", "InvalidRange")
        if code in WRONG_REGION or status in (301, 302, 307):
            hint = f"; it says {shown(reply.region)}" if reply.region else ""
            return BucketProblem(f"Bucket {self.bucket} is not in the region {shown(self.region)}{hint}.", named)
        return self._denied(reply, operation, key, subject) or self._answered(reply, subject)

    def _denied(self, reply: Reply, operation: str, key: str | None, subject: str) -> BucketDenied | None:
        code, said = reply.error.code, reply.error.message
        if code == "InvalidObjectState":
            message = f"{self.where} does not hand {subject} out, as it lies in an archive class; restore it first."
            return BucketDenied(message, operation, code)
        if code.startswith("KMS.") or (reply.status in (401, 403) and "kms:" in said.lower()):
            statement = self._kms_statement(operation, said)
            message = f"{self.where} cannot use the KMS key for {subject} ({code}); allow it: {statement}"
            return BucketDenied(message, operation, code, statement)
        if reply.status not in (401, 403):
            return None
        action, statement = ACTIONS[operation], self.statement(operation, key)
        message = f"{self.where} denies {action} on {subject}; allow it: {statement}"
        return BucketDenied(message, operation, code or str(reply.status), statement)

    def _answered(self, reply: Reply, subject: str) -> BucketProblem:
        if not reply.error.code:  # a page that is no XML, or none at all
            return self.not_s3(reply.status)
        said = one_line(mask_text(reply.error.message))[:300]
        return BucketProblem(
            f"{self.where} answers {reply.status} {reply.error.code} for {subject}: {said}", reply.error.code
        )

    def not_s3(self, status: int | None = None) -> BucketProblem:
        answers = f"answers {status}" if status else "answers"
        return BucketProblem(f"{self.where} {answers}, but not as S3 does: is this the address of its API?")

    def statement(self, operation: str, key: str | None) -> str:
        """What to add to the policy of the user or role, ready to paste; narrowed to the storage's prefix where it can be.

        The connection test of a storage without a prefix asks for the bucket itself, hence for the listing of all of it.
        """
        folder = folder_of(self.prefix)
        found: dict[str, Any] = {"Effect": "Allow", "Action": ACTIONS[operation], "Resource": self._arn()}
        if key is not None:
            below = f"{folder}*" if folder and key.startswith(folder) else "*"
            between = "/object/" if ":accesspoint/" in self._arn() else "/"
            found["Resource"] = f"{self._arn()}{between}{below}"
        elif ACTIONS[operation] == "s3:ListBucket" and folder:
            typed = [] if self.prefix.endswith("/") else [self.prefix]
            found["Condition"] = {"StringLike": {"s3:prefix": [*typed, f"{folder}*"]}}
        return json.dumps(found)

    def _arn(self) -> str:
        return self.bucket if self.bucket.startswith("arn:") else f"arn:{self._partition()}:s3:::{self.bucket}"

    def _kms_statement(self, operation: str, said: str) -> str:
        asked = re.search(r"kms:[A-Za-z]{3,40}", said)
        action = asked[0] if asked else "kms:GenerateDataKey" if operation == "put" else "kms:Decrypt"
        key = re.search(r"arn:aws[a-z-]*:kms:[A-Za-z0-9:/_-]{1,200}", said)
        any_key = f"arn:{self._partition()}:kms:{self.region}:*:key/"
        resource = (
            key[0] if key else self.kms_key if self.kms_key.startswith("arn:") else f"{any_key}{self.kms_key or '*'}"
        )
        return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})

    def _partition(self) -> str:
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rpartition("-")[0].rpartition("-")[0], "aws")

    def stumbled(self, error: Exception, operation: str, key: str | None) -> BucketError:
        """The error for what happened before there was an answer, or while it was read."""
        inner = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
        for one in (error, inner):
            if isinstance(one, BucketError):
                return one
            if isinstance(one, ConsoleError):
                return BucketBlocked(str(one))
        if isinstance(error, (NoCredentialsError, CredentialRetrievalError, PartialCredentialsError)):
            message = "There are no credentials, neither in the storage nor in the environment, and there is no role."
            return BucketDenied(message, operation, "NoCredentials")
        if isinstance(error, NotS3):
            return self.not_s3()
        if isinstance(error, (HTTPClientError, BotoConnectionError, HTTPError, OSError)):
            return BucketUnreachable(f"{self.where} {_reason(error)}")
        # texts may quote headers: only the kind is told
        subject = f"{operation} {shown(key)}" if key else operation
        return BucketProblem(f"{self.where} cannot be asked to {subject}: {type(error).__name__}.")


#: What a request may raise beside our own errors; `Place.stumbled` tells them apart.
STUMBLES = (BotoCoreError, ClientError, HTTPError, NotS3, OSError, ValueError, TypeError)


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectTimeoutError):
        return "did not accept a connection in time."
    if isinstance(error, (ReadTimeoutError, TimeoutError)) or "timed out" in str(error).lower():
        return "did not answer in time."
    if isinstance(error, SSLError):
        return "cannot be reached over TLS: its certificate is not trusted here, or it does not speak TLS."
    if isinstance(error, ConnectionClosedError):
        return "closed the connection without an answer."
    if isinstance(error, EndpointConnectionError):
        return "cannot be reached: its name does not resolve, or nobody listens there."
    if isinstance(error, BrokenOff):
        return "broke off before its answer was complete."
    return f"cannot be reached ({type(error).__name__})."


def shown(value: str) -> str:
    """A name fit for a message."""
    return repr(mask_text(value if len(value) <= 120 else value[:120] + "…"))


def one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
