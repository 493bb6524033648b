"""The one client for outgoing HTTP: import by URL, file proxies, probes of what a browser would see, webhooks.

A name is looked up once and the connection goes to an address that passed; so no second look-up can lead into a
network that is refused. Every redirect is checked anew. Time and size are bounded, TLS is verified against the name
that was asked for, and no message holds a password, a query or a path.

Source of the refused networks and of the settings: Label Studio's core/utils/io.py, `validate_ip` and
`ssrf_safe_request`; refused here beside them are the metadata address of Azure, site-local IPv6 and IPv4 in
its oldest IPv6 clothes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urljoin

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError, NameResolutionError
from urllib3.exceptions import SSLError as TlsError
from urllib3.util import Url, connection, make_headers, parse_url

from .errors import ConsoleError

NOT_ALLOWED = (
    "The provided URL was not allowed. URLs must use http:// or https://, and must not resolve to "
    "local or private network addresses when SSRF protection applies."
)
BANNED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "233.252.0.0/24", "240.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32",
        "::/128", "::1/128", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
        "2001:0000::/32", "2001:20::/28", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "::/96",
    )
)  # fmt: skip
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CHUNK_BYTES = 64 * 1024
#: A backslash before the path: who reads such a URL with another parser than we connect with sees another host.
_AMBIGUOUS = re.compile(r"[^/?#]*//[^/?#]*\\")


class Blocked(ConsoleError):
    """The address is one that we do not talk to; names the network, never the URL."""

    status = 403


class CannotFetch(ConsoleError):
    """The other side does not answer, or not as it should; names the host alone."""

    status = 400


class TooMuch(ConsoleError):
    """The other side sends more than was allowed."""

    status = 400


class _Told(Protocol):
    @property
    def ssrf_protection(self) -> bool: ...
    @property
    def default_banned_subnets(self) -> bool: ...
    @property
    def banned_subnets(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Rules:
    """Which addresses are refused; without `protected` none is, as Label Studio's SSRF_PROTECTION_ENABLED has it."""

    protected: bool = True
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = BANNED

    @classmethod
    def of(cls, settings: _Told) -> Rules:
        """The operator's rules."""
        more = tuple(ipaddress.ip_network(network) for network in settings.banned_subnets)
        return cls(settings.ssrf_protection, (BANNED if settings.default_banned_subnets else ()) + more)

    def need(self, address: str) -> None:
        """Raise Blocked for a refused address. An IPv4 address in IPv6 clothes is judged as both."""
        if not self.protected:
            return
        found = ipaddress.ip_address(address.partition("%")[0])
        inner = [found] if found.version == 4 else [found, *_wrapped(found)]
        for network in self.networks:
            if any(one in network for one in inner):
                raise Blocked(f"URL resolves to a reserved network address (block: {network})")


@dataclass(frozen=True)
class Answer:
    """What the other side said; read its body with `chunks` before the request's block ends."""

    status: int
    headers: Mapping[str, str]
    url: str
    raw: BaseHTTPResponse
    most_bytes: int | None

    @property
    def length(self) -> int | None:
        """Bytes of the body as announced, or None."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces. Raises TooMuch past the limit, CannotFetch when it breaks off."""
        seen = 0
        if self.most_bytes is not None and (self.length or 0) > self.most_bytes:
            raise TooMuch(f"{host_of(self.url)} sends {self.length} bytes; at most {self.most_bytes} are accepted.")
        try:
            while chunk := self.raw.read1(CHUNK_BYTES, decode_content=True):
                seen += len(chunk)
                if self.most_bytes is not None and seen > self.most_bytes:
                    raise TooMuch(f"{host_of(self.url)} sends more than the {self.most_bytes} bytes that are accepted.")
                yield chunk
            missing = getattr(self.raw, "length_remaining", None)
        except (HTTPError, OSError, ValueError) as error:
            raise CannotFetch(_why(self.url, error)) from None
        if missing:
            raise CannotFetch(f"{host_of(self.url)} broke off before its answer was complete.")


@contextlib.contextmanager
def request(
    method: str, url: str, rules: Rules, *, headers: Mapping[str, str] | None = None, login: tuple[str, str] | None = None,
    body: bytes | None = None, most_bytes: int | None = None, seconds: float = 60, redirects: int = 5, follow: bool = True,
) -> Iterator[Answer]:  # fmt: skip
    """Ask, follow redirects, and yield the last answer with its body unread; the connection ends with the block.

    `login` (user, password) is sent to the first host alone. `seconds` bounds the whole exchange, reading included.
    Without `follow` a redirect is the answer; with it, more than `redirects` of them are a CannotFetch.
    Raises Blocked, CannotFetch.
    """
    asked = _parsed(url)
    first, clock = (asked.scheme, asked.host, asked.port), _Clock(seconds)
    told = dict(headers or {})
    with contextlib.ExitStack() as stack:
        stack.callback(clock.stop)
        for _ in range(redirects + 1):
            secret = login if (asked.scheme, asked.host, asked.port) == first else None
            raw = _ask(method, asked, rules, told | _authorization(secret, asked), body, clock)
            stack.callback(raw.close)
            target = raw.headers.get("location")
            if raw.status not in REDIRECTS or not target or not follow:
                yield Answer(raw.status, raw.headers, _without_login(asked), raw, most_bytes)
                return
            asked = _parsed(redirected(_without_login(asked), target))
            if (asked.scheme, asked.host, asked.port) != first:
                told = {name: value for name, value in told.items() if name.lower() not in {"authorization", "cookie"}}
            if raw.status == 303 or (raw.status in {301, 302} and method == "POST"):
                method, body = "GET", None
    raise CannotFetch(f"{asked.host} redirects more than {redirects} times.")


def download(
    url: str, into: BinaryIO, rules: Rules, *, most_bytes: int, seconds: float = 300,
    headers: Mapping[str, str] | None = None, login: tuple[str, str] | None = None,
) -> Answer:  # fmt: skip
    """Stream a document into a file. Raises Blocked, TooMuch, and CannotFetch for any answer but a 2xx."""
    with request("GET", url, rules, headers=headers, login=login, most_bytes=most_bytes, seconds=seconds) as answer:
        if not 200 <= answer.status < 300:
            raise CannotFetch(f"{host_of(answer.url)} answered with status {answer.status}.")
        for chunk in answer.chunks():
            into.write(chunk)
    return answer


def redirected(url: str, target: str) -> str:
    """Where a `Location` leads. Raises CannotFetch for what is no address."""
    try:
        return urljoin(url, target)
    except ValueError:
        raise CannotFetch(f"{host_of(url)} redirects to what is no address.") from None


def host_of(url: str) -> str:
    """The host of a URL, fit for a message: no login, no path, no query."""
    try:
        return parse_url(url).host or "The URL"
    except LocationParseError:
        return "The URL"


def connect_guarded(wanted: HTTPConnection, need: Callable[[str], None]) -> socket.socket:
    """Look the connection's name up once and connect to an address that passed; `need` raises for one that may not be.

    Raises NameResolutionError (of urllib3) and OSError beside what `need` does. For connection classes of other clients.
    """
    try:
        found = socket.getaddrinfo(wanted._dns_host, wanted.port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NameResolutionError(wanted.host, wanted, socket.gaierror("no address")) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:  # one bad record is enough: whoever mixes them means no good
        need(address)
    failure = OSError("no address")
    for address in addresses:
        try:
            return connection.create_connection((address, wanted.port), wanted.timeout, None, wanted.socket_options)
        except OSError as error:
            failure = error
    raise failure


class _Clock:
    """Ends an exchange by force when its time is over: a sender that drips a byte now and then meets no timeout."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.over = seconds, False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        self._sockets.append(sock)
        if self.over:
            self._end()

    def stop(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Guarded(HTTPConnection):
    """Looks the name up once and connects to an address that passed. `rules` and `clock` are set by `_ask`."""

    rules: Rules
    clock: _Clock

    def _new_conn(self) -> socket.socket:
        try:
            sock = connect_guarded(self, self.rules.need)
        except NameResolutionError:
            raise CannotFetch(f"Can't resolve hostname {self.host}") from None
        except OSError as error:
            raise CannotFetch(_why(self.host, error)) from None
        self.clock.watch(sock)
        return sock


class _GuardedTls(_Guarded, HTTPSConnection):
    """The same below TLS; name and certificate are those of the host that was asked for."""

    def connect(self) -> None:
        super().connect()
        self.clock.watch(self.sock)  # another socket than the one it was made of


def _ask(
    method: str, url: Url, rules: Rules, headers: dict[str, str], body: bytes | None, clock: _Clock
) -> BaseHTTPResponse:
    timeout = Timeout(connect=min(10.0, clock.seconds), read=min(30.0, clock.seconds))
    host = (url.host or "").strip("[]")
    port = url.port or (443 if url.scheme == "https" else 80)  # without one, http.client reads it off an IPv6 address
    pool: HTTPConnectionPool
    if url.scheme == "https":
        kind: type[_Guarded] = _GuardedTls
        pool = HTTPSConnectionPool(host, port, timeout=timeout, retries=False, cert_reqs="CERT_REQUIRED")
    else:
        kind, pool = _Guarded, HTTPConnectionPool(host, port, timeout=timeout, retries=False)
    pool.ConnectionCls = type("Guarded", (kind,), {"rules": rules, "clock": clock})
    try:
        return pool.urlopen(
            method, url.request_uri, body=body, headers={"User-Agent": "lsconsole", "Accept-Encoding": "identity"} | headers,
            redirect=False, preload_content=False, decode_content=True, assert_same_host=False,
        )  # fmt: skip
    except (HTTPError, OSError, ValueError) as error:
        if clock.over:
            raise CannotFetch(f"{url.host} did not answer within {clock.seconds:g} s.") from None
        raise CannotFetch(_why(url.host or "", error)) from None


def _parsed(url: str) -> Url:
    try:
        parsed = parse_url(url.strip())
    except (LocationParseError, UnicodeError, ValueError):
        raise Blocked(NOT_ALLOWED) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or "%" in parsed.host or _AMBIGUOUS.match(url):
        raise Blocked(NOT_ALLOWED)
    return parsed


def _authorization(login: tuple[str, str] | None, url: Url) -> dict[str, str]:
    if login is None and url.auth:
        user, _, password = url.auth.partition(":")
        login = unquote(user), unquote(password)
    if login is None:
        return {}
    try:
        return make_headers(basic_auth=f"{login[0]}:{login[1]}")
    except UnicodeEncodeError:
        raise CannotFetch("User and password of a URL are Latin letters, digits and signs.") from None


def _without_login(url: Url) -> str:
    return url._replace(auth=None).url


def _wrapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    teredo = address.teredo or ()
    return [inner for inner in (address.ipv4_mapped, address.sixtofour, *teredo) if inner is not None]


def _why(where: str, error: BaseException) -> str:
    host = host_of(where) if "://" in where else where
    cause = error.__cause__ or error
    if isinstance(error, TlsError) or isinstance(cause, TlsError) or "certificate" in str(error).lower():
        return f"The certificate of {host} could not be verified."
    if "timed out" in str(error).lower() or isinstance(error, TimeoutError):
        return f"{host} did not answer in time."
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error).lower():
        return f"{host} refused the connection."
    return f"{host} could not be reached or broke off."
