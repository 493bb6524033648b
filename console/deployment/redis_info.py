"""What the Redis server tells about itself: version, memory, persistence, connections. Never a password.

Source: the fields of Redis' INFO, 3.2 to 8, and of the services that speak its protocol. A service may leave fields
out and may refuse CONFIG GET; what was not told is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: The only settings that are asked for with CONFIG GET; none holds a secret.
ASKED_SETTINGS = ("save", "maxclients")
_MOST_INFO_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Keyspace:
    """One numbered database of the server."""

    number: int
    keys: int
    expiring: int


@dataclass(frozen=True)
class RedisInfo:
    """None where this server does not tell it. `maxmemory_bytes` 0 means no limit.

    `save_rules`: seconds and changes, as in `3600 1 300 100`; empty when no snapshots are made; None when CONFIG GET is
    not permitted. `saves_snapshots` is what follows from it. `database` is the number that was attached to.
    """

    version: str
    used_memory_bytes: int | None
    maxmemory_bytes: int | None
    maxmemory_policy: str | None
    evicted_keys: int | None
    connected_clients: int | None
    maxclients: int | None
    rejected_connections: int | None
    aof_enabled: bool | None
    last_save_ok: bool | None
    role: str | None
    uptime_seconds: int | None
    peak_memory_bytes: int | None = None
    rss_memory_bytes: int | None = None
    system_memory_bytes: int | None = None
    fragmentation_ratio: float | None = None
    blocked_clients: int | None = None
    expired_keys: int | None = None
    operations_per_second: int | None = None
    last_save_at: datetime | None = None
    changes_since_save: int | None = None
    aof_last_write_ok: bool | None = None
    save_rules: str | None = None
    replicas: int | None = None
    primary_link_up: bool | None = None
    tls: bool = False
    database: int = 0
    keyspaces: tuple[Keyspace, ...] = ()

    @property
    def saves_snapshots(self) -> bool | None:
        return None if self.save_rules is None else bool(self.save_rules.strip())

    @property
    def persistent(self) -> bool | None:
        """Whether jobs survive a restart; None when the server does not say."""
        if self.aof_enabled:
            return True
        return None if self.aof_enabled is None else self.saves_snapshots

    @property
    def memory_share(self) -> float | None:
        """Used memory against `maxmemory`, or against the machine where no limit is set; 1.0 is full."""
        limit = self.maxmemory_bytes or self.system_memory_bytes
        return self.used_memory_bytes / limit if limit and self.used_memory_bytes is not None else None

    @property
    def connection_share(self) -> float | None:
        return (
            self.connected_clients / self.maxclients if self.maxclients and self.connected_clients is not None else None
        )

    @property
    def evicts(self) -> bool | None:
        """Whether a full server throws keys away instead of refusing writes."""
        return None if self.maxmemory_policy is None else self.maxmemory_policy != "noeviction"


def redis_info(
    answer: bytes, settings: dict[str, str] | None = None, tls: bool = False, database: int = 0
) -> RedisInfo:
    """From INFO's answer and those of ASKED_SETTINGS that the server told."""
    told = _lines(answer)
    asked = settings or {}
    return RedisInfo(
        version=told.get("redis_version", "unknown"),
        used_memory_bytes=_number(told.get("used_memory")),
        maxmemory_bytes=_number(told.get("maxmemory")),
        maxmemory_policy=told.get("maxmemory_policy"),
        evicted_keys=_number(told.get("evicted_keys")),
        connected_clients=_number(told.get("connected_clients")),
        maxclients=_number(told.get("maxclients")) or _number(asked.get("maxclients")),
        rejected_connections=_number(told.get("rejected_connections")),
        aof_enabled=_is(told.get("aof_enabled"), "1"),
        last_save_ok=_is(told.get("rdb_last_bgsave_status"), "ok"),
        role=told.get("role"),
        uptime_seconds=_number(told.get("uptime_in_seconds")),
        peak_memory_bytes=_number(told.get("used_memory_peak")),
        rss_memory_bytes=_number(told.get("used_memory_rss")),
        system_memory_bytes=_number(told.get("total_system_memory")),
        fragmentation_ratio=_decimal(told.get("mem_fragmentation_ratio")),
        blocked_clients=_number(told.get("blocked_clients")),
        expired_keys=_number(told.get("expired_keys")),
        operations_per_second=_number(told.get("instantaneous_ops_per_sec")),
        last_save_at=_moment(told.get("rdb_last_save_time")),
        changes_since_save=_number(told.get("rdb_changes_since_last_save")),
        aof_last_write_ok=_is(told.get("aof_last_write_status"), "ok"),
        save_rules=asked.get("save"),
        replicas=_number(told.get("connected_slaves")),
        primary_link_up=_is(told.get("master_link_status"), "up"),
        tls=tls,
        database=database,
        keyspaces=_keyspaces(told),
    )


def told_settings(answers: list[Any]) -> dict[str, str]:
    """The settings among the answers to CONFIG GET; a refusal tells nothing."""
    found = {}
    for answer in answers:
        if isinstance(answer, list) and len(answer) == 2 and all(isinstance(part, bytes) for part in answer):
            name, value = (part[:500].decode("utf-8", "backslashreplace") for part in answer)
            found[name] = value
    return found


def _lines(answer: Any) -> dict[str, str]:
    raw = answer[:_MOST_INFO_BYTES].decode("utf-8", "backslashreplace") if isinstance(answer, bytes) else ""
    pairs = (line.split(":", 1) for line in raw.splitlines() if ":" in line)
    return {name.strip(): value.strip()[:500] for name, value in pairs}


def _keyspaces(told: dict[str, str]) -> tuple[Keyspace, ...]:
    found = []
    for name, value in told.items():
        counts = re.match(r"keys=(\d{1,18}),expires=(\d{1,18})", value)
        if counts and re.fullmatch(r"db\d{1,6}", name):
            found.append(Keyspace(int(name[2:]), int(counts[1]), int(counts[2])))
    return tuple(sorted(found, key=lambda keyspace: keyspace.number))


def _is(value: str | None, wanted: str) -> bool | None:
    return None if value is None else value == wanted


def _number(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"-?[0-9]{1,18}", value) else None


def _decimal(value: str | None) -> float | None:
    return float(value) if value and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", value) else None


def _moment(value: str | None) -> datetime | None:
    seconds = _number(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds and seconds < 10**11 else None
