"""Links into buckets and `$undefined$` in task data."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from console.labeling.tasks_data import Source, needs_reading, shown

S3 = Source("s3", 1, "s3", "photos")
GCS = Source("gcs", 1, "gs", "photos")
CONFIG = '<View><Image name="image" value="$image"/></View>'


def path(uri: str) -> str:
    return f"/tasks/7/resolve/?fileuri={base64.urlsafe_b64encode(uri.encode()).decode()}"


def resolved(data: dict[str, Any], *sources: Source, link: tuple[str, int] | None = None, config: str = "") -> Any:
    return shown(json.dumps(data), config, 7, sources, link)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("s3://photos/a b.png", path("s3://photos/a b.png")),
        ("s3://photos", "s3://photos"),
        ("s3://other/a.png", "s3://other/a.png"),
        ("gs://photos/a.png", "gs://photos/a.png"),
        ("the s3 bucket", "the s3 bucket"),
        ('<img src="s3://photos/x.png">', f'<img src="{path("s3://photos/x.png")}">'),
        (["s3://photos/1", "s3://other/2", 3], [path("s3://photos/1"), "s3://other/2", 3]),
        ({"a": {"b": "s3://photos/1"}}, {"a": {"b": path("s3://photos/1")}}),
        (5, 5), (None, None), ("", ""), ([], []),
    ],
    ids=repr,
)  # fmt: skip
def test_links(value: Any, expected: Any):
    assert resolved({"image": value}, S3) == {"image": expected}


def test_the_storage_whose_bucket_it_is(value: str = "gs://photos/a.png"):
    assert resolved({"a": value, "b": "s3://photos/b"}, S3, GCS) == {"a": path(value), "b": path("s3://photos/b")}


def test_a_link_with_an_equals_sign_in_a_list_needs_the_tasks_own_storage():
    data = {"list": ["s3://photos/a=1"]}
    assert resolved(data, S3) == data
    assert resolved(data, S3, link=("s3", 1)) == {"list": [path("s3://photos/a=1")]}


def test_undefined_is_named_by_the_configuration():
    assert resolved({"$undefined$": "s3://photos/a"}, S3, config=CONFIG) == {"image": path("s3://photos/a")}
    assert resolved({"$undefined$": 1}) == {"$undefined$": 1}


def test_most_data_is_passed_on_unread():
    assert not needs_reading('{"text": "plain"}', resolve=True)
    assert needs_reading('{"text": "s3://b/k"}', resolve=True)
    assert not needs_reading('{"text": "s3://b/k"}', resolve=False)
    assert needs_reading('{"$undefined$": 1}', resolve=False)
