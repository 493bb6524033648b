"""How the small S3 of `tests.s3_server` checks signatures: version 4, in headers or in the query."""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, quote_from_bytes
from xml.sax.saxutils import escape


@dataclass
class Key:
    """What an access key id stands for. `faults` as of a bucket."""

    secret: str
    token: str | None = None
    expired: bool = False
    faults: dict[str, str | bytes] = field(default_factory=dict)


class Refused(Exception):
    """An answer of S3 that is an error."""

    def __init__(self, status: int, code: str, message: str = "", extra: str = "", **headers: str) -> None:
        super().__init__(code)
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}
        told = f"<Code>{code}</Code><Message>{escape(message or code)}</Message>{extra}<RequestId>1</RequestId>"
        self.body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{told}</Error>'.encode()


@dataclass
class Request:
    """One request as it came; `pairs` is its query, decoded and in order, `path` its path, decoded."""

    method: str
    path: bytes
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    def __post_init__(self) -> None:
        self.query = dict(self.pairs)


@dataclass(frozen=True)
class _Claim:
    key_id: str
    day: str
    region: str
    stamp: str
    signed: str
    signature: str
    digest: str
    seconds: int | None


def signed_by(request: Request, keys: dict[str, Key], clock_offset_seconds: float, region: str | None) -> Key:
    """The key that signed it. Raises Refused; `AuthorizationHeaderMalformed` where `region` is another."""
    claim = _claim(request)
    now = time.time() + clock_offset_seconds
    key = keys.get(claim.key_id)
    named = f"<AWSAccessKeyId>{escape(claim.key_id)}</AWSAccessKeyId>"
    if key is None:
        raise Refused(
            403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", named
        )
    at = datetime.strptime(claim.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if claim.seconds is not None and now > at + claim.seconds:
        raise Refused(403, "AccessDenied", "Request has expired")
    if claim.seconds is None and abs(now - at) > 900:
        raise Refused(
            403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )
    if region is not None and region != claim.region:
        message = f"The authorization header is malformed; the region '{claim.region}' is wrong; expecting '{region}'"
        raise Refused(
            400, "AuthorizationHeaderMalformed", message, f"<Region>{region}</Region>", x_amz_bucket_region=region
        )
    told = _string_to_sign(request, claim)
    secret = _signing_key(key.secret, claim.day, claim.region)
    if hmac.new(secret, told.encode(), "sha256").hexdigest() != claim.signature:
        message = "The request signature we calculated does not match the signature you provided."
        raise Refused(403, "SignatureDoesNotMatch", message, f"{named}<StringToSign>{escape(told)}</StringToSign>")
    if len(claim.digest) == 64 and hashlib.sha256(request.body).hexdigest() != claim.digest:
        raise Refused(400, "XAmzContentSHA256Mismatch", "The provided header does not match what was computed.")
    if key.expired:
        raise Refused(400, "ExpiredToken", "The provided token has expired.")
    token = request.headers.get("x-amz-security-token") or request.query.get("X-Amz-Security-Token")
    if key.token and not token:
        raise Refused(
            403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", named
        )
    if key.token != token:
        raise Refused(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    return key


def _claim(request: Request) -> _Claim:
    query, headers = request.query, request.headers
    if "X-Amz-Signature" in query:
        key_id, day, region = query["X-Amz-Credential"].rsplit("/", 4)[:3]
        signed, seconds = query["X-Amz-SignedHeaders"], int(query["X-Amz-Expires"])
        return _Claim(
            key_id, day, region, query["X-Amz-Date"], signed, query["X-Amz-Signature"], "UNSIGNED-PAYLOAD", seconds
        )
    if not headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
        raise Refused(403, "AccessDenied", "Access Denied")
    parts = dict(part.strip().split("=", 1) for part in headers["authorization"][17:].split(","))
    key_id, day, region = parts["Credential"].rsplit("/", 4)[:3]
    stamp, digest = headers.get("x-amz-date", ""), headers.get("x-amz-content-sha256", "")
    return _Claim(key_id, day, region, stamp, parts["SignedHeaders"], parts["Signature"], digest, None)


def _string_to_sign(request: Request, claim: _Claim) -> str:
    encoded = functools.partial(quote, safe="-_.~", errors="surrogateescape")
    pairs = sorted((encoded(name), encoded(value)) for name, value in request.pairs if name != "X-Amz-Signature")
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in claim.signed.split(";")]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = [
        request.method,
        quote_from_bytes(request.path, safe="/-_.~"),
        query,
        *headers,
        "",
        claim.signed,
        claim.digest,
    ]
    hashed = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return f"AWS4-HMAC-SHA256\n{claim.stamp}\n{claim.day}/{claim.region}/s3/aws4_request\n{hashed}"


@functools.lru_cache(64)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    step = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        step = hmac.digest(step, part.encode(), "sha256")
    return step
