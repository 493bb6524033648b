"""Redis storages on a real server: the keys Label Studio sees, what is refused and how, and that looking never writes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from console.deployment.buckets import (
    Bucket,
    BucketBlocked,
    BucketDenied,
    BucketError,
    BucketProblem,
    BucketUnreachable,
    ObjectMissing,
    ObjectTooLarge,
    Reach,
    Timeouts,
    Unsupported,
    open_bucket,
)
from console.egress import Rules
from tests import servers

OPEN = Reach(rules=Rules(protected=False), timeouts=Timeouts(connect_seconds=1, read_seconds=1))
GUARDED = Reach(rules=Rules())
SECRET = "hunter2-correct-horse"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def admin(server: str) -> Iterator[redis.Redis]:
    """An empty database, and afterwards the server's users as they were."""
    client = redis.Redis.from_url(server.replace("/0", "/3"))
    yield client
    client.execute_command("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all")
    client.flushdb()
    client.close()


def row(admin: redis.Redis, **columns: Any) -> dict[str, Any]:
    known = admin.connection_pool.connection_kwargs
    told = {"host": "127.0.0.1", "port": str(known["port"]), "db": known["db"], "password": None, "path": "calls:"}
    return told | columns


@contextlib.contextmanager
def bucket_of(admin: redis.Redis, reach: Reach = OPEN, **columns: Any) -> Iterator[Bucket]:
    bucket = open_bucket("redis", row(admin, **columns), reach)
    yield bucket
    bucket.close()


def keys_of(bucket: Bucket, prefix: str | None) -> list[str]:
    return sorted(item.key for page in bucket.pages(prefix, True) for item in page.objects)


@pytest.mark.parametrize("path", ["calls:", "", "None", "c?lls", "c*2", "[ab]lls:", "\\*", "ключ", "nothing"])
def test_the_keys_of_keys(admin: redis.Redis, path: str) -> None:
    for key in ("calls:1", "calls:2", "None:1", "alls:1", "*star", "ключ:1", "with\nline", "c"):
        admin.set(key, "{}")
    expected = sorted(key.decode() for key in admin.keys(f"{path}*"))
    with bucket_of(admin, path=path) as bucket:
        assert keys_of(bucket, path) == expected
        assert sorted(item.key for item in bucket.list(path, True, 100).keys) == expected


def test_an_empty_path_is_the_text_none(admin: redis.Redis) -> None:
    admin.mset({"None-such": "{}", "calls:1": "{}"})
    with bucket_of(admin, path=None) as bucket:
        assert keys_of(bucket, None) == ["None-such"]


def test_a_listing_tells_sizes_and_where_it_was_cut(admin: redis.Redis) -> None:
    admin.mset({f"calls:{number}": "x" * number for number in range(1, 2501)})
    admin.rpush("calls:list", "a")
    with bucket_of(admin) as bucket:
        listing = bucket.list("calls:", True, 5000)
        sizes = {item.key: item.size for item in listing.keys}
        assert len(sizes) == len(listing.keys) == 2501 and not listing.truncated and listing.common_prefixes == []
        assert sizes["calls:7"] == 7 and sizes["calls:list"] == 0
        cut = bucket.list("calls:", True, 100)
        assert len(cut.keys) == 100 and cut.truncated
        assert bucket.starts_with("calls:25") and not bucket.starts_with("calls:*") and not bucket.starts_with("x")


def test_few_keys_among_many_are_found(admin: redis.Redis) -> None:
    for start in range(0, 60_000, 10_000):
        admin.mset({f"other:{number}": "" for number in range(start, start + 10_000)})
    admin.set("calls:1", "{}")
    with bucket_of(admin) as bucket:
        listing = bucket.list("calls:", True, 10)
        assert [item.key for item in listing.keys] == ["calls:1"] and not listing.truncated


def test_a_key_that_is_no_text_is_left_out(admin: redis.Redis) -> None:
    admin.mset({b"calls:\xff": "{}", b"calls:\0": "{}", b"calls:ok": "{}"})
    with bucket_of(admin) as bucket:
        assert keys_of(bucket, "calls:") == ["calls:ok"]
        with pytest.raises(ObjectMissing) as missing:
            bucket.read("calls:\udcfe", 10)
        str(missing.value).encode()


def test_reading(admin: redis.Redis) -> None:
    admin.mset({"calls:1": b"0123456789", "calls:empty": b""})
    admin.hset("calls:hash", "a", "b")
    with bucket_of(admin) as bucket:
        assert bucket.head("calls:1").size == 10 and bucket.head("calls:empty").size == 0
        assert bucket.read("calls:1", 10) == b"0123456789" and bucket.read("calls:empty", 0) == b""
        assert bucket.get_range("calls:1", 2, 4) == b"234" and bucket.get_range("calls:1", 90, 99) == b""
        assert bucket.get_range("calls:1", 4, 2) == b""
        stream = bucket.stream("calls:1", "bytes=7-")
        assert (stream.status, stream.content_range, b"".join(stream.chunks)) == (206, "bytes 7-9/10", b"789")
        assert b"".join(bucket.stream("calls:1").chunks) == b"0123456789"
        admin.set("calls:big", b"x" * (2**20 + 3))
        big = bucket.stream("calls:big")
        assert (big.length, [len(chunk) for chunk in big.chunks]) == (2**20 + 3, [2**20, 3])
        assert list(bucket.stream("calls:empty").chunks) == []
        with pytest.raises(ObjectTooLarge, match="larger than 9 bytes"):
            bucket.read("calls:1", 9)
        for ask in (bucket.head, lambda key: bucket.read(key, 9), lambda key: bucket.get_range(key, 0, 0)):
            with pytest.raises(ObjectMissing, match="There is no key 'gone'"):
                ask("gone")
            with pytest.raises(BucketProblem, match="holds no text"):
                ask("calls:hash")
        for ask in (lambda: bucket.presign("calls:1", 60), bucket.cors):
            with pytest.raises(Unsupported):
                ask()


def test_writing(admin: redis.Redis) -> None:
    with bucket_of(admin) as bucket:
        bucket.validate(None, True)
        bucket.put("17", "{“id”: 17}".encode())
        assert admin.get("17") == "{“id”: 17}".encode()
        bucket.delete("17")
        bucket.delete("17")
    assert admin.dbsize() == 0


@pytest.mark.parametrize("database", [0, None])
def test_database_0_is_refused(admin: redis.Redis, database: int | None) -> None:
    with pytest.raises(BucketProblem, match="Database 0 is refused"):
        open_bucket("redis", row(admin, db=database), OPEN)


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "6379/1", "٦"])
def test_a_port_is_a_number(admin: redis.Redis, port: str) -> None:
    with pytest.raises(BucketProblem, match="is no port"):
        open_bucket("redis", row(admin, port=port), OPEN)


@pytest.mark.parametrize("host", ["", None, "127.0.0.1", "localhost", "0.0.0.0"])
def test_a_private_address_is_refused_unless_it_is_allowed(admin: redis.Redis, host: str | None) -> None:
    with (
        bucket_of(admin, GUARDED, host=host) as bucket,
        pytest.raises(BucketBlocked, match="LSCONSOLE_BUCKET_ENDPOINTS"),
    ):
        bucket.validate(None, False)
    named = f"{host or 'localhost'}:{row(admin)['port']}"
    with bucket_of(admin, Reach(rules=Rules(), allowed=(named,)), host=host) as bucket:
        bucket.validate(None, False)


def test_a_name_is_looked_up_once_and_a_metadata_service_never(
    admin: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    known = socket.getaddrinfo

    def turning(host: str, *arguments: Any) -> Any:
        if host != "turns.example.com":
            return known(host, *arguments)
        asked.append(host)
        return known("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *arguments)

    with bucket_of(admin, host="turns.example.com") as bucket:
        monkeypatch.setattr(socket, "getaddrinfo", turning)
        bucket.validate(None, False)
        assert asked == ["turns.example.com"]  # the connection went to the address that was judged
        bucket.close()
        with pytest.raises(BucketBlocked) as blocked:
            bucket.validate(None, False)
        assert blocked.value.metadata
    with pytest.raises(BucketBlocked):
        open_bucket("redis", row(admin, host="metadata.google.internal"), OPEN)


def test_a_user_without_rights(admin: redis.Redis) -> None:
    """The storage's connection is that of the default user: it has no other name."""
    admin.mset({"calls:1": "{}", "other:1": "{}"})
    boss = redis.Redis.from_url(f"redis://127.0.0.1:{row(admin)['port']}/0")
    boss.execute_command("ACL", "SETUSER", "boss", "on", "nopass", "~*", "&*", "+@all")
    boss = redis.Redis(port=int(row(admin)["port"]), username="boss", password="")

    def may(*rules: str) -> None:
        boss.execute_command("ACL", "SETUSER", "default", "reset", "on", "nopass", "+select", "+auth", *rules)

    try:
        may()
        with bucket_of(admin) as bucket:
            for ask, commands in (
                (lambda: bucket.validate(None, False), "+ping"),
                (lambda: bucket.head("calls:1"), "~calls:* +strlen +exists"),
                (lambda: bucket.read("calls:1", 9), "~calls:* +get +getrange"),
                (lambda: bucket.list("calls:", True, 9), "~calls:* +scan +keys"),
                (lambda: bucket.put("1", b""), "~* +set"),
                (lambda: bucket.delete("1"), "~* +del"),
            ):
                with pytest.raises(BucketDenied) as denied:
                    ask()
                assert denied.value.provider_code == "NOPERM"
                assert denied.value.statement == f"ACL SETUSER default {commands}"
                boss.execute_command(*denied.value.statement.split())  # the rule that is named is enough
                ask()
        may("~calls:*", "+get", "+ping", "+scan", "+multi", "+discard")
        with bucket_of(admin) as bucket:
            assert bucket.read("calls:1", 9) == b"{}" and bucket.get_range("calls:1", 0, 0) == b"{"
            with pytest.raises(BucketDenied, match="denies SCAN or KEYS"):  # as Label Studio lists by KEYS
                bucket.list("calls:", True, 9)
            with pytest.raises(BucketDenied):
                bucket.read("other:1", 9)
        may("~calls:*", "+get", "+ping", "+scan", "+keys")
        with bucket_of(admin) as bucket:
            assert keys_of(bucket, "calls:") == ["calls:1"]
    finally:
        boss.execute_command("ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all")
        boss.execute_command("ACL", "DELUSER", "boss")
        boss.close()


def test_passwords(admin: redis.Redis) -> None:
    with bucket_of(admin, password=SECRET) as bucket:
        assert_refused(bucket, "NOPASS")
    admin.execute_command("ACL", "SETUSER", "default", "resetpass", f">{SECRET}")
    try:
        with bucket_of(admin) as bucket:
            assert_refused(bucket, "NOAUTH")
        with bucket_of(admin, password="wrong-" + SECRET) as bucket:
            assert_refused(bucket, "WRONGPASS")
        with bucket_of(admin, password=SECRET) as bucket:
            bucket.validate(None, False)
    finally:
        admin.execute_command("ACL", "SETUSER", "default", "nopass")


def assert_refused(bucket: Bucket, code: str) -> None:
    with pytest.raises(BucketDenied) as denied:
        bucket.validate(None, False)
    assert (denied.value.provider_code, denied.value.statement) == (code, "")
    assert SECRET not in str(denied.value)


def test_a_database_that_is_not_there(admin: redis.Redis) -> None:
    with bucket_of(admin, db=9999) as bucket, pytest.raises(BucketProblem, match="has no database 9999"):
        bucket.validate(None, False)


@contextlib.contextmanager
def peer(says: bytes, seconds: float = 0) -> Iterator[int]:
    """Somebody who listens and is no Redis."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        time.sleep(seconds)
                        connection.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not as Redis does"),
        (b"", "without an answer"),
        (b"-LOADING wait\r\n", "loading its data"),
    ],
)
def test_a_peer_that_is_no_redis(admin: redis.Redis, says: bytes, told: str) -> None:
    with peer(says) as port, bucket_of(admin, port=port) as bucket, pytest.raises(BucketError, match=told):
        bucket.validate(None, False)


def test_silence_ends_in_time(admin: redis.Redis) -> None:
    began = time.monotonic()
    in_time = pytest.raises(BucketUnreachable, match="did not answer in time")
    with peer(b"", 5) as port, bucket_of(admin, port=port) as bucket, in_time:
        bucket.list("calls:", True, 9)
    assert time.monotonic() - began < 3
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with bucket_of(admin, port=port) as bucket, pytest.raises(BucketUnreachable, match="nobody listens"):
        bucket.validate(None, False)
    unknown = pytest.raises(BucketUnreachable, match="does not resolve")
    with bucket_of(admin, host="no-such-host.invalid") as bucket, unknown:
        bucket.validate(None, False)


def test_looking_sends_no_command_that_writes(admin: redis.Redis, server: str) -> None:
    admin.mset({"calls:1": "{}", "calls:2": "{}"})
    admin.lpush("rq:queue:low", "job")
    watcher = redis.Redis.from_url(server, protocol=2)
    with watcher.monitor() as monitor, bucket_of(admin) as bucket:
        keys_of(bucket, "calls:")
        bucket.list("calls:", True, 1)
        bucket.starts_with("calls:")
        bucket.validate(None, False)
        bucket.head("calls:1")
        bucket.read("calls:1", 99)
        bucket.get_range("calls:1", 0, 0)
        b"".join(bucket.stream("calls:1").chunks)
        watcher.ping()
        commands = []
        for line in monitor.listen():
            word = line["command"].split(" ")[0].upper()
            if line["db"] == 0 and word == "PING":
                break
            commands.append(word)
    assert {"SCAN", "STRLEN", "GET", "PING"} <= set(commands)
    allowed = {"SELECT", "PING", "MULTI", "DISCARD", "SCAN", "STRLEN", "GET", "GETRANGE", "EXISTS"}
    assert set(commands) <= allowed
    watcher.close()
