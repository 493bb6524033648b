"""What the server tells of itself, whole or in part."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from console.deployment.queues import QueueReader
from console.deployment.redis_info import Keyspace, redis_info, told_settings
from tests.redis_watch import run_redis


def test_a_server_that_keeps_nothing(tmp_path: Path):
    for port in run_redis(
        tmp_path, ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--maxclients", "77"]
    ):
        redis.Redis(port=port, db=3).set("x", "1", ex=100)
        info = QueueReader(f"redis://127.0.0.1:{port}/3").info()
        assert (info.save_rules, info.saves_snapshots, info.aof_enabled, info.persistent) == ("", False, False, False)
        assert info.evicts and info.maxclients == 77 and info.maxmemory_bytes == 100 * 2**20
        assert info.memory_share is not None and 0 < info.memory_share < 0.5
        assert info.connection_share is not None and 0 < info.connection_share < 0.2
        assert (info.tls, info.database, info.keyspaces) == (False, 3, (Keyspace(3, 1, 1),))
        assert info.role == "master" and info.replicas == 0 and info.primary_link_up is None
        assert info.last_save_at and info.last_save_at.tzinfo is UTC and info.changes_since_save == 1
        assert info.system_memory_bytes and info.rss_memory_bytes and info.peak_memory_bytes


def test_a_server_that_keeps_a_log_and_snapshots(tmp_path: Path):
    for port in run_redis(tmp_path, ["--appendonly", "yes", "--save", "3600 1 300 100"]):
        info = QueueReader(f"redis://127.0.0.1:{port}/0").info()
        assert info.aof_enabled and info.aof_last_write_ok and info.persistent
        assert info.save_rules == "3600 1 300 100" and info.saves_snapshots and info.evicts is False


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense", b"a:b:c\r\n:\r\nused_memory:many\r\ndb0:keys=x", b"\xff\xfe:\xff"]
)
def test_a_server_that_tells_little(answer: bytes):
    info = redis_info(answer)
    assert info.version == "unknown" and info.used_memory_bytes is None and info.persistent is None
    assert info.memory_share is None and info.connection_share is None and info.evicts is None and info.keyspaces == ()


def test_values_that_cannot_be():
    info = redis_info(b"redis_version:7.0.15\nmaxclients:0\nconnected_clients:5\nrdb_last_save_time:99999999999999\n")
    assert info.version == "7.0.15" and info.connection_share is None and info.last_save_at is None
    assert redis_info(b"rdb_last_save_time:1700000000").last_save_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_refused_settings_tell_nothing():
    assert told_settings([redis.exceptions.NoPermissionError("no"), [], [b"save", b""], [b"a"]]) == {"save": ""}
