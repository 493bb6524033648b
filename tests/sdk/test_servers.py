"""One script on every server: `lsconsole serve` itself, PostgreSQL, the oldest release."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from label_studio_sdk.core.api_error import ApiError

from console.demo.processes import HOST, Child, free_port, python_module
from tests.conftest import DumpUrl
from tests.sdk.site import SENTIMENT, Site, tokens_of
from tests.served import silence
from tests.twin import peer

CHOSEN = [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}]


def a_day(site: Site) -> None:
    """Make a project, import, label, filter, export by snapshot, clear up."""
    ls = site.client()
    assert ls.users.whoami().email == "alice@example.com"
    project = ls.projects.create(title="A day", label_config=SENTIMENT, maximum_annotations=2)
    rows = [{"text": f"text {n}", "sentiment": "Neutral"} for n in range(12)]
    ls.projects.import_tasks(id=project.id, request=rows, preannotated_from_fields=["sentiment"])
    tasks = list(ls.tasks.list(project=project.id, page_size=5))
    assert [task.data["text"] for task in tasks] == [row["text"] for row in rows]
    for person in ("alice", "bob"):
        for task in tasks[:3]:
            site.client(person).annotations.create(id=task.id, result=CHOSEN, lead_time=2)
    skipped = ls.annotations.create(id=tasks[3].id, result=[], was_cancelled=True)
    assert ls.annotations.get(id=skipped.id).was_cancelled is True
    ls.annotations.update(id=skipped.id, was_cancelled=False, result=CHOSEN)
    got = ls.projects.get(id=project.id)
    counted = (got.task_number, got.finished_task_number, got.total_annotations_number, got.total_predictions_number)
    assert counted == (12, 3, 7, 12)
    item = {"filter": "filter:tasks:total_annotations", "operator": "greater", "type": "Number", "value": 0}
    view = ls.views.create(
        project=project.id, data={"title": "Labeled", "filters": {"conjunction": "and", "items": [item]}}
    )
    assert [task.id for task in ls.tasks.list(view=view.id)] == [task.id for task in tasks[:4]]
    made = ls.projects.exports.create(id=project.id, task_filter_options={"view": view.id})
    exported = json.loads(b"".join(ls.projects.exports.download(id=project.id, export_pk=made.id)))
    assert [len(task["annotations"]) for task in exported] == [2, 2, 2, 1]
    assert len(ls.projects.exports.as_pandas(project.id)) == 7 + 8
    ls.actions.create(
        id="delete_tasks",
        project=project.id,
        selected_items={"all": False, "included": [task.id for task in tasks[4:]]},
    )
    assert ls.projects.get(id=project.id).task_number == 4
    ls.projects.delete(id=project.id)
    with pytest.raises(ApiError) as error:
        ls.tasks.get(id=str(tasks[0].id))
    assert error.value.status_code == 404
    assert ls.projects.get(id=1).task_number == 85


def test_a_day_on_the_newest_release(site: Site):
    a_day(site)


@pytest.mark.console_only
@pytest.mark.parametrize(
    ("engine", "version"), [("sqlite", "1.8.2.post1"), ("postgresql", "1.8.2.post1"), ("postgresql", "1.23.2")]
)
def test_a_day_on_other_databases(site: Site):
    a_day(site)


def test_a_day_with_the_server_that_is_shipped(dump_url: DumpUrl, tmp_path: Path):
    url = dump_url("sqlite", "1.23.2")
    silence(url)
    bind = f"{HOST}:{free_port()}"
    environment = {
        **peer.SHARED_ENVIRONMENT,
        "LSCONSOLE_DATABASE_URL": url,
        "LSCONSOLE_DATA_DIR": str(tmp_path / "console"),
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "label-studio"),
        "LSCONSOLE_JOBS": "inline",
    }
    command = python_module("console.cli", "serve", "--bind", bind)
    child = Child("console", command, tmp_path / "console.log", environment=environment)
    try:
        child.wait_for_port(int(bind.partition(":")[2]))
        site = Site(f"http://{bind}", tokens_of(url))
        a_day(site)
        token = site.client("carol").tokens.create().token
        assert site.client_with(token).users.whoami().email == "carol@example.com"
    finally:
        child.stop()


def many_at_once(site: Site) -> None:
    """Six threads of a script import and eight annotate, as with a pool of workers; nothing is lost, no number drifts."""
    ls = site.client()
    project = ls.projects.create(title="A crowd", label_config=SENTIMENT, maximum_annotations=2)
    clients = {person: site.client(person) for person in ("alice", "bob")}

    def bring(number: int) -> int:
        rows = [{"text": f"text {number}", "sentiment": "Neutral"}] * 5
        client = clients[("alice", "bob")[number % 2]]
        return client.projects.import_tasks(
            id=project.id, request=rows, preannotated_from_fields=["sentiment"]
        ).task_count

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(bring, range(6))) == [5] * 6
    listed = list(ls.tasks.list(project=project.id))
    assert sorted(task.inner_id for task in listed) == list(range(1, 31))
    tasks = [task.id for task in listed[:4]]

    def annotate(number: int) -> int:
        person = ("alice", "bob")[number % 2]
        return clients[person].annotations.create(id=tasks[number // 2 % 4], result=CHOSEN).id

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(annotate, range(32)))
    assert len(set(made)) == 32
    for task in list(ls.tasks.list(project=project.id))[:4]:
        assert (task.total_annotations, len(task.annotations), task.is_labeled) == (8, 8, True)
    got = ls.projects.get(id=project.id)
    assert (got.total_annotations_number, got.finished_task_number) == (32, 4)
    summary = site.send("GET", f"/api/projects/{project.id}/summary/").json()
    assert set(summary["all_data_columns"]) == {"text", "sentiment"}
    assert summary["all_data_columns"]["text"] >= 30  # Label Studio counts the columns anew with each annotation
    assert summary["created_labels"] == {"sentiment": {"Positive": 32}}
    assert summary["created_annotations"] == {"sentiment|text|choices": 32}


def test_many_at_once(site: Site):
    many_at_once(site)


@pytest.mark.console_only
@pytest.mark.parametrize(("engine", "version"), [("postgresql", "1.23.2")])
def test_many_at_once_on_postgresql(site: Site):
    many_at_once(site)
