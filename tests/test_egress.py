"""Outgoing requests: where they may go, what bounds them, and that no message gives a secret away."""

from __future__ import annotations

import datetime
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.config import Settings
from console.egress import NOT_ALLOWED, Blocked, CannotFetch, Rules, TooMuch, download, host_of, request

ANYWHERE = Rules(protected=False)
Reply = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(reply: Reply, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server on 127.0.0.1 that answers every request with `reply`; yields `host:port`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that hangs up is part of the test."""

    found = Server(("127.0.0.1", 0), Handler)
    if tls:
        found.socket = tls.wrap_socket(found.socket, server_side=True)
    threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{found.server_address[1]}"
    finally:
        found.shutdown()
        found.server_close()


def say(body: bytes = b"hello", status: int = 200, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def fetched(url: str, rules: Rules = ANYWHERE, **options: object) -> bytes:
    into = io.BytesIO()
    download(url, into, rules, most_bytes=10**6, **options)  # type: ignore[arg-type]
    return into.getvalue()


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"), ("localhost", "127.0.0.0/8"), ("2130706433", "127.0.0.0/8"),
        ("0x7f.1", "127.0.0.0/8"), ("0.0.0.0", "0.0.0.0/8"), ("10.1.2.3", "10.0.0.0/8"),
        ("169.254.169.254", "169.254.0.0/16"), ("100.100.100.200", "100.64.0.0/10"), ("168.63.129.16", "168.63.129.16/32"),
        ("[::1]", "::1/128"), ("[::ffff:127.0.0.1]", "127.0.0.0/8"), ("[::ffff:8.8.8.8]", "::ffff:0:0/96"),
        ("[2002:7f00:1::]", "127.0.0.0/8"), ("[64:ff9b::7f00:1]", "64:ff9b::/96"), ("[fd00:ec2::254]", "fc00::/7"),
        ("[fe80::1]", "fe80::/10"), ("[::7f00:1]", "::/96"), ("[ff02::1]", "ff00::/8"), ("255.255.255.255", "240.0.0.0/4"),
    ],
)  # fmt: skip
def test_reserved_addresses_are_refused_and_the_network_is_named(host, network, monkeypatch):
    monkeypatch.setattr(socket, "socket", _never)
    for port in (":9", ""):
        with pytest.raises(Blocked) as refused:
            fetched(f"http://{host}{port}/secret?key=1", Rules())
        assert str(refused.value) == f"URL resolves to a reserved network address (block: {network})"


def _never(*_: object, **__: object) -> None:
    raise AssertionError("no connection may be tried")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.com/x", "//example.com", "http://", "http://[::1",
            "", "http://[fe80::1%25lo]/", "javascript:1", "http://exa mple.com:99999999/",
            r"http://127.0.0.1:9\@files.example.com/a.jpg"],
)  # fmt: skip
def test_other_schemes_and_broken_urls_are_refused(url):
    with pytest.raises(Blocked) as refused:
        fetched(url)
    assert str(refused.value) == NOT_ALLOWED


def test_the_operators_settings_mean_what_they_mean_in_label_studio():
    assert Rules.of(Settings.load({})) == Rules()
    assert Rules.of(Settings.load({"LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false"})).protected is False
    own = Rules.of(Settings.load({"USE_DEFAULT_BANNED_SUBNETS": "0", "USER_ADDITIONAL_BANNED_SUBNETS": "8.8.8.0/24"}))
    own.need("127.0.0.1")
    for address in ("8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::"):
        with pytest.raises(Blocked, match=r"8\.8\.8\.0/24"):
            own.need(address)
    more = Rules.of(Settings.load({"USER_ADDITIONAL_BANNED_SUBNETS": "2a00::/12"}))
    with pytest.raises(Blocked, match=r"2a00::/12"):
        more.need("2a00:1450::1")


def test_a_name_is_looked_up_once_and_one_bad_record_is_enough(monkeypatch):
    asked = []

    def rebinding(host: str, port: int, *_: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "socket", _never)
    with pytest.raises(Blocked):
        fetched("http://rebinding.example/", Rules())
    assert asked == ["rebinding.example"]


def test_a_document_is_streamed_and_the_host_header_keeps_the_name(monkeypatch):
    seen = {}

    def reply(handler: BaseHTTPRequestHandler) -> None:
        seen.update(handler.headers)
        say(b"x" * 300_000)(handler)

    with server(reply) as address:
        port = int(address.partition(":")[2])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_: found if host != "" else None)
        assert fetched(f"http://data.example:{port}/a") == b"x" * 300_000
    assert seen["Host"] == f"data.example:{port}" and "Authorization" not in seen


def test_a_redirect_is_checked_again_and_takes_no_login_along():
    rules = Rules(networks=(ipaddress.ip_network("127.0.0.2/32"),))
    seen = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, handler.headers.get("Authorization")))
        target = {
            "/same": "/end",
            "/inside": "http://127.0.0.2:1/",
            "/file": "file:///etc/passwd",
            "/ring": "/ring",
            "/broken": "http://[",
        }
        where = target.get(handler.path)
        say(b"", 302, Location=where)(handler) if where else say(b"end")(handler)

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        say(b"", 302, Location=f"http://{address}/other")(handler)

    with server(reply) as address, server(elsewhere) as first:
        assert fetched(f"http://{address}/same", rules, login=("me", "pass")) == b"end"
        assert [bool(login) for _, login in seen] == [True, True]
        with pytest.raises(Blocked, match=r"127\.0\.0\.2/32"):
            fetched(f"http://{address}/inside", rules)
        with pytest.raises(Blocked):
            fetched(f"http://{address}/file", rules)
        with pytest.raises(CannotFetch, match="redirects more than 5 times"):
            fetched(f"http://{address}/ring", rules)
        with pytest.raises(CannotFetch, match="redirects to what is no address"):
            fetched(f"http://{address}/broken", rules)
        secret = {"Authorization": "Token 1", "Cookie": "sessionid=1", "X-Mine": "1"}
        fetched(f"http://me:pass@{first}/", rules, headers=secret)
    assert seen[-1] == ("/other", None)


def test_a_login_in_the_url_is_sent_and_never_told():
    seen = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("Authorization"))
        say(status=403)(handler)

    with server(reply) as address, pytest.raises(CannotFetch) as failed:
        fetched(f"http://me:s%40crt@{address}/path?key=k3y")
    assert str(failed.value) == "127.0.0.1 answered with status 403."
    assert seen == ["Basic bWU6c0BjcnQ="]
    assert host_of("http://me:s3cret@example.com/x?key=1") == "example.com"


def test_size_is_bounded_whatever_was_announced():
    with server(say(b"x" * 2000)) as address, pytest.raises(TooMuch, match="2000 bytes; at most 1000"):
        download(f"http://{address}/", io.BytesIO(), ANYWHERE, most_bytes=1000)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"3e8\r\n" + b"y" * 1000 + b"\r\n")

    endless.protocol_version = "HTTP/1.1"  # type: ignore[attr-defined]
    into = io.BytesIO()
    with server(endless) as address, pytest.raises(TooMuch, match="more than the 50000 bytes"):
        download(f"http://{address}/", into, ANYWHERE, most_bytes=50_000)
    assert len(into.getvalue()) <= 50_000


def test_a_bomb_is_bounded_by_what_it_unpacks_to():
    import gzip

    bomb = gzip.compress(b"\0" * 20_000_000)
    with server(say(bomb, Content_Encoding="gzip")) as address, pytest.raises(TooMuch):
        download(f"http://{address}/", io.BytesIO(), ANYWHERE, most_bytes=100_000)
    with server(say(gzip.compress(b"packed"), Content_Encoding="gzip")) as address:
        assert fetched(f"http://{address}/") == b"packed"


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b".")
        handler.wfile.flush()
        time.sleep(0.05)


def test_time_is_bounded_for_a_sender_that_drips():
    started = time.monotonic()
    with server(drip) as address, pytest.raises(CannotFetch):
        fetched(f"http://{address}/", seconds=0.4)
    assert time.monotonic() - started < 2


def test_time_is_bounded_below_tls(tmp_path, monkeypatch):
    context, authority = _certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    with server(drip, context) as address:
        url = f"https://localhost:{address.partition(':')[2]}/"
        started = time.monotonic()
        with pytest.raises(CannotFetch):
            fetched(url, seconds=0.6)
        assert time.monotonic() - started < 2


def test_an_answer_that_breaks_off_is_no_document():
    with server(say(b"half", Content_Length="1000")) as address, pytest.raises(CannotFetch, match="broke off"):
        fetched(f"http://{address}/")


def test_who_does_not_answer_is_named_without_the_rest_of_the_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CannotFetch) as failed:
        fetched(f"http://me:secret@127.0.0.1:{port}/path?token=1")
    assert str(failed.value) == "127.0.0.1 refused the connection."
    with pytest.raises(CannotFetch, match=r"Can't resolve hostname no-such-host\.invalid"):
        fetched("http://no-such-host.invalid/")


def test_tls_is_verified_against_the_name_that_was_asked_for(tmp_path, monkeypatch):
    context, authority = _certificate(tmp_path, "data.example")
    with server(say(b"safe"), context) as address:
        port = int(address.partition(":")[2])
        with pytest.raises(CannotFetch, match=r"certificate of 127\.0\.0\.1"):
            fetched(f"https://{address}/")
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        monkeypatch.setenv("SSL_CERT_FILE", authority)
        assert fetched(f"https://data.example:{port}/") == b"safe"
        with pytest.raises(CannotFetch, match=r"certificate of other\.example"):
            fetched(f"https://other.example:{port}/")


def test_a_request_can_post_and_tells_status_and_headers():
    seen = []

    def reply(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        say(b"", 204, X_Answer="yes")(handler)

    with server(reply) as address, request("POST", f"http://{address}/hook", ANYWHERE, body=b"{}") as answer:
        assert (answer.status, answer.headers["X-Answer"]) == (204, "yes")
    assert seen == [b"{}"]


def _certificate(directory, name: str) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority, both = directory / "authority.pem", directory / "both.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(private + authority.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, str(authority)
