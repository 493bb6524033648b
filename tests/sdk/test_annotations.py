"""Annotations, drafts and predictions, as scripts write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from tests.sdk.site import Site


def chosen(choice: str) -> list[dict[str, object]]:
    region = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}
    return [{"id": f"r-{choice}", **region}]


@pytest.fixture
def task_id(ls: LabelStudio, new_project: Callable[..., int]) -> int:
    return ls.tasks.list(project=new_project(tasks=1)).items[0].id


def test_an_annotation_is_created_read_changed_and_deleted(ls: LabelStudio, task_id: int):
    made = ls.annotations.create(id=task_id, result=chosen("Positive"), lead_time=12.5)
    assert (made.result, made.lead_time, made.completed_by) == (chosen("Positive"), 12.5, 1)
    assert (made.was_cancelled, made.ground_truth, made.task) == (False, False, task_id)
    assert ls.annotations.get(id=made.id).result == chosen("Positive")
    task = ls.tasks.get(id=str(task_id))
    assert (task.total_annotations, task.is_labeled) == (1, True)
    changed = ls.annotations.update(id=made.id, result=chosen("Negative"), lead_time=20)
    assert (changed.result, changed.lead_time) == (chosen("Negative"), 20)
    assert [item.result for item in ls.annotations.list(id=task_id)] == [chosen("Negative")]
    ls.annotations.delete(id=made.id)
    assert ls.annotations.list(id=task_id) == []
    task = ls.tasks.get(id=str(task_id))
    assert (task.total_annotations, task.is_labeled) == (0, False)


def test_a_skipped_task(ls: LabelStudio, task_id: int):
    skipped = ls.annotations.create(id=task_id, result=[], was_cancelled=True)
    assert skipped.was_cancelled is True
    assert ls.annotations.list(id=task_id) == []
    task = ls.tasks.get(id=str(task_id))
    assert (task.cancelled_annotations, task.total_annotations, task.is_labeled) == (1, 0, False)
    ls.annotations.update(id=skipped.id, was_cancelled=False, result=chosen("Neutral"))
    task = ls.tasks.get(id=str(task_id))
    assert (task.cancelled_annotations, task.total_annotations, task.is_labeled) == (0, 1, True)


def test_one_ground_truth_takes_the_place_of_another(ls: LabelStudio, site: Site, task_id: int):
    first = ls.annotations.create(id=task_id, result=chosen("Positive"), ground_truth=True)
    second = site.client("bob").annotations.create(id=task_id, result=chosen("Neutral"), ground_truth=True)
    assert second.completed_by == 2
    truths = {item.id: item.ground_truth for item in ls.annotations.list(id=task_id)}
    assert truths == {first.id: False, second.id: True}
    ls.annotations.update(id=first.id, ground_truth=True)
    truths = {item.id: item.ground_truth for item in ls.annotations.list(id=task_id)}
    assert truths == {first.id: True, second.id: False}


def test_somebody_else_annotated_it(ls: LabelStudio, task_id: int):
    made = ls.annotations.create(id=task_id, result=chosen("Positive"), completed_by=3)
    assert made.completed_by == 3
    assert ls.annotations.get(id=made.id).created_username.endswith("carol@example.com, 3")


def test_overlap_counts_people(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    project_id = new_project(tasks=1, maximum_annotations=2)
    task_id = ls.tasks.list(project=project_id).items[0].id
    for _ in range(2):
        ls.annotations.create(id=task_id, result=chosen("Positive"))
    assert ls.tasks.get(id=str(task_id)).is_labeled is False
    site.client("bob").annotations.create(id=task_id, result=chosen("Positive"))
    assert ls.tasks.get(id=str(task_id)).is_labeled is True
    project = ls.projects.get(id=project_id)
    assert (project.total_annotations_number, project.finished_task_number) == (3, 1)


def test_a_used_unique_id_is_a_conflict(ls: LabelStudio, task_id: int):
    unique = "6f1a0d3e-4c39-4b18-8d3f-0c6f6f8a2b11"
    ls.annotations.create(id=task_id, result=[], unique_id=unique)
    with pytest.raises(ApiError) as error:
        ls.annotations.create(id=task_id, result=[], unique_id=unique)
    assert error.value.status_code == 409
    assert error.value.body["detail"] == "Annotation with this unique id already exists"


def test_a_draft_becomes_an_annotation(ls: LabelStudio, site: Site, task_id: int):
    drafts = f"/api/tasks/{task_id}/drafts"
    draft = site.send("POST", drafts, json={"result": chosen("Neutral"), "lead_time": 3}).json()
    assert (draft["user"], draft["task"], draft["lead_time"]) == ("alice@example.com", task_id, 3)
    changed = site.send("PATCH", f"/api/drafts/{draft['id']}/", json={"result": chosen("Positive")}).json()
    assert changed["result"] == chosen("Positive")
    assert [item["id"] for item in site.send("GET", drafts).json()] == [draft["id"]]
    assert len(ls.tasks.get(id=str(task_id)).drafts) == 1
    body = {"result": chosen("Positive"), "draft_id": draft["id"]}
    made = site.send("POST", f"/api/tasks/{task_id}/annotations/", json=body).json()
    assert made["draft_created_at"] == draft["created_at"]
    assert site.send("GET", drafts).json() == []
    assert ls.tasks.get(id=str(task_id)).drafts == []


def test_a_draft_of_an_annotation_ends_when_it_is_saved(ls: LabelStudio, site: Site, task_id: int):
    made = ls.annotations.create(id=task_id, result=chosen("Positive"))
    drafts = f"/api/tasks/{task_id}/annotations/{made.id}/drafts"
    draft = site.send("POST", drafts, json={"result": chosen("Negative")}).json()
    assert draft["annotation"] == made.id
    ls.annotations.update(id=made.id, result=chosen("Negative"))
    assert site.send("GET", drafts).json() == []


def test_a_prediction_is_created_listed_changed_and_deleted(ls: LabelStudio, task_id: int):
    made = ls.predictions.create(task=task_id, result=chosen("Positive"), score=0.75, model_version="v9")
    assert (made.result, made.score, made.model_version) == (chosen("Positive"), 0.75, "v9")
    assert ls.predictions.get(id=made.id).task == task_id
    assert [item.id for item in ls.predictions.list(task=task_id)] == [made.id]
    changed = ls.predictions.update(id=made.id, score=0.5)
    assert (changed.score, changed.model_version) == (0.5, "v9")
    assert ls.tasks.get(id=str(task_id)).total_predictions == 1
    ls.predictions.delete(id=made.id)
    assert ls.predictions.list(task=task_id) == []
    assert ls.tasks.get(id=str(task_id)).total_predictions == 0


def test_a_prediction_may_be_the_bare_answer(ls: LabelStudio, task_id: int):
    """A scalar is put under the first control of the configuration."""
    made = ls.predictions.create(task=task_id, result="Negative", model_version="bare")
    [region] = ls.predictions.get(id=made.id).result
    assert (region["from_name"], region["to_name"]) == ("sentiment", "text")
    assert region["value"] == {"choices": ["Negative"]}


def test_predictions_of_a_project(ls: LabelStudio):
    listed = ls.predictions.list(project=1)
    assert len(listed) == 38
    assert {item.model_version for item in listed} == {"sentiment-v1", "sentiment-v1-b"}


def test_labels_of_the_interface_become_a_prediction(ls: LabelStudio, new_project: Callable[..., int]):
    """As the SDK's guide for machine learning: `create_regions` and `PredictionValue`."""
    from label_studio_sdk.label_interface.objects import PredictionValue

    project_id = new_project(tasks=1)
    task_id = ls.tasks.list(project=project_id).items[0].id
    control = ls.projects.get(id=project_id).get_label_interface().get_control("sentiment")
    value = PredictionValue(model_version="ml", score=0.8, result=[control.label(["Positive"])])
    made = ls.predictions.create(task=task_id, **value.model_dump())
    assert made.result[0]["value"] == {"choices": ["Positive"]}
    assert ls.tasks.get(id=str(task_id)).predictions[0].model_version == "ml"
