"""The servers the whole suite stands on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import boto3
import psycopg2
import pytest
from redis import Redis

from tests import servers


@pytest.fixture(scope="module")
def admin_url() -> Iterator[str]:
    with servers.debian_postgres() as url:
        yield url


@pytest.mark.parametrize("version", servers.dump_versions())
def test_every_dump_loads_and_copies_are_apart(admin_url: str, version: str) -> None:
    first, second = (psycopg2.connect(servers.load_dump(admin_url, version)) for _ in range(2))
    with first, first.cursor() as cursor:
        cursor.execute("UPDATE project SET title = 'changed'")
    with second, second.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM task WHERE project_id IS NOT NULL")
        assert cursor.fetchone() == (267,)
        cursor.execute("SELECT count(*) FROM project WHERE title = 'changed'")
        assert cursor.fetchone() == (0,)
    first.close()
    second.close()


@pytest.mark.parametrize("version", servers.dump_versions())
def test_every_sqlite_dump_unpacks(tmp_path: Path, version: str) -> None:
    url = servers.sqlite_dump(version, tmp_path)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    assert connection.execute("SELECT count(*) FROM task").fetchone() == (267,)
    connection.close()


def test_redis_answers_and_starts_empty() -> None:
    with servers.redis_server() as url:
        assert Redis.from_url(url).dbsize() == 0


def test_s3_takes_any_key() -> None:
    with servers.s3_server() as url:
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1"
        )
        client.create_bucket(Bucket="photos")
        client.put_object(Bucket="photos", Key="a.jpg", Body=b"x")
        assert client.list_objects_v2(Bucket="photos")["KeyCount"] == 1
