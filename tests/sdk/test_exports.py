"""Exports: at once, as snapshots, and by the SDK's own shortcuts."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from tests.conftest import DumpUrl
from tests.sdk.site import Site, tokens_of
from tests.served import console_on, silence


def content(stream: Any) -> bytes:
    return b"".join(stream)


def test_the_formats(ls: LabelStudio):
    formats = {item["name"]: item for item in ls.projects.exports.list_formats(id=1)}
    assert "disabled" not in formats["JSON"]
    assert formats["CSV"]["title"] == "CSV"
    assert formats["COCO"]["disabled"] is True  # texts have no boxes
    assert {"JSON_MIN", "TSV", "CONLL2003", "YOLO", "VOC", "ASR_MANIFEST"} <= set(formats)


def test_an_export_at_once_holds_the_annotated_tasks(ls: LabelStudio):
    tasks = json.loads(content(ls.projects.exports.download_sync(id=1)))
    assert len(tasks) == 54
    assert all(task["annotations"] for task in tasks)
    first = next(task for task in tasks if task["inner_id"] == 1)
    assert len(first["annotations"]) == 2
    assert {"unique_id", "result_count", "prediction", "lead_time"} <= set(first["annotations"][0])
    assert first["total_annotations"] == 2


def test_all_tasks_or_chosen_ones(ls: LabelStudio, site: Site):
    assert len(json.loads(content(ls.projects.exports.download_sync(id=1, download_all_tasks=True)))) == 85
    ids = [task.id for task in ls.tasks.list(project=1, page_size=3).items]
    chosen = site.send("GET", "/api/projects/1/export", params={"exportType": "JSON", "ids[]": ids[:2]}).json()
    assert [task["id"] for task in chosen] == ids[:2]


@pytest.mark.console_only
def test_the_ids_of_the_sdk_count(ls: LabelStudio):
    """It sends `ids`; the open-source edition reads `ids[]` alone and exports everything."""
    ids = [task.id for task in ls.tasks.list(project=1, page_size=3).items]
    stream = ls.projects.exports.download_sync(id=1, ids=ids[1:])
    assert [task["id"] for task in json.loads(content(stream))] == ids[1:]


def test_the_shortcuts_of_the_sdk(ls: LabelStudio):
    assert len(ls.projects.exports.as_json(1)) == 85
    frame = ls.projects.exports.as_pandas(1)
    assert len(frame) == 92 + 31  # annotations that were not skipped, and tasks without any
    assert frame["annotation_id"].count() == 92
    assert {"id", "text", "sentiment", "annotator", "annotation_id", "lead_time"} <= set(frame.columns)
    assert set(frame["sentiment"].dropna()) == {"Positive", "Negative", "Neutral"}
    assert ls.projects.exports.as_file(1, export_type="JSON_MIN").read(1) == b"["
    assert ls.projects.exports.as_binary(1, export_type="TSV").split(b"\n")[0].count(b"\t") > 4


def test_formats_of_the_converter(ls: LabelStudio):
    words = content(ls.projects.exports.download_sync(id=2, export_type="CONLL2003")).decode()
    assert words.startswith("-DOCSTART-")
    assert "B-PER" in words
    archive = content(ls.projects.exports.download_sync(id=3, export_type="COCO", download_resources=False))
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        result = json.loads(files.read("result.json"))
    assert {category["name"] for category in result["categories"]} == {"Car", "Pedestrian", "Traffic sign"}
    assert len(result["images"]) > 30
    assert result["annotations"]


def test_a_snapshot_is_created_read_converted_downloaded_and_deleted(
    ls: LabelStudio, site: Site, new_project: Callable[..., int]
):
    project_id = new_project(tasks=3)
    first, *_ = ls.tasks.list(project=project_id)
    ls.annotations.create(id=first.id, result=[])
    made = ls.projects.exports.create(id=project_id, title="Before the weekend")
    assert made.title == "Before the weekend"
    snapshot = ls.projects.exports.get(id=project_id, export_pk=made.id)
    assert (snapshot.status, snapshot.counters["task_number"]) == ("completed", 3)
    assert snapshot.created_by.email == "alice@example.com"
    assert [item.id for item in ls.projects.exports.list(id=project_id)] == [made.id]
    tasks = json.loads(content(ls.projects.exports.download(id=project_id, export_pk=made.id)))
    assert [len(task["annotations"]) for task in tasks] == [1, 0, 0]
    converted = ls.projects.exports.convert(id=project_id, export_pk=made.id, export_type="CSV")
    assert converted.export_type == "CSV"
    snapshot = ls.projects.exports.get(id=project_id, export_pk=made.id)
    assert [(item.export_type, item.status) for item in snapshot.converted_formats] == [("CSV", "completed")]
    text = content(ls.projects.exports.download(id=project_id, export_pk=made.id, export_type="CSV")).decode()
    assert sorted(text.splitlines()[0].replace('"', "").split(",")) == sorted(
        ["annotation_id", "annotator", "created_at", "id", "lead_time", "text", "updated_at"]
    )
    ls.projects.exports.delete(id=project_id, export_pk=made.id)
    assert ls.projects.exports.list(id=project_id) == []
    with pytest.raises(ApiError) as error:
        ls.projects.exports.get(id=project_id, export_pk=made.id)
    assert error.value.status_code == 404


def test_a_snapshot_of_a_part(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=4)
    one, two, three, _ = [task.id for task in ls.tasks.list(project=project_id)]
    ls.annotations.create(id=one, result=[])
    ls.annotations.create(id=two, result=[], was_cancelled=True)
    ls.annotations.create(id=three, result=[], ground_truth=True)

    def exported(**options: Any) -> list[int]:
        made = ls.projects.exports.create(id=project_id, **options)
        return [
            task["id"] for task in json.loads(content(ls.projects.exports.download(id=project_id, export_pk=made.id)))
        ]

    assert exported(task_filter_options={"annotated": "only"}) == [one, three]
    assert exported(task_filter_options={"finished": "only"}) == [one, three]
    assert exported(task_filter_options={"skipped": "exclude"}) == [one, three, three + 1]
    usual = {"annotation_filter_options": {"usual": True}, "task_filter_options": {"only_with_annotations": True}}
    assert exported(**usual) == [one]


def test_a_snapshot_of_a_view(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=5)
    second = [task.id for task in ls.tasks.list(project=project_id)][1]
    item = {"filter": "filter:tasks:id", "operator": "equal", "type": "Number", "value": second}
    view = ls.views.create(
        project=project_id, data={"title": "One", "filters": {"conjunction": "and", "items": [item]}}
    )
    made = ls.projects.exports.create(id=project_id, task_filter_options={"view": view.id})
    stream = ls.projects.exports.download(id=project_id, export_pk=made.id)
    assert [task["id"] for task in json.loads(content(stream))] == [second]


def test_names_of_people_or_ids(ls: LabelStudio):
    made = ls.projects.exports.create(
        id=1,
        task_filter_options={"annotated": "only"},
        serialization_options={"annotations__completed_by": {"only_id": False}, "predictions": {"only_id": False}},
    )
    first = json.loads(content(ls.projects.exports.download(id=1, export_pk=made.id)))[0]
    assert first["annotations"][0]["completed_by"]["email"].endswith("@example.com")
    assert first["predictions"][0]["model_version"] == "sentiment-v1"


def test_a_snapshot_that_is_made_in_the_background(dump_url: DumpUrl, tmp_path: Path, empty_state: Path):
    """Without `LSCONSOLE_JOBS=inline`: scripts ask until it is completed, as they have to with Label Studio Enterprise."""
    url = dump_url("sqlite", "1.23.2")
    silence(url)
    with console_on(url, tmp_path, empty_state, jobs="threads") as address:
        site = Site(address, tokens_of(url))
        exports = site.client().projects.exports
        made = exports.create(id=1, title="Later")
        assert made.status in {"created", "in_progress", "completed"}
        exports._poll_export(1, made, None, timeout=20)
        assert len(json.loads(content(exports.download(id=1, export_pk=made.id)))) == 85
        converted = exports.convert(id=1, export_pk=made.id, export_type="CSV").converted_format
        deadline = time.monotonic() + 20
        while [item.status for item in exports.get(id=1, export_pk=made.id).converted_formats] != ["completed"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [format_] = exports.get(id=1, export_pk=made.id).converted_formats
        assert (format_.id, format_.export_type) == (converted, "CSV")
        text = content(exports.download(id=1, export_pk=made.id, export_type="CSV"))
        assert len(pandas.read_csv(io.BytesIO(text))) == 92 + 31
        done = site.legacy().get_project(1).export(output_dir=str(tmp_path / "out"))
        assert (tmp_path / "out" / done["filename"]).stat().st_size > 10_000
