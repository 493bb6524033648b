"""The checks of this area, whose name no import statement can hold, and a Redis for those tests that attach one."""

from __future__ import annotations

import pytest
import redis

from console.config import Settings
from tests.diagnostics.jobs.conftest import raw, redis_url, worker_on

__all__ = ["raw", "redis_url", "with_redis", "worker_on"]


@pytest.fixture
def with_redis(settings: Settings, redis_url: str, raw: redis.Redis) -> Settings:
    """The settings of every test, with an empty Redis attached."""
    return settings.with_(redis_url=redis_url)
