"""Import: lists of tasks, annotated tasks, predictions made from fields, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.errors import BadRequestError

from tests.sdk.site import Site


def chosen(choice: str) -> list[dict[str, object]]:
    region = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}
    return [{"id": f"r-{choice}", **region}]


def test_a_list_of_tasks(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    made = ls.projects.import_tasks(
        id=project_id, request=[{"text": "one"}, {"data": {"text": "two"}, "meta": {"k": 1}}], return_task_ids=True
    )
    assert (made.task_count, made.annotation_count, made.prediction_count) == (2, 0, 0)
    assert len(made.task_ids) == 2
    one, two = ls.tasks.list(project=project_id)
    assert [one.id, two.id] == made.task_ids
    assert (one.data, two.data, two.meta) == ({"text": "one"}, {"text": "two"}, {"k": 1})
    assert (one.inner_id, two.inner_id) == (1, 2)


def test_annotations_and_predictions_come_along(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    made = ls.projects.import_tasks(
        id=project_id,
        request=[
            {
                "data": {"text": "lovely"},
                "annotations": [
                    {"result": chosen("Positive"), "lead_time": 2.5, "completed_by": {"email": "bob@example.com"}}
                ],
                "predictions": [{"result": chosen("Neutral"), "score": 0.4, "model_version": "v1"}],
            },
            {"data": {"text": "so so"}, "annotations": [{"result": [], "was_cancelled": True}]},
        ],
    )
    assert (made.task_count, made.annotation_count, made.prediction_count) == (2, 2, 1)
    lovely, skipped = ls.tasks.list(project=project_id)
    [annotation] = lovely.annotations
    assert annotation["result"] == chosen("Positive")
    assert (annotation["lead_time"], annotation["ground_truth"], annotation["completed_by"]) == (2.5, True, 2)
    [prediction] = lovely.predictions
    assert (prediction.score, prediction.model_version) == (0.4, "v1")
    assert (skipped.cancelled_annotations, skipped.total_annotations) == (1, 0)
    assert lovely.is_labeled is True
    assert ls.projects.get(id=project_id).model_version == "v1"


def test_fields_become_predictions(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    made = ls.projects.import_tasks(
        id=project_id,
        request=[{"text": "lovely", "sentiment": "Positive"}, {"text": "awful", "sentiment": "Negative"}],
        preannotated_from_fields=["sentiment"],
    )
    assert (made.task_count, made.prediction_count) == (2, 2)
    lovely, awful = ls.tasks.list(project=project_id)
    assert lovely.data == {"text": "lovely", "sentiment": "Positive"}
    [prediction] = awful.predictions
    assert prediction.result[0]["value"] == {"choices": ["Negative"]}
    assert prediction.result[0]["from_name"] == "sentiment"


def test_predictions_for_tasks_that_are_there(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=2)
    tasks = [task.id for task in ls.tasks.list(project=project_id)]
    ls.projects.import_predictions(
        id=project_id,
        request=[{"task": task, "result": chosen("Positive"), "score": 0.9, "model_version": "m2"} for task in tasks],
    )
    for task in ls.tasks.list(project=project_id):
        [prediction] = task.predictions
        assert (prediction.model_version, prediction.score, prediction.result) == ("m2", 0.9, chosen("Positive"))


def test_a_bad_task_is_named_and_nothing_is_stored(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    with pytest.raises(BadRequestError) as error:
        ls.projects.import_tasks(id=project_id, request=[{"text": "fine"}, {"txt": "misspelt"}])
    told = json.dumps(error.value.body)
    assert "Error at item 1" in told
    assert "text" in told
    assert ls.projects.get(id=project_id).task_number == 0


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("reviews.csv", 'text,stars\nfine,5\n"so, so",3\n', ["fine", "so, so"]),
        ("reviews.tsv", "text\tstars\nfine\t5\nbad\t1\n", ["fine", "bad"]),
        ("reviews.json", '[{"text": "fine"}, {"data": {"text": "bad"}}]', ["fine", "bad"]),
        ("reviews.txt", "fine\nbad", ["fine", "bad"]),
    ],
)
def test_files(ls: LabelStudio, site: Site, new_project: Callable[..., int], name: str, content: str, texts: list[str]):
    project_id = new_project()
    sent = {"file": (name, content.encode())}
    made = site.send("POST", f"/api/projects/{project_id}/import", files=sent, params={"return_task_ids": "1"}).json()
    assert made["task_count"] == len(made["task_ids"]) == len(texts)
    assert made["found_formats"] == {Path(name).suffix: 1}
    tasks = list(ls.tasks.list(project=project_id))
    assert [task.id for task in tasks] == made["task_ids"]
    assert [task.data.get("text", task.data.get("$undefined$")) for task in tasks] == texts
    [upload] = ls.files.list(id=project_id, all_=True)
    assert upload.id == made["file_upload_ids"][0]
    assert str(upload.file).endswith(f"-{name}")


def test_uploads_are_kept_listed_imported_again_and_deleted(
    ls: LabelStudio, site: Site, new_project: Callable[..., int]
):
    project_id = new_project()
    files = {"a": ("a.json", b'[{"text": "a"}]'), "b": ("b.json", b'[{"text": "b"}]')}
    kept = site.send(
        "POST", f"/api/projects/{project_id}/import", files=files, params={"commit_to_project": "false"}
    ).json()
    assert len(kept["file_upload_ids"]) == 2
    assert ls.projects.get(id=project_id).task_number == 0
    body = {"file_upload_ids": kept["file_upload_ids"], "files_as_tasks_list": True}
    site.send("POST", f"/api/projects/{project_id}/reimport", json=body)
    assert [task.data["text"] for task in ls.tasks.list(project=project_id)] == ["a", "b"]
    listed = site.send("GET", f"/api/projects/{project_id}/file-uploads", params={"ids": str(kept["file_upload_ids"])})
    first, second = [upload["id"] for upload in listed.json()]
    assert {first, second} == set(kept["file_upload_ids"])
    assert ls.files.get(id=first).id == first
    ls.files.delete(id=first)
    assert [upload.id for upload in ls.files.list(id=project_id, all_=True)] == [second]
    ls.files.delete_many(id=project_id)
    assert ls.files.list(id=project_id, all_=True) == []


@pytest.mark.console_only
def test_chosen_uploads_as_the_sdk_asks_for_them(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    """It repeats `ids`; the open-source edition reads a list in one argument alone, and fails."""
    project_id = new_project()
    files = {name: (f"{name}.json", b'[{"text": "a"}]') for name in "abc"}
    made = site.send("POST", f"/api/projects/{project_id}/import", files=files).json()
    asked = made["file_upload_ids"][:2]
    assert {upload.id for upload in ls.files.list(id=project_id, ids=asked)} == set(asked)
    [one] = ls.files.list(id=project_id, ids=asked[0])
    assert one.id == asked[0]


def test_an_uploaded_picture_becomes_a_task_with_its_address(
    ls: LabelStudio, site: Site, new_project: Callable[..., int]
):
    config = '<View><Image name="image" value="$image"/></View>'
    project_id = new_project(label_config=config)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(64)
    site.send("POST", f"/api/projects/{project_id}/import", files={"file": ("dot.png", picture)})
    [task] = ls.tasks.list(project=project_id)
    address = task.data["image"]
    assert address.startswith(f"/data/upload/{project_id}/")
    assert address.endswith("-dot.png")
    [upload] = ls.files.list(id=project_id, all_=True)
    assert address == f"/data/{upload.file}"


def test_the_deprecated_path_of_older_scripts(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    project_id = new_project()
    made = site.send("POST", f"/api/projects/{project_id}/tasks/bulk/", json=[{"text": "old"}]).json()
    assert made["task_count"] == 1
    assert [task.data["text"] for task in ls.tasks.list(project=project_id)] == ["old"]
