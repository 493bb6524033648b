"""A TLS handshake with the Redis server, to tell why a connection fails. Nothing is sent after the handshake but PING."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

_PING = b"*1\r\n$4\r\nPING\r\n"


@dataclass(frozen=True)
class Handshake:
    """What the server did. `expires_at` is the end of its certificate; `error` is why there was no handshake."""

    connected: bool
    speaks_tls: bool
    answers_plain: bool = False
    expires_at: datetime | None = None
    error: str = ""


def shake_hands(host: str, port: int, timeout_seconds: float) -> Handshake:
    """Ask in plain text, then, where that has no answer, try TLS without judging the certificate.

    A port speaks one of the two. Never raises for what a server does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        raw = socket.create_connection((host, port), timeout_seconds)
    except OSError as error:
        return Handshake(False, False, error=str(error)[:200])
    with raw:
        if _answers_plain(host, port, timeout_seconds):
            return Handshake(True, False, True, error="it answers in plain text")
        try:
            with context.wrap_socket(raw, server_hostname=host) as secure:
                return Handshake(True, True, False, _end(secure.getpeercert(binary_form=True)))
        except (OSError, ValueError) as error:
            return Handshake(True, False, error=str(error)[:200] or "the server closed the connection")


def _answers_plain(host: str, port: int, timeout_seconds: float) -> bool:
    """Whether the server answers PING without TLS; "NOAUTH" is an answer too."""
    try:
        with socket.create_connection((host, port), timeout_seconds) as raw:
            raw.sendall(_PING)
            return raw.recv(1) in (b"+", b"-")
    except OSError:
        return False


def _end(certificate: bytes | None) -> datetime | None:
    try:
        return x509.load_der_x509_certificate(certificate).not_valid_after_utc.astimezone(UTC) if certificate else None
    except ValueError:
        return None
