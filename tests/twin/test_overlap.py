"""Several people on one task: overlap, cohorts, ground truths, and who is served what next."""

from __future__ import annotations

import pytest

from tests.twin.test_annotators_day import mood, new_project, task_ids
from tests.twin.twin import Twin


def test_two_people_finish_a_task_of_overlap_two(twin: Twin):
    project = new_project(twin, maximum_annotations=2)
    ids = task_ids(twin, project)
    twin.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": mood("Good")}, expect=201)
    twin.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": mood("Good")}, expect=201)  # the same person again
    assert twin.get(f"/api/tasks/{ids[0]}/", expect=200)["is_labeled"] is False
    twin.get(f"/api/projects/{project}/next/", as_user="bob", expect=200)
    twin.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": mood("Bad")}, as_user="bob", expect=201)
    assert twin.get(f"/api/tasks/{ids[0]}/", expect=200)["is_labeled"] is True
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.get(f"/api/projects/{project}/", as_user="bob", expect=200)
    twin.rows()


@pytest.mark.parametrize("skip_queue", ["REQUEUE_FOR_ME", "REQUEUE_FOR_OTHERS", "IGNORE_SKIPPED"])
def test_a_skipped_task_comes_back_as_the_project_says(twin: Twin, skip_queue: str):
    project = new_project(twin, skip_queue=skip_queue)
    ids = task_ids(twin, project)
    for task in ids[:4]:
        twin.post(f"/api/tasks/{task}/annotations/", json={"result": mood("Good")}, expect=201)
    twin.post(f"/api/tasks/{ids[4]}/annotations/", json={"result": [], "was_cancelled": True}, expect=201)
    twin.rows()
    twin.get(f"/api/projects/{project}/next/")
    twin.get(f"/api/projects/{project}/next/", as_user="bob")
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.rows()


def test_other_rules_for_skipped_tasks_change_what_is_done(twin: Twin):
    project = new_project(twin, skip_queue="REQUEUE_FOR_OTHERS")
    ids = task_ids(twin, project)
    twin.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": [], "was_cancelled": True}, expect=201)
    for rule in ("IGNORE_SKIPPED", "REQUEUE_FOR_ME", "IGNORE_SKIPPED", "REQUEUE_FOR_OTHERS"):
        twin.patch(f"/api/projects/{project}/", json={"skip_queue": rule}, expect=200)
        twin.rows()


def test_an_annotation_is_skipped_and_taken_back(twin: Twin):
    project = new_project(twin)
    task = task_ids(twin, project)[0]
    made = twin.post(f"/api/tasks/{task}/annotations/", json={"result": mood("Good")}, expect=201)["id"]
    twin.patch(f"/api/annotations/{made}/", json={"was_cancelled": True}, expect=200)
    twin.get(f"/api/tasks/{task}/", expect=200)
    twin.rows()
    twin.patch(f"/api/annotations/{made}/", json={"was_cancelled": False}, expect=200)
    twin.get(f"/api/tasks/{task}/", expect=200)
    twin.rows()


def test_one_ground_truth_per_task(twin: Twin):
    project = new_project(twin, maximum_annotations=2)
    task = task_ids(twin, project)[0]
    first = twin.post(
        f"/api/tasks/{task}/annotations/", json={"result": mood("Good"), "ground_truth": True}, expect=201
    )["id"]
    second = twin.post(f"/api/tasks/{task}/annotations/", json={"result": mood("Bad")}, as_user="bob", expect=201)["id"]
    twin.rows()
    twin.patch(f"/api/annotations/{second}/", json={"ground_truth": True}, as_user="bob", expect=200)
    assert twin.get(f"/api/annotations/{first}/", expect=200)["ground_truth"] is False
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.get(f"/api/projects/{project}/next/", as_user="carol", expect=200)
    twin.rows()


def test_overlap_of_a_project_in_use_is_changed(twin: Twin):
    project = new_project(twin)
    ids = task_ids(twin, project)
    for user in ("alice", "bob"):
        twin.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": mood("Good")}, as_user=user, expect=201)
    twin.post(f"/api/tasks/{ids[1]}/annotations/", json={"result": mood("Good")}, expect=201)
    for overlap in (2, 3, 1):
        twin.patch(f"/api/projects/{project}/", json={"maximum_annotations": overlap}, expect=200)
        twin.rows()
    twin.get(f"/api/projects/{project}/", expect=200)


def test_a_cohort_of_the_tasks_gets_more_annotations(twin: Twin):
    """Annotated tasks go into the cohort first; as many as it holds, so that no draw decides."""
    project = new_project(twin)
    ids = task_ids(twin, project)
    for task in ids[:2]:
        for user in ("alice", "bob"):
            twin.post(f"/api/tasks/{task}/annotations/", json={"result": mood("Good")}, as_user=user, expect=201)
    twin.patch(
        f"/api/projects/{project}/", json={"maximum_annotations": 2, "overlap_cohort_percentage": 40}, expect=200
    )
    twin.get("/api/tasks/", params={"project": project}, expect=200)
    twin.rows()
    twin.patch(f"/api/projects/{project}/", json={"overlap_cohort_percentage": 100}, expect=200)
    twin.rows()
    twin.patch(f"/api/projects/{project}/", json={"overlap_cohort_percentage": 0}, expect=200)
    twin.rows()


def test_a_locked_task_is_not_served_to_others(twin: Twin):
    project = new_project(twin)
    mine = twin.get(f"/api/projects/{project}/next/", expect=200)
    theirs = twin.get(f"/api/projects/{project}/next/", as_user="bob", expect=200)
    assert mine["id"] != theirs["id"]
    again = twin.get(f"/api/projects/{project}/next/", expect=200)
    assert again["id"] == mine["id"]
    twin.rows()
    twin.post(f"/api/tasks/{mine['id']}/annotations/", json={"result": mood("Good")}, expect=201)
    twin.rows()


def test_a_postponed_draft_comes_last(twin: Twin):
    project = new_project(twin)
    task = twin.get(f"/api/projects/{project}/next/", expect=200)["id"]
    twin.post(f"/api/tasks/{task}/drafts", json={"result": mood("Bad"), "was_postponed": True}, expect=201)
    twin.get(f"/api/projects/{project}/next/", expect=200)
    twin.rows()
    for other in task_ids(twin, project):
        if other != task:
            twin.post(f"/api/tasks/{other}/annotations/", json={"result": mood("Good")}, expect=201)
    twin.get(f"/api/projects/{project}/next/", expect=200)
    twin.rows()
