"""The label stream: the same tasks in the same order, from Label Studio and from the console."""

from __future__ import annotations

from typing import Any

from tests.twin.twin import Twin

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices></View>'
)
RESULT = [{"id": "r1", "from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["Good"]}}]
UNLIKE = {
    "project.label_config_hash": "salted anew in every process of Label Studio",
    "projects_projectsummary.all_data_columns": "drifts in Label Studio with every annotation",
}
SEQUENTIAL: dict[str, Any] = {"sampling": "Sequential sampling", "maximum_annotations": 1}


def project(twin: Twin, tasks: int = 3, **settings: Any) -> int:
    made = twin.post("/api/projects/", json={"title": "A stream", "label_config": CONFIG, **settings}, expect=201)
    for number in range(tasks):
        twin.post("/api/tasks/", json={"project": made["id"], "data": {"text": f"text {number}"}}, expect=201)
        overlap = settings.get("maximum_annotations", 1)
        twin.execute("UPDATE task SET overlap = :overlap WHERE project_id = :id", overlap=overlap, id=made["id"])
    return made["id"]


def following(twin: Twin, number: int, person: str = "alice", expect: int = 200, **options: Any) -> Any:
    return twin.get(f"/api/projects/{number}/next/", as_user=person, expect=expect, **options)


def annotate(twin: Twin, task: int, person: str = "alice", **values: Any) -> None:
    twin.post(f"/api/tasks/{task}/annotations/", json={"result": RESULT, **values}, as_user=person, expect=201)


def test_in_order_to_the_end(twin: Twin):
    number = project(twin, **SEQUENTIAL)
    seen = []
    for _ in range(3):
        found = following(twin, number)
        again = following(twin, number)
        assert again["id"] == found["id"] and again["queue"] == "Task lock"
        seen.append(found["id"])
        annotate(twin, found["id"])
    assert seen == sorted(seen)
    following(twin, number, expect=404)
    twin.get(f"/api/projects/{number}/label-stream-history/", expect=200)
    twin.rows(ignore=UNLIKE)


def test_a_locked_task_is_not_given_to_others(twin: Twin):
    number = project(twin, tasks=2, **SEQUENTIAL)
    first, second = following(twin, number), following(twin, number, "bob")
    assert first["id"] != second["id"]
    following(twin, number, "carol", expect=404)
    twin.execute("UPDATE tasks_tasklock SET expire_at = '2020-01-01 00:00:00'")
    assert following(twin, number, "carol")["id"] == first["id"]
    twin.rows(ignore=UNLIKE)


def test_overlap_gives_a_task_to_as_many_people(twin: Twin):
    number = project(twin, tasks=2, sampling="Sequential sampling", maximum_annotations=2)
    first = following(twin, number)
    assert following(twin, number, "bob")["id"] == first["id"]
    assert following(twin, number, "carol")["id"] != first["id"]
    annotate(twin, first["id"])
    annotate(twin, first["id"], "bob")
    following(twin, number)
    twin.rows(ignore=UNLIKE)


def test_breadth_first(twin: Twin):
    number = project(twin, tasks=3, sampling="Sequential sampling", maximum_annotations=2)
    ids = [task["id"] for task in twin.get("/api/tasks/", params={"project": number}).json["tasks"]]
    annotate(twin, ids[2])
    found = following(twin, number, "bob")
    assert (found["id"], found["queue"]) == (ids[2], "Breadth first queue")
    assert following(twin, number, "carol")["queue"] == "Sequence queue"
    assert following(twin, number)["queue"] == "Sequence queue"
    twin.rows(ignore=UNLIKE)


def test_skipped_tasks(twin: Twin):
    for skip_queue in ("REQUEUE_FOR_ME", "REQUEUE_FOR_OTHERS", "IGNORE_SKIPPED"):
        number = project(twin, tasks=2, skip_queue=skip_queue, **SEQUENTIAL)
        for _ in range(2):
            annotate(twin, following(twin, number)["id"], was_cancelled=True)
        following(twin, number, expect=200 if skip_queue == "REQUEUE_FOR_ME" else 404)
        following(twin, number, "bob", expect=200 if skip_queue == "REQUEUE_FOR_OTHERS" else 404)
        twin.get(f"/api/projects/{number}/", as_user="alice", expect=200)
    twin.rows(ignore=UNLIKE)


def test_postponed_drafts_come_last(twin: Twin):
    number = project(twin, tasks=2, **SEQUENTIAL)
    first = following(twin, number)["id"]
    twin.post(f"/api/tasks/{first}/drafts", json={"result": RESULT, "was_postponed": True}, expect=201)
    twin.execute("DELETE FROM tasks_tasklock")
    second = following(twin, number)["id"]
    assert second != first
    annotate(twin, second)
    found = following(twin, number)
    assert (found["id"], found["queue"]) == (first, "Postponed draft queue")
    twin.rows(ignore=UNLIKE)


def test_overlap_first_and_ground_truth_first(twin: Twin):
    number = project(twin, tasks=3, sampling="Sequential sampling", maximum_annotations=2, show_overlap_first=True)
    ids = [task["id"] for task in twin.get("/api/tasks/", params={"project": number}).json["tasks"]]
    twin.execute("UPDATE task SET overlap = 1 WHERE id = :id", id=ids[0])
    assert following(twin, number)["id"] == ids[1]
    twin.patch(f"/api/projects/{number}/", json={"annotator_evaluation_enabled": True}, expect=200)
    annotate(twin, ids[2], ground_truth=True)
    found = following(twin, number, "bob")
    assert (found["id"], found["queue"]) == (ids[2], "Onboarding ground truth queue")
    twin.rows(ignore=UNLIKE)


def test_chance_and_uncertainty(twin: Twin):
    number = project(twin, tasks=1, sampling="Uniform sampling")
    assert following(twin, number)["queue"] == "Uniform random queue"
    number = project(twin, tasks=3, sampling="Uncertainty sampling")
    ids = [task["id"] for task in twin.get("/api/tasks/", params={"project": number}).json["tasks"]]
    for task, score in zip(ids, (0.9, 0.1, 0.5), strict=True):
        twin.post(
            "/api/predictions/",
            json={"task": task, "result": RESULT, "score": score, "model_version": "v1"},
            expect=201,
        )
    twin.patch(f"/api/projects/{number}/", json={"model_version": "v1"}, expect=200)
    for wanted in (ids[1], ids[2], ids[0]):
        found = following(twin, number)
        assert (found["id"], found["queue"]) == (wanted, "Active learning or random queue")
        assert len(found["predictions"]) == 1
        annotate(twin, wanted)
    twin.rows(ignore=UNLIKE)


def test_filters_order_and_selection(twin: Twin):
    number = project(twin, tasks=4, **SEQUENTIAL)
    ids = [task["id"] for task in twin.get("/api/tasks/", params={"project": number}).json["tasks"]]
    item = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": ids[1]}
    filters = {"conjunction": "and", "items": [item]}
    found = following(twin, number, json={"filters": filters, "ordering": ["-tasks:id"]})
    assert (found["id"], found["queue"]) == (ids[3], "Data manager queue")
    following(twin, number, "bob", json={"selectedItems": {"all": False, "included": [ids[1]]}})
    following(twin, number, "carol", params={"query": '{"ordering": ["-tasks:id"]}'})
    following(twin, number, json={"selectedItems": {"all": False, "included": [1]}}, expect=404)
    view = twin.post("/api/dm/views/", json={"project": number, "data": {"filters": filters}}, expect=201)["id"]
    assert following(twin, number, params={"view": view})["queue"] == "Task lock"
    twin.rows(ignore=UNLIKE)


def test_a_project_of_the_dump(twin: Twin):
    for number in (2, 3):
        twin.patch(
            f"/api/projects/{number}/", json={"maximum_annotations": 1, "sampling": "Sequential sampling"}, expect=200
        )
        for person in ("alice", "bob", "carol"):
            twin.get(f"/api/projects/{number}/next/", as_user=person)
    twin.get("/api/projects/99/next/", expect=404)
    twin.get("/api/projects/1/next/", as_user=None, expect=401)
    twin.rows()
