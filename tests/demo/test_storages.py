"""What browsers get of the demo's buckets, and its storages that are no buckets."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg2
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from redis import Redis

from console import demo

PAGE = "http://127.0.0.1:8090"


def rows(deployment: demo.Deployment, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg2.connect(deployment.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        found = cursor.fetchall()
    connection.close()
    return found


def client(deployment: demo.Deployment, code: str, *, twin: bool = False) -> tuple[BaseClient, dict[str, str]]:
    """A client of the S3 storage planted for a code, and an object of it."""
    planted = deployment.twins if twin else deployment.faults
    subjects = [item.subject for item in planted if item.code == code and item.subject.startswith("storage:s3:")]
    [(bucket, prefix, endpoint, key_id, secret, token)] = rows(
        deployment,
        "SELECT bucket, prefix, s3_endpoint, aws_access_key_id, aws_secret_access_key, aws_session_token"
        " FROM io_storages_s3importstorage WHERE id = %s",
        int(subjects[-1].rpartition(":")[2]),
    )
    made = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key_id, aws_secret_access_key=secret,
        aws_session_token=token, config=Config(signature_version="s3v4", retries={"max_attempts": 0}),
    )  # fmt: skip
    first = made.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"][0]["Key"]
    return made, {"Bucket": bucket, "Key": first}


def asked(link: str, headers: Mapping[str, str], method: str = "GET") -> tuple[int, Message]:
    request = urllib.request.Request(link, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


@pytest.mark.parametrize(("twin", "status", "origin"), [(True, 200, "*"), (False, 403, None)])
def test_browsers_read_where_the_bucket_lets_them(
    deployment: demo.Deployment, twin: bool, status: int, origin: str | None
) -> None:
    s3, target = client(deployment, "storage.cors_missing", twin=twin)
    link = s3.generate_presigned_url("get_object", Params=target)
    wanted = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    told, headers = asked(link, {"Origin": PAGE, **wanted}, "OPTIONS")
    assert (told, headers["Access-Control-Allow-Origin"]) == (status, origin)
    told, headers = asked(link, {"Origin": PAGE, "Range": "bytes=0-1"})
    assert (told, headers["Access-Control-Allow-Origin"]) == (206, origin)
    assert ("Content-Range" in (headers["Access-Control-Expose-Headers"] or "")) is twin


def test_sound_and_pictures_are_stored_as_such(deployment: demo.Deployment) -> None:
    types = {"storage.presign_403": "audio/x-wav", "storage.object_gone": "image/jpeg"}
    for code, expected in types.items():
        s3, target = client(deployment, code)
        assert s3.head_object(**target)["ContentType"] == expected


def test_session_keys_work_with_their_token_alone(deployment: demo.Deployment) -> None:
    s3, target = client(deployment, "storage.sts_expired")
    link = s3.generate_presigned_url("get_object", Params=target)
    assert "X-Amz-Security-Token=" in link and asked(link, {})[0] == 200


def test_local_files_lie_where_their_storages_say(deployment: demo.Deployment) -> None:
    folders = [Path(path) for (path,) in rows(deployment, "SELECT path FROM io_storages_localfilesmixin")]
    assert len(folders) == 4 and all(deployment.local_files in folder.parents for folder in folders)
    keys = rows(deployment, "SELECT key FROM io_storages_localfilesimportstoragelink")
    assert len(keys) == 26 and all(Path(key).is_file() for (key,) in keys)


def test_redis_holds_what_its_storages_brought(deployment: demo.Deployment) -> None:
    parts = urlsplit(deployment.redis_url)
    stored = rows(deployment, "SELECT DISTINCT host, port FROM io_storages_redisstoragemixin")
    assert stored == [(parts.hostname, str(parts.port))]
    for database, pattern, number in ((1, "calls:*", 10), (2, "note:*", 30), (2, "None*", 0)):
        with Redis(host=parts.hostname or "", port=parts.port or 0, db=database) as redis:
            keys = redis.keys(pattern)
            assert len(keys) == number
            assert all(isinstance(json.loads(redis.get(key)), dict) for key in keys)


def test_no_storage_leads_out_of_the_demo(deployment: demo.Deployment) -> None:
    for table in ("gcsimportstorage", "gcsexportstorage", "azureblobimportstorage", "azureblobexportstorage"):
        assert rows(deployment, f"SELECT count(*) FROM io_storages_{table}") == [(0,)]
    for table in ("s3importstorage", "s3exportstorage"):
        endpoints = rows(deployment, f"SELECT DISTINCT s3_endpoint FROM io_storages_{table}")
        assert endpoints == [(deployment.s3_endpoint,)]
