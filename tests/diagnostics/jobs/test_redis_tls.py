"""jobs.redis_tls: address and server disagree about TLS. A real Redis with TLS in front, and without."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.deployment.queues import QueueReader
from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.redis_tls import redis_tls
from console.diagnostics.runner import ask


@pytest.fixture
def tls(ctx: Context, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """`tls(days, url)` puts TLS in front of a real Redis, with a certificate of our own that lasts so many days.

    A packaged redis-server does not everywhere speak TLS itself.
    """
    servers: list[_Front] = []

    def start(days: float, url: str) -> None:
        _make_certificate(tmp_path, days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        parts = urlsplit(redis_url)
        servers.append(_Front((parts.hostname or "", parts.port or 0), context))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        attach(ctx, url.format(port=servers[-1].server_address[1], ca=tmp_path / "cert.pem"))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class _Front(socketserver.ThreadingTCPServer):
    """Takes TLS, gives plain bytes to Redis."""

    daemon_threads = True

    def __init__(self, behind: tuple[str, int], context: ssl.SSLContext) -> None:
        self.behind, self.context = behind, context
        super().__init__(("127.0.0.1", 0), _Forward)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not speak TLS, or does not like the certificate, is what these tests are about."""


class _Forward(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        with (
            self.server.context.wrap_socket(self.request, server_side=True) as secure,
            socket.create_connection(self.server.behind) as plain,
        ):
            while asked := secure.recv(65536):  # one answer per question is all that these tests need
                plain.sendall(asked)
                secure.sendall(plain.recv(65536))


def _make_certificate(directory: Path, days: float) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=30)).not_valid_after(now + timedelta(days=days))
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = builder.sign(key, hashes.SHA256())
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip


def attach(ctx: Context, url: str) -> None:
    ctx.deployment.settings = ctx.settings.with_(redis_url=url)
    ctx.deployment.redis = QueueReader(url, timeout_seconds=1)


def test_plain_to_plain_is_healthy(ctx: Context, raw: redis.Redis) -> None:
    assert redis_tls.run(ctx) == []


def test_a_verified_certificate_is_healthy(ctx: Context, tls: Callable[..., None]) -> None:
    tls(90, "rediss://localhost:{port}/0?ssl_ca_certs={ca}")
    assert redis_tls.run(ctx) == []


def test_the_server_wants_tls_and_the_address_does_not(ctx: Context, tls: Callable[..., None]) -> None:
    tls(90, "redis://:hunter2secret@localhost:{port}/0")
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.ERROR
    assert finding.summary == "The server speaks TLS and the address says redis://; write rediss://"
    assert "hunter2secret" not in str(finding)


def test_the_address_wants_tls_and_the_server_does_not(ctx: Context, redis_url: str) -> None:
    attach(ctx, redis_url.replace("redis://", "rediss://"))
    [finding] = redis_tls.run(ctx)
    assert finding.summary == "The server speaks no TLS and the address says rediss://; write redis://"


def test_an_authority_nobody_told_about(ctx: Context, tls: Callable[..., None]) -> None:
    tls(90, "rediss://localhost:{port}/0")
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.ERROR
    assert finding.summary.startswith("The certificate of Redis is not accepted") and "self" in finding.summary


def test_unverified_or_about_to_expire(ctx: Context, tls: Callable[..., None]) -> None:
    tls(90, "rediss://localhost:{port}/0?ssl_cert_reqs=none")
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.INFO
    ctx.now += timedelta(days=80)
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.WARNING
    assert finding.summary == "The certificate of Redis expires in 9 d"


def test_nobody_there_has_nothing_to_do_with_tls(ctx: Context) -> None:
    attach(ctx, "rediss://127.0.0.1:1/0")
    assert ask(redis_tls, ctx).outcome == "unknown"
