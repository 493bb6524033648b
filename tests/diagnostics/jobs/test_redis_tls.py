"""jobs.redis_tls: address and server disagree about TLS. A real Redis with TLS, and one without."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.jobs.redis_tls import redis_tls
from console.diagnostics.runner import ask

OwnRedis = Callable[..., redis.Redis]


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[float], tuple[str, ...]]:
    """`certificate(days)` makes one of our own, and returns the options of a Redis that shows it."""

    def make(days: float) -> tuple[str, ...]:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = (
            builder.serial_number(1)
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        made = builder.sign(key, hashes.SHA256())
        (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "key.pem").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ))  # fmt: skip
        return ("--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem"),
                "--tls-auth-clients", "no")  # fmt: skip

    return make


def test_plain_to_plain_is_healthy(ctx: Context, raw: redis.Redis) -> None:
    assert redis_tls.run(ctx) == []


def test_a_verified_certificate_is_healthy(
    ctx: Context, own_redis: OwnRedis, certificate: Callable[[float], tuple[str, ...]], tmp_path: Path
) -> None:
    options = certificate(90)
    own_redis(*options, tls=True, url=f"rediss://localhost:{{port}}/0?ssl_ca_certs={tmp_path}/cert.pem")
    assert redis_tls.run(ctx) == []


def test_the_server_wants_tls_and_the_address_does_not(
    ctx: Context, own_redis: OwnRedis, certificate: Callable[[float], tuple[str, ...]]
) -> None:
    own_redis(*certificate(90), tls=True, url="redis://:hunter2secret@localhost:{port}/0")
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.ERROR
    assert finding.summary == "The server speaks TLS and the address says redis://; write rediss://"
    assert "hunter2secret" not in str(finding)


def test_the_address_wants_tls_and_the_server_does_not(ctx: Context, own_redis: OwnRedis) -> None:
    own_redis(url="rediss://localhost:{port}/0")
    [finding] = redis_tls.run(ctx)
    assert finding.summary == "The server speaks no TLS and the address says rediss://; write redis://"


def test_an_authority_nobody_told_about(
    ctx: Context, own_redis: OwnRedis, certificate: Callable[[float], tuple[str, ...]]
) -> None:
    own_redis(*certificate(90), tls=True, url="rediss://localhost:{port}/0")
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.ERROR
    assert finding.summary.startswith("The certificate of Redis is not accepted") and "self" in finding.summary


def test_unverified_or_about_to_expire(
    ctx: Context, own_redis: OwnRedis, certificate: Callable[[float], tuple[str, ...]]
) -> None:
    own_redis(*certificate(90), tls=True, url="rediss://localhost:{port}/0?ssl_cert_reqs=none")
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.INFO
    ctx.now += timedelta(days=80)
    [finding] = redis_tls.run(ctx)
    assert finding.severity == Severity.WARNING
    assert finding.summary == "The certificate of Redis expires in 9 d"


def test_nobody_there_has_nothing_to_do_with_tls(ctx: Context) -> None:
    from console.deployment.queues import QueueReader

    ctx.deployment.settings = ctx.settings.with_(redis_url="rediss://127.0.0.1:1/0")
    ctx.deployment.redis = QueueReader("rediss://127.0.0.1:1/0", timeout_seconds=1)
    assert ask(redis_tls, ctx).outcome == "unknown"
