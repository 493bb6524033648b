"""A Redis connection that can only read: whatever is not on the list below never leaves the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    MovedError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from ..errors import ConsoleError, Unknown
from ..masking import mask_text

READ_COMMANDS = frozenset({
    "CONFIG GET", "EXISTS", "GET", "HGETALL", "HMGET", "HSTRLEN", "INFO", "LLEN", "LPOS", "LRANGE", "MEMORY USAGE",
    "PING", "SCAN", "SCARD", "SMEMBERS", "SSCAN", "TTL", "TYPE", "XLEN", "XREVRANGE", "ZCARD", "ZCOUNT", "ZRANGE",
    "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE",
})  # fmt: skip

# What a URL may say besides where the server is; anything else would change how we talk to it.
_URL_OPTIONS = {"db", "username", "password", "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


class NotReadOnly(ConsoleError):
    """A command that is not known to only read was about to be sent: a mistake of ours, never of the deployment."""


def _with_query(url: str, query: str) -> str:
    """The address with another query; by hand, since urlunsplit drops the slashes of `unix:///path`."""
    address = url.partition("?")[0]
    return f"{address}?{query}" if query else address


class ReadOnlyRedis:
    """Sends read commands and gives back what the server said, undecoded. Failures are Unknown, in one sentence."""

    def __init__(self, url: str, timeout_seconds: float, prefix: str) -> None:
        self._prefix = prefix
        try:
            parts = urlsplit(url.strip())
            options = [(name, value) for name, value in parse_qsl(parts.query) if name in _URL_OPTIONS]
            pool = redis.ConnectionPool.from_url(
                _with_query(url.strip(), urlencode(options)),
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                protocol=2,  # the one every server speaks, and no maintenance notifications to subscribe to
                driver_info=None,  # no CLIENT SETINFO
                decode_responses=False,
            )
        except ValueError:
            message = (
                "The Redis address cannot be read; write redis://[user:password@]host:port/db, rediss:// for TLS, "
            )
            raise Unknown(f"{message}and percent-encode signs like / # @ in the password.") from None
        known = pool.connection_kwargs
        self._where = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
        self._user = known.get("username") or "default"
        self._timeout_seconds = timeout_seconds
        self.tls = url.strip().lower().startswith("rediss:")
        self.database = int(known.get("db") or 0)
        self._client = redis.Redis(connection_pool=pool)
        self._client.response_callbacks.clear()

    def close(self) -> None:
        self._client.connection_pool.disconnect()

    def call(self, *command: Any) -> Any:
        """One command; a server's complaint about a key's type raises ResponseError."""
        _refuse_writes(command)
        try:
            return self._client.execute_command(*command)
        except (RedisError, OSError) as error:
            if _about_one_key(error):
                raise
            raise self._unknown(error, command[0]) from None

    def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers in order, in one round trip; a key of the wrong type leaves its error in its place."""
        if not commands:
            return []
        answers = self._send(commands)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Exception) and not _about_one_key(answer):
                raise self._unknown(answer, command[0]) from None
        return answers

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            _refuse_writes(command)
            pipeline.execute_command(*command)
        try:
            answers: list[Any] = pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise self._unknown(error, commands[0][0]) from None
        return answers

    def try_pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """As `pipeline`, for what a server may refuse: every refusal is left in its place as an exception."""
        return self._send(commands) if commands else []

    def members(self, key: bytes, most: int) -> list[bytes]:
        """Members of a set, at most so many."""
        found: list[bytes] = []
        cursor: Any = 0
        while len(found) < most:
            try:
                cursor, batch = self.call("SSCAN", key, cursor, "COUNT", 1000)
            except ResponseError:
                raise Unknown(f"The key {key.decode()} at {self._where} is not a set: rq did not write it.") from None
            found += batch
            if int(cursor) == 0:
                break
        return found[:most]

    def _unknown(self, error: Exception, command: str) -> Unknown:
        return Unknown(f"Redis at {self._where} {self._reason(error, command)}")

    def _reason(self, error: Exception, command: str) -> str:
        said = mask_text(str(error))[:300]
        if isinstance(error, NoPermissionError):
            grant = f"ACL SETUSER {self._user} +@read +ping +info +select ~{self._prefix}:*"
            return f"does not let user {self._user} read with {command}; grant it: {grant}"
        if isinstance(error, AuthenticationError | AuthorizationError):
            if "required" in said.lower():
                return "asks for a password; put it into the address (redis://:password@host:port/db)."
            if "without any password configured" in said:
                return "has no password, but the address carries one; take it out of the address."
            return f"refuses the password of user {self._user}."
        if isinstance(error, BusyLoadingError):
            return "is still loading its data; try again in a minute."
        if isinstance(error, MovedError):
            return "is a node of a Redis Cluster, where rq does not work; name a server that is no cluster."
        if isinstance(error, RedisTimeoutError):
            hint = " over TLS; does it speak TLS?" if self.tls else "."
            return f"did not answer within {self._timeout_seconds:g} s{hint}"
        if isinstance(error, ResponseError):
            return f"refused {command}: {said}"
        if "SSL" in said or "certificate" in said:
            return f"cannot be reached over TLS: {said}"
        return f"cannot be reached: {said}"


def _refuse_writes(command: tuple[Any, ...]) -> None:
    if command[0] not in READ_COMMANDS:
        raise NotReadOnly(f"{str(command[0])[:40]} is not among the commands that only read")


def _about_one_key(error: Exception) -> bool:
    return isinstance(error, ResponseError) and "WRONGTYPE" in f"{getattr(error, 'status_code', '')} {error}"
