"""redisstore.null_path: an empty path is the text None."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable
from console.diagnostics.check import Context, Scope
from console.diagnostics.redisstore.null_path import null_path
from console.service import Console
from tests import servers
from tests.factories import make_project
from tests.round_trip import assert_round_trip

StorageOf = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.mark.parametrize("path", ["", "calls:", "None"])
def test_any_text_is_healthy(ctx: Context, storage_of: StorageOf, path: str) -> None:
    storage_of(path=path)
    assert list(null_path.answers(ctx)) == []


def test_without_storages_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    with pytest.raises(NotApplicable):
        list(null_path.answers(ctx))


def test_an_empty_path(console: Console, ctx: Context, storage_of: StorageOf) -> None:
    storage = storage_of(path=None, host="no-such-host.invalid")
    [finding] = null_path.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "The path is empty, so a sync asks for keys that begin with “None”"
    assert "does not resolve" in finding.evidence.rows[0]["why_not_listed"]
    assert_round_trip(console, ctx, null_path, "store_empty_text", finding)


def test_the_keys_are_counted_where_redis_answers(ctx: Context, storage_of: StorageOf, server: str) -> None:
    with redis.Redis.from_url(server.replace("/0", "/1")) as client:
        client.mset({"calls:1": "{}", "None such": "{}"})
    port = urlsplit(server).port
    ctx.deployment.settings = replace(ctx.settings, bucket_endpoints=(f"127.0.0.1:{port}",))
    storage_of(path=None, host="127.0.0.1", port=str(port))
    [finding] = null_path.run(ctx)
    assert finding.summary.endswith("(1 match)") and finding.evidence.rows[0]["keys_matched"] == 1
