"""Who may look, and what is said when nobody answers: addresses, passwords, permissions, TLS."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from console.demo.processes import free_port
from console.deployment.queues import QueueReader
from console.deployment.redis_reading import NotReadOnly, ReadOnlyRedis
from console.errors import Unknown
from tests.deployment.rq_keys import raw, server, use_everything
from tests.redis_watch import ProgramEndedError, run_redis

__all__ = ["raw", "server"]


def problem(url: str, **options: Any) -> str:
    with pytest.raises(Unknown) as told:
        QueueReader(url, **options).queues()
    assert "\n" not in str(told.value) and "hunter2" not in str(told.value)
    return str(told.value)


def test_nobody_listens() -> None:
    port = free_port()
    assert problem(f"redis://:hunter2@127.0.0.1:{port}/0").startswith(f"Redis at 127.0.0.1:{port} cannot be reached: ")


def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert problem(f"redis://127.0.0.1:{port}", timeout_seconds=0.3).endswith("did not answer within 0.3 s.")


@pytest.mark.parametrize(
    "url", ["", "hunter2", "http://x:hunter2@h", "redis://:hun/ter2@h:1/0", "redis://h:port/0", "redis://[::1"]
)
def test_an_address_that_is_none(url: str) -> None:
    assert "cannot be read" in problem(url)


def test_tls_against_a_server_without(server: int) -> None:
    assert "TLS" in problem(f"rediss://127.0.0.1:{server}/0", timeout_seconds=1)


def test_a_password_that_nobody_wants(server: int, raw: redis.Redis) -> None:
    assert "has no password" in problem(f"redis://:hunter2@127.0.0.1:{server}/0")


def test_passwords_and_permissions(tmp_path: Path) -> None:
    for port in run_redis(tmp_path, ["--requirepass", "hunter2"]):
        assert "asks for a password" in problem(f"redis://127.0.0.1:{port}/0")
        assert "refuses the password of user default" in problem(f"redis://:hunter2wrong@127.0.0.1:{port}/0")
        admin = redis.Redis(port=port, password="hunter2")
        use_everything(QueueReader(f"redis://:hunter2@127.0.0.1:{port}/0"))

        admin.execute_command("ACL", "SETUSER", "looker", "on", ">hunter2", "+ping", "+auth")
        url = f"redis://looker:hunter2@127.0.0.1:{port}/0"
        told = problem(url)
        grant = "ACL SETUSER looker +@read +ping +info +select ~rq:*"
        assert told.endswith(grant)
        admin.execute_command("ACL", "SETUSER", "looker", "+@read")
        assert problem(url).endswith(grant)  # commands, but no keys
        admin.execute_command(*grant.split())
        use_everything(QueueReader(url))
        use_everything(QueueReader(f"redis://looker:hunter2@127.0.0.1:{port}/1"))
        info = QueueReader(url).info()  # CONFIG GET is not among these rights
        assert info.save_rules is None and info.saves_snapshots is None and info.persistent is None
        assert info.maxclients and info.version.count(".") == 2


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate_file, key_file = folder / "redis.crt", folder / "redis.key"
    certificate_file.write_bytes(signed.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


def test_tls(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", str(crt), "--tls-key-file", str(key), "--tls-ca-cert-file", str(crt)]
    try:
        for _ in run_redis(tmp_path, ["--tls-port", str(port), *files, "--tls-auth-clients", "no"]):
            use_everything(QueueReader(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={crt}"))
            use_everything(QueueReader(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none"))
            assert "cannot be reached over TLS" in problem(f"rediss://127.0.0.1:{port}/0")
    except ProgramEndedError:
        pytest.skip("this redis-server was built without TLS")


@pytest.mark.parametrize(
    "command", ["DEL", "SET", "EVAL", "FLUSHALL", "get", "CONFIG", "CONFIG SET", "SORT", "EXPIRE", "XADD"]
)
def test_anything_else_is_refused_before_it_is_sent(server: int, raw: redis.Redis, command: str) -> None:
    raw.set("a", "1")
    guarded = ReadOnlyRedis(f"redis://127.0.0.1:{server}", 5, "rq")
    with pytest.raises(NotReadOnly):
        guarded.call(command, "a", "b")
    with pytest.raises(NotReadOnly):
        guarded.pipeline([("GET", "a"), (command, "a", "b")])
    assert raw.get("a") == b"1"
