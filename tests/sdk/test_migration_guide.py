"""The scripts of the vendor's migration guide (from Enterprise 1 to today), as they would be written after reading it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from label_studio_sdk import LabelStudio

from tests.sdk.site import ORGANIZATION, SENTIMENT, TIMEOUT_SECONDS, Site

#: The body of the guide's example, with values that are possible.
PROJECT = {
    "title": "By the guide",
    "description": "string",
    "label_config": SENTIMENT,
    "expert_instruction": "string",
    "show_instruction": True,
    "show_skip_button": True,
    "enable_empty_annotation": True,
    "show_annotation_history": True,
    "organization": ORGANIZATION,
    "color": "#FFFFFF",
    "maximum_annotations": 1,
    "is_published": True,
    "model_version": "",
    "is_draft": False,
    "min_annotations_to_start_training": 0,
    "show_collab_predictions": True,
    "sampling": "Sequential sampling",
    "show_ground_truth_first": True,
    "show_overlap_first": True,
    "overlap_cohort_percentage": 100,
    "task_data_login": "string",
    "task_data_password": "string",
    "control_weights": {},
    "evaluate_predictions_automatically": True,
}


def test_the_example_of_a_project(site: Site):
    made = site.send("POST", "/api/projects/", json=PROJECT).json()
    sent = {key: PROJECT[key] for key in ("title", "description", "is_published", "overlap_cohort_percentage")}
    assert {key: made[key] for key in sent} == sent
    assert made["created_by"]["email"] == "alice@example.com"


@pytest.mark.console_only
def test_who_made_the_project_of_the_example_is_the_one_who_asks(site: Site):
    """The guide sends `created_by`, which the open-source edition answers with a server error."""
    sent = PROJECT | {"created_by": {"id": 1, "first_name": "", "last_name": "", "email": "heartex@heartex.net"}}
    made = site.send("POST", "/api/projects/", json=sent, person="bob").json()
    assert made["created_by"]["email"] == "bob@example.com"


def test_import_counts_annotations(site: Site, new_project: Callable[..., int]):
    project_id = new_project()
    task = {"data": {"text": "a"}, "annotations": [{"result": []}]}
    for path in (f"/api/projects/{project_id}/import", f"/api/projects/{project_id}/tasks/bulk"):
        made = site.send("POST", path, json=[task]).json()
        assert made["annotation_count"] == 1


@pytest.mark.console_only
def test_completions_are_taken_as_annotations_and_told(site: Site, new_project: Callable[..., int]):
    project_id = new_project()
    task = {"data": {"text": "a"}, "completions": [{"result": []}]}
    made = site.send("POST", f"/api/projects/{project_id}/import", json=[task]).json()
    assert made["annotation_count"] == 1
    assert "completions" in str(made)


def test_a_task_that_waits_for_its_configuration(ls: LabelStudio, site: Site):
    """Data uploaded before the configuration is kept under `$undefined$`, and shown under the first key."""
    project_id = ls.projects.create(title="Unconfigured").id
    site.send("POST", f"/api/projects/{project_id}/import", files={"file": ("a.txt", b"s3://example.png")})
    [task] = ls.tasks.list(project=project_id)
    ls.tasks.update(id=str(task.id), data={"$undefined$": "s3://other.png"})
    ls.projects.update(id=project_id, label_config='<View><Text name="text" value="$text"/></View>')
    assert ls.tasks.get(id=str(task.id)).data == {"text": "s3://other.png"}


def test_the_export_of_the_guide(site: Site):
    tasks = site.send("GET", "/api/projects/1/export", params={"exportType": "JSON"}).json()
    annotation = tasks[0]["annotations"][0]
    documented = {"id", "completed_by", "result", "was_cancelled", "ground_truth", "created_at", "updated_at", "lead_time",
                  "prediction", "result_count", "task"}  # fmt: skip
    assert documented <= set(annotation)
    assert isinstance(annotation["result"][0], dict)
    every = site.send("GET", "/api/projects/1/export", params={"exportType": "JSON", "download_all_tasks": "true"})
    assert len(every.json()) == 85


@pytest.mark.console_only
@pytest.mark.parametrize("path", ["/api/projects/1/results/", "/api/projects/1/completions/"])
def test_a_removed_endpoint_names_its_replacement(site: Site, path: str):
    headers = {"Authorization": f"Token {site.tokens['alice']}"}
    answer = requests.get(f"{site.url}{path}", headers=headers, timeout=TIMEOUT_SECONDS)
    assert 400 <= answer.status_code < 500
    assert "/api/projects/1/export" in answer.json()["detail"]


@pytest.mark.console_only
@pytest.mark.parametrize(
    ("argument", "instead"),
    [("aggregator_type=no_aggregation", "aggregat"), ("finished=0", "download_all_tasks"), ("return_task=1", "always")],
)
def test_a_removed_argument_names_its_replacement(site: Site, argument: str, instead: str):
    headers = {"Authorization": f"Token {site.tokens['alice']}"}
    answer = requests.get(f"{site.url}/api/projects/1/export?{argument}", headers=headers, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 400
    assert instead in answer.text


def test_invitations_after_a_reset(site: Site):
    fresh = site.send("POST", "/api/invite/reset-token").json()
    invite = site.send("GET", "/api/invite").json()
    assert invite == fresh == {"token": fresh["token"], "invite_url": f"/user/signup/?token={fresh['token']}"}


@pytest.mark.console_only
@pytest.mark.own_database
def test_a_person_of_the_organization_becomes_an_annotator_of_a_project(ls: LabelStudio, site: Site):
    """Invite, give the role by the membership endpoint, add to the project."""
    changed = ls.organizations.members.update(id=ORGANIZATION, user_id=3, role="AN")
    assert changed is not None
    ls.projects.members.add(id=1, user=3)
    members = site.send("GET", "/api/projects/1/members/").json()
    assert 3 in [member["id"] for member in members]
    roles = {
        member.user.id: member.role for member in ls.organizations.members.list(id=ORGANIZATION, page_size=-1).items
    }
    assert roles[3] == "AN"
    ls.projects.members.remove(id=1, user=3)
    assert 3 not in [member["id"] for member in site.send("GET", "/api/projects/1/members/").json()]


@pytest.mark.console_only
@pytest.mark.own_database
def test_the_older_spelling_of_the_title_of_the_organization(ls: LabelStudio, site: Site):
    site.send("PATCH", "/api/organization/", json={"title": "As the FAQ says"})
    assert ls.organizations.get(id=str(ORGANIZATION)).title == "As the FAQ says"
