"""Who looks at the same objects: provider, endpoint, bucket and folder decide."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.deployment import Deployment
from console.deployment.storage_list import StorageLine, storage_lines
from console.deployment.storage_sharing import shared_among, sharing
from console.deployment.storages import KINDS
from tests.factories import BOTH_ENGINES, make_row


def line(number: int, kind: str = "s3", **connection: Any) -> StorageLine:
    return StorageLine(KINDS[kind], number, f"{kind}:{number}", "", "", 1, "", None, None, connection)


@pytest.mark.parametrize(
    ("first", "second", "how"),
    [
        ({"bucket": "b"}, {"bucket": "b"}, "the same place"),
        ({"bucket": "b", "prefix": "a/"}, {"bucket": "b", "prefix": "a"}, "the same place"),
        ({"bucket": "b"}, {"bucket": "b", "prefix": "a"}, "lies inside"),
        ({"bucket": "b", "prefix": "a/x"}, {"bucket": "b", "prefix": "a"}, "lies around"),
        ({"bucket": "b", "prefix": "a"}, {"bucket": "b", "prefix": "ab"}, None),
        ({"bucket": "b"}, {"bucket": "B"}, None),
        ({"bucket": "b", "s3_endpoint": "http://one"}, {"bucket": "b", "s3_endpoint": "http://two"}, None),
        ({"bucket": ""}, {"bucket": None}, None),
    ],
)
def test_places(first: dict[str, Any], second: dict[str, Any], how: str | None) -> None:
    one, two = line(1, **first), line(2, **second)
    assert [share.how for share in sharing(one, [one, two])] == ([how] if how else [])


def test_other_providers_have_other_places() -> None:
    redis = line(1, "redis", host="h", port="6379", db="1", path="a")
    assert not sharing(redis, [line(2, "redis", host="h", port="6379", db="2", path="a")])
    assert [share.how for share in sharing(redis, [line(3, "redis-export", host="h", db="1", path="z")])] == [
        "lies around"
    ]
    files = line(1, "localfiles", path="/data/images")
    assert [share.how for share in sharing(files, [line(2, "localfiles", path="/data")])] == ["lies around"]
    assert not sharing(files, [line(2, "localfiles", path="/data/images2")])
    azure = line(1, "azure", container="c", account_name="a")
    assert not sharing(azure, [line(2, "azure", container="c", account_name="b"), line(3, "gcs", bucket="c")])


@BOTH_ENGINES
def test_the_storages_of_a_project_with_all_others(deployment: Deployment, session: Session) -> None:
    made = [
        make_row(session, "io_storages_s3importstorage", title=name, bucket="both", prefix="p", project_id=project)
        for name, project in (("mine", 1), ("theirs", 3))
    ]
    with deployment.read() as reading:
        lines = storage_lines(reading, deployment.schema)
    found = shared_among([one for one in lines if one.project_id == 1], lines)
    assert (made[0].id, made[1].id) in {(share.line.id, share.other.id) for share in found}
    assert not any("secret" in name or "password" in name for one in lines for name in one.connection)
