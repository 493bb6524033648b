"""Jobs as rq writes them, by hand: for tests that need many, or broken ones, and no worker."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime

import redis

from console.deployment.queue_keys import REGISTRIES

DATA = zlib.compress(b'["jobs_for_tests.ok", null, [], {}]')


def put_jobs(raw: redis.Redis, state: str, names: list[str], queue: str = "low", **fields: str | bytes) -> None:
    """Jobs in `state`, in this order; scores count from 1."""
    pipeline = raw.pipeline(transaction=False)
    values = {
        "status": state,
        "origin": queue,
        "created_at": stamp(),
        "enqueued_at": stamp(),
        "timeout": "180",
        "data": DATA,
    }
    pipeline.sadd("rq:queues", f"rq:queue:{queue}")
    for number, name in enumerate(names, 1):
        pipeline.hset(f"rq:job:{name}", mapping=values | fields)
        if state == "queued":
            pipeline.rpush(f"rq:queue:{queue}", name)
        else:
            pipeline.zadd(f"rq:{REGISTRIES[state].decode()}:{queue}", {name: number + 0.5})
    pipeline.execute()


def put_worker(raw: redis.Redis, name: str, *, queues: str = "low", heartbeat: str = "", **fields: str) -> None:
    values = {"birth": stamp(), "last_heartbeat": heartbeat or stamp(), "queues": queues, "version": "2.6.1"}
    raw.sadd("rq:workers", f"rq:worker:{name}")
    for queue in queues.split(","):
        raw.sadd(f"rq:workers:{queue}", f"rq:worker:{name}")
    raw.hset(f"rq:worker:{name}", mapping=values | fields)


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def snapshot(raw: redis.Redis) -> dict[bytes, object]:
    """Every key of rq with what is in it, and whether it expires."""
    found: dict[bytes, object] = {}
    for key in raw.keys("rq:*"):
        kind, expires = raw.type(key), raw.ttl(key) >= 0
        reading = {b"hash": raw.hgetall, b"list": lambda k: raw.lrange(k, 0, -1), b"set": raw.smembers, b"string": raw.get,
                   b"zset": lambda k: raw.zrange(k, 0, -1, withscores=True), b"stream": raw.xrange}[kind]  # fmt: skip
        found[key] = (reading(key), expires)
    return found


def dependencies(*names: str) -> str:
    return json.dumps(list(names))
