"""What a wildcard stands for in one storage, and which filters near a given one match the keys."""

from __future__ import annotations

import time

import pytest

from console.deployment.filters import meant_by, nearest, variants
from console.deployment.keys import by_extension, extension, family, json_filter, media_filter, opens_as_tasks


@pytest.mark.parametrize(
    ("pattern", "prefix", "meant"),
    [
        ("*.jpg", "img/", r".*\.jpg$"),
        ("img/*.jpg", "img/", r"img/.*\.jpg$"),
        ("img/*.jpg", "img", r"img/.*\.jpg$"),
        ("img/*.jpg", "", r"img/.*\.jpg$"),
        ("img/*.jpg", "data/img/", r".*img/.*\.jpg$"),
        ("img/a-*.jpg", "img/a-1/", r"img/a-.*\.jpg$"),
        ("a.b/*.jpg", "c/", r".*a\.b/.*\.jpg$"),
        ("{train,test}/*.json", "sets/", r".*(train|test)/.*\.json$"),
        (" .*\\.jpg", "img/", r".*\.jpg"),
        (" photos.*", "img/", "photos.*"),
        (r".*\.jpg$", "img/", None),
    ],
)
def test_a_wildcard_is_placed_where_the_storage_matches_it(pattern: str, prefix: str, meant: str | None) -> None:
    assert meant_by(pattern, prefix, by_name=False) == meant


def test_local_files_match_the_name_alone() -> None:
    assert meant_by("ner/*.json", "", by_name=True) == r".*\.json$"
    assert meant_by("*.json", "", by_name=True) == r".*\.json$"


def test_every_variant_differs_from_the_filter_and_none_comes_twice() -> None:
    for pattern in (r"IMG_\d+\.jpg$", "*.jpg", r"(?i).*\.jpe?g$", "a|b", "", "["):
        candidates = [candidate for candidate, _ in variants(pattern, "img/")]
        assert pattern not in candidates
        assert len(candidates) == len(set(candidates))


def test_the_nearest_filter_tells_which_keys_it_takes() -> None:
    found = nearest(r"IMG_\d+\.jpg$", "scans/", ["scans/IMG_1.jpg", "scans/readme.txt"])
    assert found is not None
    assert found[:2] == (r".*IMG_\d+\.jpg$", [True, False])
    assert nearest("[", "", ["a"]) is None
    assert nearest("x", "", []) is None


def test_a_catastrophic_filter_is_not_varied_for_long() -> None:
    started = time.monotonic()
    assert nearest(r"(?=(a+)+$)b", "", ["a" * 60 + "!"], seconds=0.5) is None
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("key", "name", "kind", "opened"),
    [
        ("a/b.JPG", ".jpg", "image", False),
        ("a.b/c", "", "other", True),
        ("a/.DS_Store", "", "other", True),
        ("x.tar.gz", ".gz", "other", False),
        ("x.Json", ".json", "json", True),
        ("x.parquet", ".parquet", "other", True),
        ("call.wav", ".wav", "audio", False),
        ("", "", "other", True),
    ],
)
def test_extensions_as_label_studio_tells_them(key: str, name: str, kind: str, opened: bool) -> None:
    assert (extension(key), family(key), opens_as_tasks(key)) == (name, kind, opened)


def test_filters_for_what_is_there() -> None:
    assert media_filter(["a.png"]) == r".*\.png$"
    assert media_filter(["a.jpg", "b.JPEG", "c.wav"]) == r"(?i).*\.jpe?g$"
    assert media_filter(["a.log", "b.json"]) is None
    assert json_filter(["a.json", "B.jpg"]) == r".*\.jsonl?$"
    assert json_filter(["a.JSON"]) == r"(?i).*\.jsonl?$"


def test_keys_by_extension() -> None:
    assert by_extension(["a.jpg", "b", "c.JPG"]) == [
        {"extension": ".jpg", "keys": 2, "example": "a.jpg"},
        {"extension": "none", "keys": 1, "example": "b"},
    ]
