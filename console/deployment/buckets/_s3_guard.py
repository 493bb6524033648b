"""How S3 is connected to: every address is judged, and senders that drip are given up on.

botocore looks names up anew at each connection, so judging an endpoint when it is stored or opened would not be enough.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from ...egress import connect_guarded
from . import Reach

#: A sender may take this long on top of one second for each SLOWEST_BYTES it sends: one that drips meets no timeout.
SLOWEST_BYTES = 64 * 1024


class Judge:
    """Raises BucketBlocked for addresses that an endpoint of a storage row may not lead to.

    Made of one that is no address, ValueError; of a metadata service or a refused address itself, BucketBlocked.
    """

    def __init__(self, endpoint: str, reach: Reach) -> None:
        named = urlsplit(endpoint)
        self.host, self.port = (
            (named.hostname or "").rstrip("."),
            named.port or (443 if named.scheme == "https" else 80),
        )
        self._reach, self._rules = reach, reach.rules_for(self.host, self.port)
        self._looked_up = False
        with contextlib.suppress(ValueError):
            Reach.need(self._rules, self.host, str(ipaddress.ip_address(self.host)))

    def need(self, asked: str, address: str) -> None:
        """Judge a connection to the endpoint's host, to a bucket's host below it, or to a proxy."""
        own = asked.strip("[]").rstrip(".").lower()
        below = own == self.host or own.endswith(f".{self.host}")
        Reach.need(self._rules if below else self._reach.rules_for(own, self.port), own, address)

    def look_up(self) -> None:
        """Judge what the name stands for here and now, once; a name nobody knows passes."""
        if self._looked_up:
            return
        with contextlib.suppress(OSError, UnicodeError):
            for found in socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM):
                self.need(self.host, str(found[4][0]))
        self._looked_up = True


def guard(session: Any, judge: Judge | None, seconds: float) -> None:
    """Make botocore's HTTP session connect by `connect_guarded`, and give up on senders that drip.

    Every connection is judged; without a judge, which is for what the environment names, none is refused.
    """

    def need(host: str, address: str) -> None:
        if judge:
            judge.need(host, address)

    settings = {"need": staticmethod(need), "patience": seconds}
    plain = type("Guarded", (_Guarded, AWSHTTPConnection), settings)
    tls = type("GuardedTls", (_Guarded, AWSHTTPSConnection), settings)
    pools = {
        "http": type("GuardedPool", (AWSHTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("GuardedTlsPool", (AWSHTTPSConnectionPool,), {"ConnectionCls": tls}),
    }
    session._pool_classes_by_scheme = pools  # for proxies, which get a manager of their own
    session._manager.pool_classes_by_scheme = pools


class _Guarded:
    """Before a connection class of botocore; `guard` sets both attributes."""

    need: Callable[[str, str], None]
    patience: float
    host: str
    sock: Any

    def _new_conn(self) -> socket.socket:
        wanted: Any = self
        try:
            return connect_guarded(wanted, lambda address: self.need(self.host, address))
        except TimeoutError as error:
            raise ConnectTimeoutError(wanted, "timed out") from error
        except OSError as error:
            raise NewConnectionError(wanted, str(error)) from error

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _Paced(self.sock, self.patience)

    def request(self, *arguments: Any, **named: Any) -> None:
        if self.sock is not None:
            self.sock.restart()
        super().request(*arguments, **named)  # type: ignore[misc]


class _Paced:
    """A socket, TLS or not, whose reading ends when the other side is slower than anybody can be who means it well."""

    def __init__(self, sock: Any, patience: float) -> None:
        self._sock, self._patience = sock, patience
        self.restart()

    def restart(self) -> None:
        self.waited, self.received = 0.0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str, buffering: int = -1) -> io.BufferedReader | io.RawIOBase:
        raw = _PacedReader(self, self._sock.makefile(mode, 0))
        return raw if buffering == 0 else io.BufferedReader(raw, 16 * 1024)

    def waited_for(self, seconds: float, received: int) -> None:
        self.waited += seconds
        self.received += received
        if self.waited > self._patience + self.received / SLOWEST_BYTES:
            raise TimeoutError("timed out")


class _PacedReader(io.RawIOBase):
    def __init__(self, pace: _Paced, raw: Any) -> None:
        self._pace, self._raw = pace, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        started = time.monotonic()
        received: int = self._raw.readinto(buffer)
        self._pace.waited_for(time.monotonic() - started, received or 0)
        return received

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
