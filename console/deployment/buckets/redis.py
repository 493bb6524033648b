"""A Redis database as Label Studio's Redis storages use it: keys that begin with a text, one JSON text in each.

Label Studio lists by KEYS, which stops a big server for seconds; we walk with SCAN and the same pattern, so the keys
are the same and their order is not. An empty path is the text "None" there, and a path may hold the wildcards of KEYS
(`*`, `?`, `[…]`): both are kept. Database 0 is refused, as Label Studio refuses it. Its connection has no TLS and no
user name, so neither has ours.

The name is looked up once for each connection and every address is judged before one is connected to. No message
holds the password or a value.

Source: `RedisStorageMixin` in Label Studio's io_storages/redis/models.py.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from ...egress import Rules
from ...masking import mask_text
from . import (
    BucketDenied,
    BucketError,
    BucketProblem,
    BucketUnreachable,
    CorsRule,
    Listing,
    ObjectInfo,
    ObjectMissing,
    ObjectTooLarge,
    Page,
    Reach,
    Stream,
    Unsupported,
    collected,
)
from .ranges import span_of

Answer = TypeVar("Answer")

DEFAULT_PORT = 6379
#: Keys that the server looks at for one SCAN.
SCAN_KEYS = 1000
#: SCANs without a match after which a listing comes up for air.
EMPTY_SCANS = 200
#: Bytes of a value that is on its way to somebody.
PART_BYTES = 2**20
#: Most bytes read for a part of a value where the server lets us have nothing but the whole.
WHOLE_BYTES = 64 * 2**20
_NEEDED = {"list": ("scan", "keys"), "head": ("strlen", "exists"), "get": ("get", "getrange"), "validate": ("ping",),
           "put": ("set",), "delete": ("del",)}  # fmt: skip


def open_bucket(row: Mapping[str, Any], reach: Reach) -> RedisBucket:
    """From a row of `io_storages_redisstoragemixin` with the `db` of its child. Raises BucketProblem for database 0
    and for a port that is none."""
    host = str(row.get("host") or "").strip() or "localhost"
    told = str(row.get("port") or "").strip() or str(DEFAULT_PORT)
    if not (told.isascii() and told.isdecimal() and 0 < int(told[:6]) < 65536):
        raise BucketProblem(f"{_shown(told)} is no port; the usual one of Redis is {DEFAULT_PORT}.")
    database = row.get("db")
    if not database:
        raise BucketProblem(
            "Database 0 is refused, by Label Studio too: a storage has to name another one, so that nothing existing is "
            "overwritten by mistake."
        )
    port = int(told)
    return RedisBucket(host, port, int(database), str(row.get("password") or ""), str(row.get("path")), reach)


class RedisBucket:
    """See `Bucket`. Threads may share it."""

    def __init__(self, host: str, port: int, database: int, password: str, path: str, reach: Reach) -> None:
        self._path = path
        self._database = database
        self._host = host
        self.where = f"Redis at {_plain(host)}:{port}, database {database}"
        rules = reach.rules_for(host, port)
        options: dict[str, Any] = {
            "host": host, "port": port, "db": database, "password": password or None, "rules": rules,
            "socket_timeout": reach.timeouts.read_seconds, "socket_connect_timeout": reach.timeouts.connect_seconds,
            "retry": Retry(NoBackoff(), 0), "protocol": 2, "driver_info": None, "decode_responses": False,
        }  # fmt: skip
        self._client = redis.Redis(connection_pool=redis.ConnectionPool(_Guarded, **options))
        self._client.response_callbacks.clear()

    def close(self) -> None:
        self._client.connection_pool.disconnect()

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        """Whatever matches `<prefix>*`; None is the text "None", as Label Studio has it, and there are no folders.

        A size is 0 where the value is no text or its length may not be asked for.
        """
        self._need_keys()
        pattern = _bytes(f"{prefix}*")
        seen: set[int] = set()  # a table that shrinks meanwhile is handed out twice in parts
        cursor, empty = b"0", 0
        while True:
            cursor, found = self._ask("list", None, "SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_KEYS)
            fresh = [key for raw in found if (key := _text(raw)) is not None and hash(raw) not in seen]
            seen.update(map(hash, found))
            fresh = list(dict.fromkeys(fresh))
            empty = 0 if fresh else empty + 1
            if fresh or empty % EMPTY_SCANS == 0:
                yield Page([ObjectInfo(key, size) for key, size in zip(fresh, self._sizes(fresh), strict=True)])
            if cursor == b"0":
                return

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        return collected(self.pages(prefix, recursive), limit)

    def starts_with(self, prefix: str) -> bool:
        escaped = "".join(f"\\{sign}" if sign in "*?[]\\^-" else sign for sign in prefix)
        return any(page.objects for page in self.pages(escaped, recursive=True))

    def validate(self, prefix: str | None, is_target: bool) -> None:
        self._ask("validate", None, "PING")

    def head(self, key: str) -> ObjectInfo:
        size: int = self._ask("head", key, "STRLEN", _bytes(key))
        if not size and not self._ask("head", key, "EXISTS", _bytes(key)):
            raise ObjectMissing(f"There is no key {_shown(key)} in {self.where}.")
        return ObjectInfo(key, size)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        if end < start:
            return b""
        try:
            part: bytes = self._ask("get", key, "GETRANGE", _bytes(key), start, end)
        except BucketDenied:  # Label Studio needs no more than GET
            return self.read(key, WHOLE_BYTES)[start : end + 1]
        if not part:
            self.head(key)  # an end that was reached is not a key that is gone
        return part

    def read(self, key: str, most_bytes: int) -> bytes:
        try:
            size = self._ask("get", key, "STRLEN", _bytes(key))
        except BucketDenied:
            size = 0
        value = self._ask("get", key, "GET", _bytes(key)) if size <= most_bytes else None
        if size > most_bytes or len(value or b"") > most_bytes:
            raise ObjectTooLarge(f"The value of {_shown(key)} is larger than {most_bytes:,} bytes.")
        if value is None:
            raise ObjectMissing(f"There is no key {_shown(key)} in {self.where}.")
        return bytes(value)

    def stream(self, key: str, byte_range: str | None = None) -> Stream:
        size = self.head(key).size
        span = span_of(byte_range, size)
        start, end = span or (0, size - 1)
        about = f"bytes {start}-{end}/{size}" if span else None
        return Stream(206 if span else 200, self._parts(key, start, end), lambda: None, end - start + 1, None, about)

    def presign(self, key: str, seconds: int, method: str = "GET") -> str:
        raise Unsupported("Redis has no addresses that a browser could open; it holds tasks, not media.")

    def cors(self) -> tuple[CorsRule, ...]:
        raise Unsupported("Redis knows no CORS rules; no browser reads from it.")

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        self._ask("put", key, "SET", _bytes(key), body)

    def delete(self, key: str) -> None:
        self._ask("delete", key, "DEL", _bytes(key))

    def _parts(self, key: str, start: int, end: int) -> Iterator[bytes]:
        for first in range(start, end + 1, PART_BYTES):
            yield self.get_range(key, first, min(first + PART_BYTES - 1, end))

    def _need_keys(self) -> None:
        """Raise BucketDenied when KEYS, which Label Studio lists with, is denied. Rights are judged as a command is
        queued, so it is queued and thrown away: running it would stop a big server."""

        def ask(connection: redis.Redis) -> None:
            pipe = connection.connection_pool.get_connection()
            try:
                for command in (("MULTI",), ("KEYS", "*"), ("DISCARD",)):
                    pipe.send_command(*command)
                answers = []
                for _ in range(3):
                    try:
                        answers.append(pipe.read_response())
                    except ResponseError as error:
                        answers.append(error)
            except BaseException:
                pipe.disconnect()
                raise
            finally:
                connection.connection_pool.release(pipe)
            if answers[0] == b"OK" and isinstance(answers[1], ResponseError):
                raise answers[1]

        self._told("list", None, lambda: ask(self._client))

    def _sizes(self, keys: Sequence[str]) -> Sequence[int]:
        """Lengths of values in one round trip."""
        if not keys:
            return []
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.execute_command("STRLEN", _bytes(key))
        answers = self._told("list", None, lambda: pipe.execute(raise_on_error=False))
        return [answer if isinstance(answer, int) else 0 for answer in answers]

    def _ask(self, operation: str, key: str | None, *command: Any) -> Any:
        return self._told(operation, key, lambda: self._client.execute_command(*command))

    def _told(self, operation: str, key: str | None, ask: Callable[[], Answer]) -> Answer:
        """The server's refusals and silences in our words."""
        try:
            return ask()
        except BucketError:
            raise
        except RedisTimeoutError:
            raise BucketUnreachable(f"{self.where} did not answer in time.") from None
        except (NoPermissionError, ReadOnlyError) as error:
            raise self._denied(error, operation) from None
        except (AuthenticationError, AuthorizationError) as error:
            raise self._refused(error, operation) from None
        except BusyLoadingError:
            raise BucketUnreachable(f"{self.where} is loading its data into memory; ask again later.") from None
        except ResponseError as error:
            raise self._answered(error, operation, key) from None
        except InvalidResponse:
            raise BucketProblem(f"{self.where} answers, but not as Redis does: is this its port?") from None
        except (RedisConnectionError, OSError) as error:
            raise BucketUnreachable(f"{self.where} {_reason(error)}") from None
        except (RedisError, ValueError) as error:
            raise BucketProblem(f"{self.where} cannot be used: {type(error).__name__}.") from None

    def _answered(self, error: ResponseError, operation: str, key: str | None) -> BucketError:
        said = str(error)
        code = said.partition(" ")[0]
        if code in {"NOAUTH", "WRONGPASS"} or "invalid password" in said.lower() or "without any password" in said:
            return self._refused(error, operation)
        if code == "WRONGTYPE" or "wrong kind of value" in said:
            return BucketProblem(f"The key {_shown(key or '')} in {self.where} holds no text.", "WRONGTYPE")
        if "unknown command" in said.lower():
            return self._denied(error, operation)
        if "DB index" in said or "invalid DB" in said:
            return BucketProblem(f"{self.where} has no database {self._database}.", code)
        if code in {"MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN"} or "cluster mode" in said:
            return BucketProblem(
                f"{self.where} is a cluster, which Label Studio's Redis storages do not speak to.", code
            )
        return BucketProblem(f"{self.where} refuses: {mask_text(said)[:200]}", code if code.isupper() else "")

    def _denied(self, error: Exception, operation: str) -> BucketDenied:
        """The user lacks a command or a key, or the server has the command switched off."""
        names = _NEEDED[operation]
        if isinstance(error, ReadOnlyError):
            return BucketDenied(f"{self.where} is a read-only replica; name its primary.", operation, "READONLY")
        if not isinstance(error, NoPermissionError):
            commands = " or ".join(name.upper() for name in names)
            message = f"{self.where} does not know {commands}: it was renamed or switched off (rename-command)."
            return BucketDenied(message, operation, "UNKNOWN")
        keys = "" if operation == "validate" else f" ~{self._path}*" if operation in {"list", "head", "get"} else " ~*"
        statement = f"ACL SETUSER default{keys} {' '.join(f'+{name}' for name in names)}"
        message = f"{self.where} denies {' or '.join(name.upper() for name in names)} to its default user; allow it: {statement}"
        return BucketDenied(message, operation, "NOPERM", statement)

    def _refused(self, error: Exception, operation: str) -> BucketDenied:
        said = str(error)
        if "NOAUTH" in said or "Authentication required" in said:
            return BucketDenied(f"{self.where} asks for a password, and the storage has none.", operation, "NOAUTH")
        if "without any password" in said or "no password is set" in said:
            return BucketDenied(
                f"{self.where} has no password, and the storage sends one; empty the field.", operation, "NOPASS"
            )
        return BucketDenied(f"{self.where} refuses the password of the storage.", operation, "WRONGPASS")


class _Guarded(Connection):
    """Looks the name up once, judges every address, and connects to the first that answers."""

    def __init__(self, rules: Rules, **options: Any) -> None:
        super().__init__(**options)
        self._rules = rules

    def _connect(self) -> socket.socket:
        try:
            found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise BucketUnreachable(f"{_plain(self.host)} cannot be found: its name does not resolve.") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:  # one bad record is enough, as for Label Studio
            Reach.need(self._rules, self.host, address)
        failure: OSError | None = None
        for address in addresses:
            try:
                sock = socket.create_connection((address, self.port), self.socket_connect_timeout)
            except OSError as error:
                failure = error
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(self.socket_timeout)
            return sock
        raise failure or OSError("no address")


def _bytes(key: str) -> bytes:
    return key.encode(errors="surrogateescape")


def _text(raw: bytes) -> str | None:
    """A key as text; None for one that no database could hold, which Label Studio's sync breaks at."""
    try:
        key = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in key else key


def _reason(error: Exception) -> str:
    said = str(error).lower()
    if "refused" in said:
        return "refused the connection: nobody listens there."
    if "timed out" in said or "timeout" in said:
        return "did not accept a connection in time."
    if "closed by server" in said or "reset" in said:
        return "closed the connection without an answer."
    return "cannot be reached."


def _plain(text: str) -> str:
    return mask_text("".join(sign if sign.isprintable() else "?" for sign in text))[:200]


def _shown(text: str) -> str:
    return repr(_plain(text))
