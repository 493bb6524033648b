"""A project from its first click to its last: what one annotator does in a day, every row compared as it goes."""

from __future__ import annotations

from typing import Any

from tests.twin.twin import Twin

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices>'
    '<TextArea name="why" toName="text"/></View>'
)


def mood(choice: str, region: str = "r1") -> list[dict[str, Any]]:
    """The result of one region that says this choice."""
    return [{"id": region, "from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}]


def new_project(twin: Twin, **fields: Any) -> int:
    """A project of alice's with this configuration and 5 imported tasks; its id."""
    made = twin.post("/api/projects/", json={"title": "A day", "label_config": CONFIG, **fields}, expect=201)
    tasks = [{"text": f"text number {number}"} for number in range(5)]
    twin.post(f"/api/projects/{made['id']}/import", json=tasks, params={"return_task_ids": "true"}, expect=201)
    return int(made["id"])


def task_ids(twin: Twin, project: int, **options: Any) -> list[int]:
    """The ids of a project's tasks, in their order."""
    page = twin.get("/api/tasks/", params={"project": project}, expect=200, **options)
    return [task["id"] for task in page["tasks"]]


def test_a_day_in_a_project_of_ones_own(twin: Twin):
    project = new_project(twin)
    twin.rows()
    twin.patch(f"/api/projects/{project}/", json={"description": "Moods", "show_skip_button": True}, expect=200)
    twin.get(f"/api/projects/{project}/", expect=200)
    first = twin.get(f"/api/projects/{project}/next/", expect=200)["id"]
    twin.rows()

    draft = twin.post(f"/api/tasks/{first}/drafts", json={"result": mood("Bad"), "lead_time": 1.5}, expect=201)["id"]
    twin.get(f"/api/tasks/{first}/", expect=200)
    twin.patch(f"/api/drafts/{draft}/", json={"result": mood("Good"), "lead_time": 3.0}, expect=200)
    twin.rows()
    submitted = {"result": mood("Good"), "lead_time": 7.25, "draft_id": draft}
    annotation = twin.post(f"/api/tasks/{first}/annotations/", json=submitted, expect=201)["id"]
    twin.get(f"/api/drafts/{draft}/", expect=404)
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.rows()

    second = twin.get(f"/api/projects/{project}/next/", expect=200)["id"]
    assert second != first
    skipped = {"result": [], "was_cancelled": True, "lead_time": 0.5}
    twin.post(f"/api/tasks/{second}/annotations/", json=skipped, expect=201)
    twin.get(f"/api/projects/{project}/next/", expect=200)
    twin.rows()

    twin.patch(f"/api/annotations/{annotation}/", json={"result": mood("Bad", "r2")}, expect=200)
    twin.get(f"/api/annotations/{annotation}/", expect=200)
    twin.get(f"/api/tasks/{first}/annotations/", expect=200)
    twin.rows(differs={"projects_projectsummary.created_labels": "summary-labels"})
    twin.delete(f"/api/annotations/{annotation}/", expect=204)
    twin.get(f"/api/annotations/{annotation}/", expect=404)
    twin.get(f"/api/tasks/{first}/", expect=200)
    twin.rows()


def test_predictions_come_and_go(twin: Twin):
    project = new_project(twin)
    first, second, *_ = task_ids(twin, project)
    one = twin.post(
        "/api/predictions/",
        json={"task": first, "result": mood("Bad"), "score": 0.9, "model_version": "m1"},
        expect=201,
    )
    twin.rows()
    twin.post("/api/predictions/", json={"task": second, "result": "Good", "model_version": "m1"}, expect=201)
    twin.post(
        "/api/predictions/",
        json={"task": second, "result": {"mood": "Good"}, "score": 0.25, "model_version": "m2"},
        expect=201,
    )
    twin.get("/api/predictions/", params={"task": second}, sort="id", expect=200)
    twin.get("/api/predictions/", params={"project": project}, sort="id", expect=200)
    twin.patch(f"/api/predictions/{one['id']}/", json={"score": 0.5}, expect=200)
    twin.get(f"/api/projects/{project}/model-versions/", expect=200)
    twin.get(f"/api/tasks/{first}/", expect=200)
    twin.rows()
    twin.patch(f"/api/projects/{project}/", json={"model_version": "m1"}, expect=200)
    twin.get(f"/api/projects/{project}/next/", expect=200)
    made = twin.post(
        f"/api/tasks/{first}/annotations/", json={"result": mood("Good"), "parent_prediction": one["id"]}, expect=201
    )
    twin.get(f"/api/annotations/{made['id']}/", expect=200)
    twin.rows()
    twin.delete(f"/api/predictions/{one['id']}/", expect=204)
    twin.get(f"/api/predictions/{one['id']}/", expect=404)
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.rows()


def test_a_project_is_filled_exported_and_deleted(twin: Twin):
    project = new_project(twin)
    ids = task_ids(twin, project)
    for number, task in enumerate(ids[:3]):
        twin.post(
            f"/api/tasks/{task}/annotations/",
            json={"result": mood("Good", f"r{number}"), "lead_time": number},
            expect=201,
        )
    twin.post(
        f"/api/tasks/{ids[3]}/annotations/", json={"result": [], "was_cancelled": True}, as_user="bob", expect=201
    )
    twin.rows()
    for export in ("JSON", "JSON_MIN", "CSV", "TSV"):
        twin.get(f"/api/projects/{project}/export", params={"exportType": export}, sort="id", expect=200)
    twin.get(
        f"/api/projects/{project}/export",
        params={"exportType": "JSON", "download_all_tasks": "true"},
        sort="id",
        expect=200,
    )
    twin.get(f"/api/projects/{project}/summary/", expect=200)
    twin.delete(f"/api/tasks/{ids[0]}/", expect=204)
    twin.get(f"/api/projects/{project}/summary/", expect=200)
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.rows()
    twin.delete(f"/api/projects/{project}/", expect=204)
    twin.get(f"/api/projects/{project}/", expect=404)
    twin.get(f"/api/tasks/{ids[1]}/", expect=404)
    twin.rows()


def test_until_no_task_is_left(twin: Twin):
    project = new_project(twin)
    for _ in range(5):
        task = twin.get(f"/api/projects/{project}/next/", expect=200)["id"]
        twin.post(f"/api/tasks/{task}/annotations/", json={"result": mood("Good")}, expect=201)
    twin.get(f"/api/projects/{project}/next/", expect=404)
    twin.get(f"/api/projects/{project}/", expect=200)
    twin.get(
        "/api/projects/", params={"include": "id,task_number,finished_task_number,queue_done,queue_total"}, expect=200
    )
    twin.get("/api/projects/", params={"ids": project}, as_user="bob", expect=200)
    twin.rows()


def test_an_annotation_goes_back_to_a_draft(twin: Twin):
    project = new_project(twin)
    task = task_ids(twin, project)[0]
    made = twin.post(f"/api/tasks/{task}/annotations/", json={"result": mood("Bad"), "lead_time": 4}, expect=201)["id"]
    draft = twin.post(
        f"/api/tasks/{task}/annotations/{made}/drafts", json={"result": mood("Good"), "lead_time": 5}, expect=201
    )
    twin.get(f"/api/tasks/{task}/annotations/{made}/drafts", expect=200)
    twin.rows()
    twin.patch(f"/api/annotations/{made}/", json={"result": mood("Good"), "lead_time": 6}, expect=200)
    twin.get(f"/api/drafts/{draft['id']}/", expect=404)
    twin.rows()
    twin.post(f"/api/annotations/{made}/convert-to-draft", json={}, expect=201)
    twin.get(f"/api/tasks/{task}/drafts", expect=200)
    twin.get(f"/api/tasks/{task}/", expect=200)
    twin.rows()
