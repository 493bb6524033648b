"""Where a storage row may lead: every connection is judged, redirects lead nowhere, and no answer goes on for ever."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.deployment.buckets import (
    BucketBlocked,
    BucketProblem,
    BucketUnreachable,
    Reach,
    Timeouts,
    open_bucket,
)
from console.egress import Rules
from tests.s3_server import S3Server

QUICK = Timeouts(connect_seconds=1, read_seconds=0.6)
CLOSED = Reach(timeouts=QUICK)
OPEN = Reach(rules=Rules(protected=False), timeouts=QUICK)


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(running: S3Server) -> S3Server:
    running.bucket("data", {f"f/{number}": b"x" for number in range(20)})
    running.drip_seconds = 0.05
    running.log.clear()
    return running


def port(s3: S3Server) -> str:
    return s3.endpoint.rpartition(":")[2]


HOSTS = [
    "127.0.0.1",
    "localhost",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
]


@pytest.mark.parametrize("host", HOSTS)
def test_an_endpoint_in_a_private_network_is_refused(s3: S3Server, host: str) -> None:
    endpoint = f"http://{host}:{port(s3)}"
    with pytest.raises(BucketBlocked, match="LSCONSOLE_BUCKET_ENDPOINTS") as told:
        open_bucket("s3", s3.row("data", s3_endpoint=endpoint), CLOSED).list(None, True, 1)
    assert not told.value.metadata and not s3.log


def test_every_method_is_refused(s3: S3Server) -> None:
    bucket = open_bucket("s3", s3.row("data", s3_endpoint=f"http://localhost:{port(s3)}"), CLOSED)
    for call in (
        lambda: bucket.validate(None, True), lambda: bucket.head("k"), lambda: bucket.read("k", 1), lambda: bucket.stream("k"),
        lambda: bucket.cors(), lambda: bucket.put("k", b""), lambda: bucket.delete("k"),
        lambda: bucket.presign("k", 60),
    ):  # fmt: skip
        with pytest.raises(BucketBlocked):
            call()
    assert not s3.log
    unknown = open_bucket("s3", s3.row("data", s3_endpoint="http://no-such-host.invalid"), CLOSED)
    assert unknown.presign("k", 60).startswith("http://no-such-host.invalid/data/k?")


@pytest.mark.parametrize("allowed", ["localhost", "localhost:{port}"])
def test_the_operator_may_allow_a_host(s3: S3Server, allowed: str) -> None:
    reach = Reach(allowed=(allowed.format(port=port(s3)),), timeouts=QUICK)
    row = s3.row("data", s3_endpoint=f"http://LocalHost:{port(s3)}")
    assert open_bucket("s3", row, reach).list("f", True, 1).keys
    with pytest.raises(BucketBlocked):
        open_bucket("s3", s3.row("data"), reach).list("f", True, 1)  # the same place by another name
    with pytest.raises(BucketBlocked):
        open_bucket("s3", row, Reach(allowed=("localhost:1",), timeouts=QUICK)).list("f", True, 1)


def test_an_endpoint_of_the_environment_is_trusted(s3: S3Server) -> None:
    reach = Reach(environment={"S3_ENDPOINT": s3.endpoint}, timeouts=QUICK)
    assert open_bucket("s3", s3.row("data", s3_endpoint=""), reach).list("f", True, 1).keys
    with pytest.raises(BucketBlocked):
        open_bucket("s3", s3.row("data", s3_endpoint=s3.endpoint), reach).list("f", True, 1)


METADATA = ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "metadata.google.internal", "metadata.goog.",
            "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]"]  # fmt: skip


@pytest.mark.parametrize("host", METADATA)
def test_metadata_services_are_refused_whatever_the_settings(host: str) -> None:
    bare = host.strip("[]")
    reach = Reach(rules=Rules(protected=False), allowed=(bare,), timeouts=QUICK)
    row = {"bucket": "data", "s3_endpoint": f"http://{host}", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with pytest.raises(BucketBlocked, match="metadata service") as told:
        open_bucket("s3", row, reach).list(None, True, 1)
    assert told.value.metadata


def test_a_name_that_changes_its_address_is_judged_at_every_connection(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = iter(["127.0.0.1", "169.254.169.254"])
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **named: Any) -> Any:
        if host != "turncoat.example":
            return real(host, *rest, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(addresses), int(port(s3))))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    row = s3.row("data", s3_endpoint=f"http://turncoat.example:{port(s3)}")
    bucket = open_bucket("s3", row, OPEN)
    assert bucket.list("f", True, 1).keys
    s3.buckets["data"].faults["LIST"] = "reset"  # asked again at once, by a new connection
    with pytest.raises(BucketBlocked, match="metadata service"):
        bucket.list("f", True, 1)


def test_one_bad_address_among_good_ones_is_enough(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port(s3)))) for address in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(BucketBlocked, match=r"10\.0\.0\.1"):
        open_bucket("s3", s3.row("data", s3_endpoint="http://mixed.example"), CLOSED).list(None, True, 1)


@pytest.mark.parametrize("endpoint", ["http://h:99999", "http://h:x", "http://[::1", "ftp://h", "h", "http://"])
def test_an_endpoint_that_is_no_address(endpoint: str) -> None:
    row = {"bucket": "data", "s3_endpoint": endpoint, "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with pytest.raises(BucketProblem) as told:
        open_bucket("s3", row, CLOSED).list(None, True, 1)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_a_redirect_is_not_followed(s3: S3Server, status: str) -> None:
    with S3Server() as other:
        other.bucket("data", {"f/1": b"secret"})
        s3.buckets["data"].region, s3.buckets["data"].wrong_region = "us-east-1", other.endpoint
        row = s3.row("data", region_name="eu-west-1")
        assert open_bucket("s3", row, OPEN).read("f/1", 9) == b"x"
        s3.buckets["data"].faults["GET"] = f"{status} Elsewhere"
        with pytest.raises(BucketProblem):
            open_bucket("s3", s3.row("data"), OPEN).read("f/1", 9)
        assert not other.log


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("LIST", "hang"),
        ("GET", "hang"),
        ("HEAD", "hang"),
        ("PUT", "hang"),
        ("LIST", "drip"),
        ("GET", "drip"),
        ("PUT", "drip"),
    ],
)
def test_a_server_that_keeps_us_waiting(s3: S3Server, operation: str, fault: str) -> None:
    s3.buckets["data"].faults[operation] = fault
    bucket = open_bucket("s3", s3.row("data"), OPEN)
    calls = {"LIST": lambda: bucket.list(None, True, 1), "GET": lambda: bucket.read("f/1", 9), "HEAD": lambda: bucket.head("f/1"),
             "PUT": lambda: bucket.put("f/1", b"{}"), "GETCORS": lambda: bucket.cors()}  # fmt: skip
    started = time.monotonic()
    with pytest.raises(BucketUnreachable, match="did not answer in time"):
        calls[operation]()
    assert time.monotonic() - started < 2.5


def test_a_stream_that_drips_ends(s3: S3Server) -> None:
    """The headers come at once and the body byte by byte, which no timeout of a single read would notice."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                for _ in range(1000):
                    peer.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    row = s3.row("data", s3_endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
    started = time.monotonic()
    stream = open_bucket("s3", row, OPEN).stream("k")
    with pytest.raises(BucketUnreachable, match="did not answer in time"):
        list(stream.chunks)
    assert time.monotonic() - started < 3
    listener.close()


def test_a_reader_that_takes_its_time_is_not_the_servers_fault(s3: S3Server) -> None:
    s3.buckets["data"].objects["big"] = b"x" * 8_000_000
    stream = open_bucket("s3", s3.row("data"), OPEN).stream("big")
    seen = len(next(stream.chunks))
    time.sleep(1.3)
    assert seen + sum(map(len, stream.chunks)) == 8_000_000


@pytest.mark.parametrize("operation", ["LIST", "GET", "GETCORS"])
def test_an_answer_that_breaks_off(s3: S3Server, operation: str) -> None:
    s3.buckets["data"].faults[operation] = "cut"
    s3.buckets["data"].objects["k"] = b"x" * 1000
    s3.buckets["data"].cors = []
    bucket = open_bucket("s3", s3.row("data"), OPEN)
    calls = {
        "LIST": lambda: bucket.list(None, True, 1),
        "GET": lambda: bucket.read("k", 9999),
        "GETCORS": lambda: bucket.cors(),
    }
    with pytest.raises(BucketUnreachable, match="broke off"):
        calls[operation]()
    if operation == "GET":
        with pytest.raises(BucketUnreachable, match="broke off"):
            list(bucket.stream("k").chunks)


def test_tls_is_verified_and_paced(tmp_path: Path) -> None:
    """A certificate nobody here trusts; the same bytes pass once botocore is told to trust it."""
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with S3Server(tls=context) as secure:
        secure.bucket("data", {"f/1": b"x"})
        bucket: Any = open_bucket("s3", secure.row("data"), OPEN)
        with pytest.raises(BucketUnreachable, match="over TLS"):
            bucket.list(None, True, 1)
        bucket._client._endpoint.http_session._verify = str(certificate)
        assert bucket.read("f/1", 9) == b"x"
        secure.drip_seconds = 0.05
        secure.buckets["data"].faults["GET"] = "drip"
        with pytest.raises(BucketUnreachable, match="did not answer in time"):
            bucket.read("f/1", 9)


def _certificate(directory: Path) -> tuple[Path, Path]:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "small s3")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (directory / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    told = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "key.pem").write_bytes(told)
    return directory / "certificate.pem", directory / "key.pem"
