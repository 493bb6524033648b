"""The same bucket, synced by Label Studio and by the console: equal tasks, links, counters and states.

The dry run is made before, on the console's side alone, and has to know how many tasks Label Studio will make, and of
which keys. Many cases share a project and a server start: each is one storage row.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from sqlalchemy import text

from console.config import Settings
from console.errors import ConsoleError
from console.labeling.storages import dry_run, sync
from console.service import Console
from tests.s3_server import S3Server
from tests.twin.peer import SHARED_ENVIRONMENT
from tests.twin.twin import Twin

FIRST_ID = 7001
CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text"><Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)
CHOICE = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
#: What two servers cannot have in common: Label Studio tells a Python traceback, the console a sentence and its own job.
TOLD = ("traceback",)
MEDIA = {"a.jpg": b"x", "b.JPG": b"x", "note.txt": b"x", "deep/c.jpg": b"x", "deep/er/d.png": b"x"}
TASKS: dict[str, Any] = {
    "one.json": {"text": "one"},
    "many.json": [{"text": "two"}, {"data": {"text": "three"}}],
    "empty.json": [],
    "lines.jsonl": b'{"text": "four"}\n\n  {"data": {"text": "five"}, "allow_skip": false}\n',
    "no-extension": {"text": "six"},
    "deep/one.json": {"text": "seven", "number": 1.5, "large": 9007199254740993, "more": [1, {"a": None}]},
    "deep/er/UPPER.JSON": {"text": "eight"},
}
MIXED = {"a.json": {"text": "one"}, "b.jpg": b"x", "c.json": {"text": "two"}, "deep/d.json": {"text": "three"}}
BROKEN = {"a.json": {"text": "one"}, "b.json": b"<html>", "c.json": {"text": "two"}, "deep/d.json": {"text": "three"}}
CONTENTS = {"media": MEDIA, "tasks": TASKS, "mixed": MIXED, "broken": BROKEN}
FILTERS = (None, r".*\.json$", r".*\.jpg$", r"deep/.*", r"(?i).*\.jsonl?$", "*.jpg", r"(?!.*deep).*")
S3_PLACES = (
    (None, None),
    ("", None),
    ("deep", None),
    ("deep/", None),
    ("deep//", None),
    ("dee", None),
    ("nothing", None),
    ("/deep", None),
    (None, r".*\.json$"),
    (None, r"deep/.*"),
    ("deep", r"one.*"),
    ("deep", r"deep/.*\.json"),
    (None, "*.jpg"),
)
ONE_BY_ONE: dict[str, Any] = {
    "a list of numbers": [1, 2],
    "a text": b'"text"',
    "nothing": b"",
    "blanks": b" \n",
    "HTML": b"<!doctype html>",
    "an image": b"\x89PNG\r\n",
    "a byte order mark": b'\xef\xbb\xbf{"text": 1}',
    "not UTF-8": b'{"text": "\xff"}',
    "UTF-16": '{"text": "x"}'.encode("utf-16"),
    "NaN": b'{"text": NaN}',
    "infinity in a list": b'[{"text": Infinity}]',
    "an unfinished object": b'{"text": "x"',
    "text after the object": b'{"text": "x"} x',
    "two objects on a line": b'{"text": "x"} {"text": "y"}',
    "nested": b'{"text": "x", "deep": ' + b"[" * 300 + b"]" * 300 + b"}",
    "large numbers": b'{"n": 123456789012345678901234567890}',
    "exponents": b'[{"text": "x", "n": 1e5, "m": 1.0, "k": -0.0, "j": 1E-7}]',
    "twice a key": b'{"text": 1, "text": 2}',
    "data is a list": {"data": [1], "text": "x"},
    "data is null": {"data": None, "text": "x"},
    "data is empty": {"data": {}},
    "empty object": {},
    "predictions without data": {"text": "x", "predictions": [{"result": []}]},
    "annotations without data": {"text": "x", "annotations": [{"result": []}]},
    "meta": {"data": {"text": "x"}, "meta": {"a": 1}},
    "no predictions": {"data": {"text": "x"}, "predictions": None, "annotations": []},
    "escapes": b'[{"text": "a\\u00e9\\ud83d\\ude00\\/\\"\\\\ \\t"}]',
    "unicode": {"text": "žluťoučký 日本語 😀"},
    "comments": b'{"text": "x"} // no',
    "line ends of Windows": b'{"text": "x"}\r\n{"text": "y"}\r\n',
    "skip maybe": {"data": {"text": "x"}, "allow_skip": None},
    "skip no": {"data": {"text": "x"}, "allow_skip": "False"},
    "skip what": {"data": {"text": "x"}, "allow_skip": "perhaps"},
    "a list of predictions": {"data": {"text": "x"}, "predictions": {"a": 1}},
    "annotation is a text": {"data": {"text": "x"}, "annotations": ["x"]},
}
#: Label Studio makes the first task of these and fails then; as the object is linked, the rest is never read again.
HALF: dict[str, bytes] = {
    "a line that is no object": b'{"text": "x"}\n[1]\n',
    "an unfinished list": b'[{"text": "x"}, {"te',
    "a line that is no JSON": b'{"text": "x"}\nno\n',
    "text after the list": b'[{"text": "x"}] x',
    "a number in a list": b'[{"text": "x"}, 1]',
}
LABELED: dict[str, Any] = {
    "annotation": {"data": {"text": "x"}, "annotations": [{"result": [CHOICE | {"id": "a"}]}]},
    "two people": {
        "data": {"text": "x"},
        "annotations": [
            {"result": [CHOICE], "completed_by": 1, "lead_time": 1.5, "ground_truth": True, "import_id": 5},
            {
                "result": [CHOICE],
                "completed_by": 2,
                "was_cancelled": True,
                "last_action": "imported",
                "draft_created_at": "2024-01-01T00:00:00Z",
            },
        ],
    },
    "result as text": {"data": {"text": "x"}, "annotations": [{"result": json.dumps([CHOICE])}]},
    "no result": {"data": {"text": "x"}, "annotations": [{"was_cancelled": True}]},
    "unique id": {
        "data": {"text": "x"},
        "annotations": [{"result": [], "unique_id": "6b1c9d5e-6c6d-4f4e-9a52-3f1f6a1d2c11"}],
    },
    "prediction": {"data": {"text": "x"}, "predictions": [{"result": [CHOICE], "score": 0.5, "model_version": "v1"}]},
    "prediction as value": {
        "data": {"text": "x"},
        "predictions": [{"result": {"choices": ["Positive"]}}, {"result": "Negative", "cluster": 3, "neighbors": [1]}],
    },
    "prediction of nothing": {"data": {"text": "x"}, "predictions": [{"result": {"other": 1}, "mislabeling": 0.25}]},
    "both": [
        {"data": {"text": "x"}, "predictions": [{"result": []}], "annotations": [{"result": []}, {"result": [CHOICE]}]}
    ]
    * 2,
    "score as text": {"data": {"text": "x"}, "predictions": [{"result": [], "score": "0.25"}]},
}


class Both:
    """Two deployments with the same storages; `compare` syncs one storage in both."""

    def __init__(self, twin: Twin, console: Console, tmp_path: Path) -> None:
        self.twin, self.console, self.directory = twin, console, tmp_path
        self._ids = itertools.count(FIRST_ID)

    def project(self, **values: Any) -> int:
        made = self.twin.post("/api/projects/", json={"title": "sync", "label_config": CONFIG, **values}, expect=201)
        return int(made["id"])

    def files(self, contents: dict[str, Any], name: str) -> Path:
        top = self.directory / name
        for key, content in contents.items():
            path = top / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body_of(content))
        return top

    def local(self, project: int, path: Path, **values: Any) -> SimpleNamespace:
        row = {"path": str(path), "regex_filter": None, "use_blob_urls": False, "recursive": False} | values
        row |= {"id": next(self._ids), "project": project}
        self.twin.execute(
            "INSERT INTO io_storages_localfilesmixin (id, path, regex_filter, use_blob_urls)"
            " VALUES (:id, :path, :regex_filter, :use_blob_urls)",
            **{name: row[name] for name in ("id", "path", "regex_filter", "use_blob_urls")},
        )
        self.twin.execute(
            "INSERT INTO io_storages_localfilesimportstorage (localfilesmixin_ptr_id, project_id, title, created_at, status,"
            " meta, synchronizable, recursive_scan) VALUES (:id, :project, 't', '2024-01-01', 'initialized', '{}', true, :recursive)",
            id=row["id"],
            project=project,
            recursive=row["recursive"],
        )
        return SimpleNamespace(
            provider="localfiles", table="io_storages_localfilesimportstorage", key="localfilesmixin_ptr_id", **row
        )

    def s3(self, project: int, server: S3Server, bucket: str, **values: Any) -> SimpleNamespace:
        row = {"prefix": None, "regex_filter": None, "use_blob_urls": False, "recursive": False} | values
        row |= {"id": next(self._ids), "project": project}
        columns = server.row(bucket, prefix=row["prefix"])
        self.twin.execute(
            "INSERT INTO io_storages_s3importstorage (id, project_id, title, created_at, status, meta, synchronizable, recursive_scan,"
            " bucket, prefix, region_name, s3_endpoint, aws_access_key_id, aws_secret_access_key, regex_filter, use_blob_urls, presign,"
            " presign_ttl) VALUES (:id, :project, 't', '2024-01-01', 'initialized', '{}', true, :recursive, :bucket, :prefix,"
            " 'us-east-1', :s3_endpoint, :aws_access_key_id, :aws_secret_access_key, :regex_filter, :use_blob_urls, true, 1)",
            **{name: row[name] for name in ("id", "project", "recursive", "prefix", "regex_filter", "use_blob_urls")},
            **{name: columns[name] for name in ("bucket", "s3_endpoint", "aws_access_key_id", "aws_secret_access_key")},
        )
        return SimpleNamespace(provider="s3", table="io_storages_s3importstorage", key="id", **row)

    def compare(self, storage: SimpleNamespace) -> SimpleNamespace:
        """Look, sync in both, and compare what the dry run said with what Label Studio made of the storage."""
        reference = f"{storage.provider}:{storage.id}"
        here = f"{storage}"
        before = self._links(storage)
        refused = ""
        try:
            seen = dry_run.look(self.console.deployment, reference, options=dry_run.Options(contents=0))
        except ConsoleError as error:
            seen, refused = {}, str(error)
        token = self.twin.tokens["alice"]
        answer = requests.post(
            f"{self.twin.sides[0].url}/api/storages/{storage.provider}/{storage.id}/sync",
            headers={"Authorization": f"Token {token}"},
            timeout=120,
        )
        ours: Any = None
        try:
            ours = sync.run(self.console.deployment, reference, by="alice@example.com")
        except ConsoleError as error:
            ours = error
        made = self._links(storage) - before
        if answer.status_code >= 400:  # refused before it began
            assert isinstance(ours, ConsoleError) and not isinstance(ours, sync.SyncFailed), (
                f"{here}: {answer.text} {ours}"
            )
            return SimpleNamespace(status="refused", made=made, seen=seen, ours=ours)
        assert not refused, f"{here}: {refused}"
        theirs = answer.json()
        status = "failed" if isinstance(ours, sync.SyncFailed) else ours["status"]
        assert status == theirs["status"], f"{here}: {theirs['status']} {theirs['traceback']}; ours {status} {ours}"
        expected = seen["stops"]["tasks"] if seen["stops"] else seen["new"]["tasks"]
        assert expected == len(made), f"{here}: {expected} were foreseen, {len(made)} made: {seen}"
        keys = {example["key"] for example in seen["new"]["examples"] if example["tasks"]}
        if not seen["stops"]:
            assert keys == {key for key, _ in made}, here
        return SimpleNamespace(status=status, made=made, seen=seen, ours=ours, theirs=theirs)

    def _links(self, storage: SimpleNamespace) -> set[tuple[str, Any]]:
        with self.twin.sides[0].database.connect() as connection:
            found = connection.execute(
                text(f"SELECT key, task_id FROM {storage.table}link WHERE storage_id = :id"), {"id": storage.id}
            )
            return {(row.key, row.task_id) for row in found}

    def rows(self, ignored: dict[str, str] | None = None) -> None:
        """Everything is equal but what is told of a failure, and whose job it was."""
        ignore = {f"{table}.{column}": "sync-reasons" for table in TABLES for column in TOLD}
        ignore["projects_projectsummary.common_data_columns"] = (
            "Label Studio starts anew once no key is common (summary-drift)"
        )
        ignore |= {f"{table}.last_sync_job": "sync-job" for table in TABLES}
        self.twin.rows(ignore=ignore | (ignored or {}))


TABLES = ("io_storages_localfilesimportstorage", "io_storages_s3importstorage")


def body_of(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


@pytest.fixture
def both(twin: Twin, tmp_path: Path) -> Iterator[Both]:
    url = twin.sides[1].database.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    console = Console(Settings.load(dict(SHARED_ENVIRONMENT), database_url=url, data_dir=tmp_path / "looking"))
    yield Both(twin, console, tmp_path)
    console.close()


@pytest.mark.parametrize("content", CONTENTS)
def test_local_files(both: Both, content: str) -> None:
    project = both.project()
    top = both.files(CONTENTS[content], content)
    ended = set()
    places = [(top, pattern) for pattern in FILTERS] + [(top / "deep", pattern) for pattern in FILTERS[:2]]
    for (path, pattern), recursive, blobs in itertools.product(places, (False, True), (False, True)):
        found = both.compare(both.local(project, path, recursive=recursive, regex_filter=pattern, use_blob_urls=blobs))
        ended.add(found.status)
    assert ended == {"completed", "failed"}
    both.rows()


@pytest.mark.parametrize("content", ["media", "tasks", "broken"])
def test_s3(both: Both, content: str) -> None:
    project = both.project()
    with S3Server() as server:
        server.bucket("data", {key: body_of(value) for key, value in CONTENTS[content].items()} | {"deep/folder/": b""})
        ended = set()
        for prefix, pattern in S3_PLACES:
            for recursive, blobs in itertools.product((False, True), repeat=2):
                storage = both.s3(
                    project,
                    server,
                    "data",
                    prefix=prefix,
                    recursive=recursive,
                    regex_filter=pattern,
                    use_blob_urls=blobs,
                )
                ended.add(both.compare(storage).status)
    assert {"completed", "refused"} <= ended
    both.rows()


def test_each_content(both: Both) -> None:
    project = both.project()
    for number, (name, content) in enumerate(ONE_BY_ONE.items()):
        top = both.files({"object": content}, f"one-{number}")
        both.compare(both.local(project, top, regex_filter=None)).name = name
    both.rows()


def test_an_object_is_synced_whole_or_not_at_all(both: Both) -> None:
    """`sync-whole-objects`; and the dry run knows how many tasks Label Studio makes of it."""
    project = both.project()
    for number, content in enumerate(HALF.values()):
        found = both.compare(both.local(project, both.files({"object": content}, f"half-{number}")))
        assert found.status == "failed" and len(found.made) == found.seen["stops"]["tasks_of_this_object"] == 1
        assert found.ours.tasks == 0
    both.twin.unseen_changes.clear()  # the rows differ, on purpose


def test_annotations_and_predictions(both: Both) -> None:
    project = both.project(maximum_annotations=2)
    for number, content in enumerate(LABELED.values()):
        both.compare(both.local(project, both.files({"object.json": content}, f"labeled-{number}")))
    both.rows()


def test_a_second_sync_takes_what_is_new(both: Both) -> None:
    project = both.project()
    top = both.files({"a.json": [{"text": "x"}, {"text": "y"}], "b.json": {"text": "z"}}, "again")
    storage = both.local(project, top)
    both.compare(storage)
    both.files({"c.json": {"text": "new"}}, "again")
    assert len(both.compare(storage).made) == 1
    again = both.compare(storage)
    assert again.ours["existed"] == 4 and again.theirs["meta"]["tasks_existed"] == 4
    both.rows()


def test_only_a_part_of_the_tasks_has_overlap(both: Both) -> None:
    """Which tasks are chosen is chance; how many is not."""
    project = both.project(maximum_annotations=2, overlap_cohort_percentage=50)
    both.compare(both.local(project, both.files({"a.json": [{"text": str(number)} for number in range(10)]}, "cohort")))
    for side in both.twin.sides:
        with side.database.connect() as connection:
            wide = connection.execute(
                text("SELECT count(*) FROM task WHERE project_id = :p AND overlap = 2"), {"p": project}
            )
            assert wide.scalar() == 5
    both.twin.rows(ignore={"task.overlap": "chance", **{f"{table}.last_sync_job": "a job of ours" for table in TABLES}})


def test_what_is_left_out_is_not_counted(both: Both) -> None:
    """`sync-left-out`: of one annotation that has not the form of the API, all of the task go."""
    project = both.project()
    wrong = [{"result": [CHOICE]}, {"result": [CHOICE], "completed_by": {"id": 1}}]
    contents = [
        {"data": {"text": "x"}, "annotations": wrong},
        {"data": {"text": "x"}, "annotations": [{"result": {}}]},
        {"data": {"text": "x"}, "predictions": [{"score": 0.5}, {"result": []}]},
        {"data": {"text": "x"}, "predictions": [{"result": [], "model_version": None}]},
    ]
    found = both.compare(both.local(project, both.files({"object.json": contents}, "left-out")))
    assert len(found.made) == 4 and (found.ours["annotations"], found.ours["predictions"], found.ours["dropped"]) == (
        0,
        0,
        6,
    )
    counted = text("SELECT sum(total_annotations), sum(total_predictions) FROM task WHERE project_id = :p")
    for side, expected in zip(both.twin.sides, ((3, 3), (0, 0)), strict=True):
        with side.database.connect() as connection:
            assert tuple(connection.execute(counted, {"p": project}).one()) == expected
    columns = ("total_annotations", "total_predictions", "is_labeled")
    both.rows(ignored={f"task.{name}": "sync-left-out" for name in columns})
