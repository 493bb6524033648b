"""Projects, as scripts make, read, change and delete them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError

from tests.sdk.site import ORGANIZATION, SENTIMENT, Site


def test_a_project_is_created_with_what_was_sent(ls: LabelStudio):
    made = ls.projects.create(
        title="Reviews of May",
        description="From the shop",
        label_config=SENTIMENT,
        expert_instruction="<b>Read</b> it all",
        show_instruction=True,
        maximum_annotations=2,
        color="#FF8800",
        sampling="Uniform sampling",
        skip_queue="REQUEUE_FOR_ME",
    )
    assert (made.title, made.description, made.color) == ("Reviews of May", "From the shop", "#FF8800")
    assert (made.maximum_annotations, made.sampling, made.skip_queue) == (2, "Uniform sampling", "REQUEUE_FOR_ME")
    assert made.created_by.email == "alice@example.com"
    assert made.parsed_label_config["sentiment"]["labels"] == ["Positive", "Negative", "Neutral"]
    assert made.control_weights["sentiment"].labels == {"Positive": 1.0, "Negative": 1.0, "Neutral": 1.0}
    got = ls.projects.get(id=made.id)
    assert got.expert_instruction == "<b>Read</b> it all"
    assert (got.task_number, got.total_annotations_number, got.finished_task_number) == (0, 0, 0)


def test_everything_of_a_project_is_optional(ls: LabelStudio):
    made = ls.projects.create()
    assert made.id > 5
    assert made.label_config == "<View></View>"
    assert made.maximum_annotations == 1


def test_the_counters_of_a_project_of_the_dump(ls: LabelStudio):
    project = ls.projects.get(id=1)
    assert project.title == "Review sentiment"
    assert (project.task_number, project.total_predictions_number, project.ground_truth_number) == (85, 38, 5)
    assert project.total_annotations_number == 92
    assert project.skipped_annotations_number == 4
    assert project.config_has_control_tags is True


@pytest.mark.own_database
def test_the_list_goes_on_over_its_pages_and_ends(ls: LabelStudio):
    made = {ls.projects.create(title=f"Project {n}").id for n in range(5)}
    listed = [project.id for project in ls.projects.list(page_size=2)]
    assert len(listed) == len(set(listed)) == 9  # four of organization 1 in the dump
    assert made <= set(listed)
    assert 4 not in listed  # of the other organization
    assert listed[:5] == sorted(made, reverse=True)


def test_the_list_is_filtered(ls: LabelStudio):
    assert [project.id for project in ls.projects.list(ids="1,3", ordering="id")] == [1, 3]
    assert [project.title for project in ls.projects.list(title="entities")] == ["News entities"]
    [counted] = ls.projects.list_counts(ids="1", include="id,task_number").results
    assert (counted.id, counted.task_number) == (1, 85)


def test_a_project_is_changed_field_by_field(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    changed = ls.projects.update(id=project_id, title="Another title", show_skip_button=False)
    assert (changed.title, changed.show_skip_button) == ("Another title", False)
    got = ls.projects.get(id=project_id)
    assert (got.title, got.show_skip_button, got.label_config) == ("Another title", False, SENTIMENT)


def test_more_annotators_than_one_make_finished_tasks_unfinished(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=2)
    first, _ = ls.tasks.list(project=project_id)
    ls.annotations.create(id=first.id, result=[])
    assert ls.tasks.get(id=str(first.id)).is_labeled is True
    ls.projects.update(id=project_id, maximum_annotations=2)
    task = ls.tasks.get(id=str(first.id))
    assert (task.is_labeled, task.overlap) == (False, 2)


def test_a_deleted_project_is_gone_with_its_tasks(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=3)
    task_id = next(iter(ls.tasks.list(project=project_id))).id
    ls.projects.delete(id=project_id)
    for gone in (lambda: ls.projects.get(id=project_id), lambda: ls.tasks.get(id=str(task_id))):
        with pytest.raises(ApiError) as error:
            gone()
        assert error.value.status_code == 404


def test_a_configuration_is_validated_before_it_is_used(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    project_id = new_project(tasks=1)
    [task] = ls.tasks.list(project=project_id)
    chosen = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
    ls.annotations.create(id=task.id, result=[chosen])
    assert ls.projects.validate_label_config(id=project_id, label_config=SENTIMENT) is not None
    with pytest.raises(ApiError) as error:
        ls.projects.validate_label_config(id=project_id, label_config="<View><Text")
    assert (error.value.status_code, error.value.body["status_code"]) == (400, 400)
    assert "line 1, column" in str(error.value.body)
    with pytest.raises(ApiError) as error:
        ls.projects.validate_label_config(
            id=project_id, label_config=SENTIMENT.replace('<Choice value="Positive"/>', "")
        )
    assert "Positive" in str(error.value.body)
    site.send("POST", "/api/projects/validate/", json={"label_config": SENTIMENT})


def test_a_configuration_in_use_cannot_lose_its_control(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project(tasks=1)
    [task] = ls.tasks.list(project=project_id)
    chosen = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
    ls.annotations.create(id=task.id, result=[chosen])
    with pytest.raises(ApiError) as error:
        ls.projects.update(id=project_id, label_config=SENTIMENT.replace('"sentiment"', '"mood"'))
    assert "sentiment" in str(error.value.body)
    assert ls.projects.get(id=project_id).label_config == SENTIMENT


def test_the_label_interface_of_a_project_makes_tasks_and_annotations(ls: LabelStudio, new_project: Callable[..., int]):
    """What the SDK's guide shows: the interface invents a task and an annotation, and both are accepted."""
    project_id = new_project()
    interface = ls.projects.get(id=project_id).get_label_interface()
    assert interface.get_control("sentiment").labels == ["Positive", "Negative", "Neutral"]
    sample = interface.generate_sample_task()
    annotation = interface.generate_sample_annotation()
    del annotation["completed_by"]  # the SDK's -1 is nobody
    made = ls.projects.import_tasks(
        id=project_id, request=[{"data": sample, "annotations": [annotation]}], return_task_ids=True
    )
    assert (made.task_count, made.annotation_count) == (1, 1)
    task = ls.tasks.get(id=str(made.task_ids[0]))
    assert task.data == sample
    assert interface.validate_annotation({"result": task.annotations[0]["result"]})


def test_summary_model_versions_and_annotators(ls: LabelStudio, site: Site):
    summary = site.send("GET", "/api/projects/1/summary/").json()
    assert summary["all_data_columns"]["text"] >= 65
    assert summary["created_annotations"]["sentiment|text|choices"] > 0
    versions = site.send("GET", "/api/projects/1/model-versions/").json()
    assert versions == {"sentiment-v1": 35, "sentiment-v1-b": 3}
    people = ls.projects.list_unique_annotators(id=1)
    assert {person.email for person in people} >= {"alice@example.com", "bob@example.com"}


def test_the_next_task_is_handed_out_until_nothing_is_left(
    ls: LabelStudio, site: Site, new_project: Callable[..., int]
):
    project_id = new_project(tasks=2)
    seen = []
    for _ in range(2):
        task = site.send("GET", f"/api/projects/{project_id}/next/").json()
        assert task["data"] == {"text": f"text {len(seen)}"}
        ls.annotations.create(id=task["id"], result=[])
        seen.append(task["id"])
    assert len(set(seen)) == 2
    with pytest.raises(AssertionError, match="There are no tasks for alice@"):
        site.send("GET", f"/api/projects/{project_id}/next/")


def test_a_project_belongs_to_its_organization(ls: LabelStudio, new_project: Callable[..., int]):
    assert ls.projects.get(id=new_project()).organization == ORGANIZATION
