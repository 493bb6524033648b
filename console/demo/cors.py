"""Lets browsers read by the CORS rules of a bucket, as S3 does.

Asked first (OPTIONS), a bucket answers without looking at signatures: 200 when a rule fits, 403 otherwise. Every other
answer names the origin that may read it, also a refusal, when a rule fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessForbidden</Code>'
    b"<Message>CORSResponse: This CORS request is not allowed.</Message></Error>"
)
PREFIX = "access-control-"


def rule() -> dict[str, Any]:
    """The rule of the healthy buckets: players read parts of files, from any page."""
    return {
        "AllowedOrigin": ["*"],
        "AllowedMethod": ["GET", "HEAD"],
        "AllowedHeader": ["*"],
        "ExposeHeader": ["ETag", "Content-Length", "Content-Range", "Accept-Ranges"],
        "MaxAgeSeconds": "3600",
    }


class Cors:
    """WSGI middleware; `rules_of` tells the rules of a bucket by its name, as moto keeps them."""

    def __init__(self, application: Callable[..., Iterable[bytes]], rules_of: Callable[[str], Sequence[Any]]) -> None:
        self._application = application
        self._rules_of = rules_of

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN")
        if not origin:
            return self._application(environ, start_response)
        asked: str = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "")
        first = environ["REQUEST_METHOD"] == "OPTIONS" and asked
        shared = self._headers(environ, origin, asked if first else environ["REQUEST_METHOD"])
        if first:
            start_response("200 OK" if shared else "403 Forbidden", [("Content-Type", "application/xml"), *shared])
            return [] if shared else [REFUSAL]

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith(PREFIX)]
            return start_response(status, [*kept, *shared], *rest)

        return self._application(environ, answer)

    def _headers(self, environ: dict[str, Any], origin: str, method: str) -> list[tuple[str, str]]:
        """What the first rule that fits adds to the answer; nothing when none does."""
        wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        headers = [name.strip().lower() for name in wanted.split(",") if name.strip()]
        for found in self._rules_of(environ["PATH_INFO"].strip("/").partition("/")[0]):
            may_send = all(_any(name, [pattern.lower() for pattern in found.allowed_headers or ()]) for name in headers)
            if _any(origin, found.allowed_origins) and method in found.allowed_methods and may_send:
                return _shared(found, origin, wanted)
        return []


def _shared(found: Any, origin: str, wanted: str) -> list[tuple[str, str]]:
    everybody = "*" in found.allowed_origins
    told = [
        ("Access-Control-Allow-Origin", "*" if everybody else origin),
        ("Access-Control-Allow-Methods", ", ".join(found.allowed_methods)),
        ("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
    ]
    told += [("Access-Control-Allow-Headers", wanted)] if wanted else []
    exposed = ", ".join(found.exposed_headers or ())
    return [*told, ("Access-Control-Expose-Headers", exposed)] if exposed else told


def _any(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
