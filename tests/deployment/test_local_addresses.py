"""What task data means by a local file, and how Label Studio wants it written."""

from __future__ import annotations

import pytest

from console.deployment.local_addresses import Reader

THERE = {"/data/set/1.jpg", "/data/set/two words.jpg", "/data/data/set/own.jpg"}


def reader(**told: object) -> Reader:
    return Reader("/data", ["/data/set"], **({"exists": THERE.__contains__} | told))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "form", "wanted"),
    [
        ("/data/local-files/?d=set/1.jpg", "right", "/data/local-files/?d=set/1.jpg"),
        ("https://ls.example.com/sub/data/local-files/?d=set/1.jpg", "right",
         "https://ls.example.com/sub/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/?d=/set/1.jpg", "right", "/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/?d=set/two%20words.jpg", "right", "/data/local-files/?d=set/two%20words.jpg"),
        ("/data/local-files?d=set/1.jpg", "no_slash", "/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/set/1.jpg", "no_query", "/data/local-files/?d=set/1.jpg"),
        ("https://ls.example.com/data/local-files/set/1.jpg", "no_query",
         "https://ls.example.com/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/?d=set\\1.jpg", "backslash", "/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/?d=set%5C1.jpg", "backslash", "/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/?d=/data/set/1.jpg", "root_repeated", "/data/local-files/?d=set/1.jpg"),
        ("/data/local-files/?d=data/set/own.jpg", "right", "/data/local-files/?d=data/set/own.jpg"),
        ("/data/set/1.jpg", "absolute_path", "/data/local-files/?d=set/1.jpg"),
        ("/data/set/two words.jpg", "absolute_path", "/data/local-files/?d=set/two%20words.jpg"),
        ("file:///data/set/1.jpg", "file_scheme", "/data/local-files/?d=set/1.jpg"),
        ("file:///home/ann/set/1.jpg", "file_scheme", "/data/local-files/?d=set/1.jpg"),
        ("file:///home/ann/gone.jpg", "file_scheme", None),
        ("file:///C:/photos/set/two%20words.jpg", "file_scheme", "/data/local-files/?d=set/two%20words.jpg"),
        ("C:\\photos\\set\\1.jpg", "drive_letter", "/data/local-files/?d=set/1.jpg"),
        ("C:/photos/gone.jpg", "drive_letter", None),
        ("C:/../../etc/passwd", "drive_letter", None),
    ],
)  # fmt: skip
def test_forms(value: str, form: str, wanted: str | None) -> None:
    found = reader().read(value)
    assert found is not None and (found.form, found.wanted) == (form, wanted)


@pytest.mark.parametrize(
    "value",
    ["A sentence.", "", "https://example.com/a.jpg", "s3://bucket/a.jpg", "/data", "/elsewhere/a.jpg", "/data/local-filesystem",
     "/etc/passwd", "a\nb", "/data/set/" + "x" * 5000, "/data/set/\0", "a:b", "\\\\server\\share"],
)  # fmt: skip
def test_what_is_no_local_file(value: str) -> None:
    assert reader().read(value) is None


def test_without_the_disk_only_the_spelling_decides() -> None:
    blind = reader(exists=None)
    assert blind.read("/data/set/gone.jpg").wanted == "/data/local-files/?d=set/gone.jpg"
    assert blind.read("file:///home/ann/set/1.jpg").wanted is None
    assert blind.read("/data/local-files/?d=/data/set/1.jpg").form == "root_repeated"
    unknown = Reader("/", ["/data/set"], None, known=False)
    assert unknown.read("/data/set/1.jpg").wanted is None
    assert unknown.read("/data/local-files?d=a.jpg").wanted == "/data/local-files/?d=a.jpg"


def test_all_of_a_tasks_data_is_rewritten_and_nothing_else() -> None:
    data = {
        "image": "/data/set/1.jpg", "text": "see /data/set/1.jpg", "n": 1, "none": None, "right": "/data/local-files/?d=x",
        "deep": [{"a": ["file:///data/set/1.jpg", "file:///gone"]}, "C:\\set\\1.jpg"],
    }  # fmt: skip
    wanted = "/data/local-files/?d=set/1.jpg"
    assert reader().rewritten(data) == data | {"image": wanted, "deep": [{"a": [wanted, "file:///gone"]}, wanted]}
    assert sorted(item.form for item in reader().values(data)) == [
        "absolute_path", "drive_letter", "file_scheme", "file_scheme", "right",
    ]  # fmt: skip
