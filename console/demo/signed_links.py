"""Checks the signature in the query of a link before moto sees the request.

A link that holds is passed on signed with headers instead, by the same key, so that moto's access rules still decide
what the key may do. Expired and forged links are refused as S3 refuses them.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REFUSAL = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'


class SignedLinks:
    """WSGI middleware; `secrets` are the secret keys by access key id."""

    def __init__(self, application: Callable[..., Iterable[bytes]], secrets: dict[str, str]) -> None:
        self._application = application
        self._secrets = secrets

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "OPTIONS":  # browsers ask first, and nobody signs that
            return self._application(environ, start_response)
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        signed = {name: value for name, value in query if name.startswith("X-Amz-")}
        if "X-Amz-Signature" not in signed:
            if "HTTP_AUTHORIZATION" not in environ:
                return _refuse(start_response, "AccessDenied", "Anonymous access is forbidden")
            return self._application(environ, start_response)
        refusal = self._refusal(environ, query, signed)
        if refusal:
            return _refuse(start_response, *refusal)
        return self._application(self._signed_with_headers(environ, query, signed), start_response)

    def _refusal(
        self, environ: dict[str, Any], query: list[tuple[str, str]], signed: dict[str, str]
    ) -> tuple[str, str] | None:
        key_id, _, region, service, _ = signed["X-Amz-Credential"].split("/")
        if key_id not in self._secrets:
            return "InvalidAccessKeyId", "The access key does not exist"
        made_at = datetime.strptime(signed["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > made_at + timedelta(seconds=int(signed["X-Amz-Expires"])):
            return "AccessDenied", "Request has expired"
        unsigned = [(name, value) for name, value in query if name != "X-Amz-Signature"]
        request = AWSRequest(environ["REQUEST_METHOD"], _url(environ, unsigned), {"host": environ["HTTP_HOST"]})
        request.context["timestamp"] = signed["X-Amz-Date"]
        auth = S3SigV4QueryAuth(Credentials(key_id, self._secrets[key_id]), service, region)
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if not hmac.compare_digest(expected, signed["X-Amz-Signature"]):
            return "SignatureDoesNotMatch", "The signature does not match"
        return None

    def _signed_with_headers(
        self, environ: dict[str, Any], query: list[tuple[str, str]], signed: dict[str, str]
    ) -> dict[str, Any]:
        key_id, _, region, service, _ = signed["X-Amz-Credential"].split("/")
        plain = [(name, value) for name, value in query if name not in signed]
        request = AWSRequest(environ["REQUEST_METHOD"], _url(environ, plain), {"host": environ["HTTP_HOST"]})
        key = Credentials(key_id, self._secrets[key_id], signed.get("X-Amz-Security-Token"))
        S3SigV4Auth(key, service, region).add_auth(request)
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
        target = _url(environ, plain).partition(environ["HTTP_HOST"])[2]
        rest = urlencode(plain, quote_via=quote)
        return {**environ, **headers, "QUERY_STRING": rest, "RAW_URI": target, "REQUEST_URI": target}


def _url(environ: dict[str, Any], query: list[tuple[str, str]]) -> str:
    path = environ["RAW_URI"].partition("?")[0]  # as sent: the signature covers the escaped form
    return f"http://{environ['HTTP_HOST']}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")


def _refuse(start_response: Callable[..., Any], code: str, message: str) -> Iterable[bytes]:
    start_response("403 Forbidden", [("Content-Type", "application/xml")])
    return [REFUSAL.format(code=code, message=message).encode()]
