"""Errors as the SDK raises them: its own classes, with bodies that scripts take apart."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.errors import BadRequestError, MethodNotAllowedError, NotFoundError

from tests.sdk.site import ORGANIZATION, Site


def envelope(error: ApiError, status: int) -> dict[str, object]:
    """The body of an error, after a look at what all of them have."""
    body = error.body
    assert (error.status_code, body["status_code"]) == (status, status)
    assert UUID(body["id"])
    assert body["version"]
    assert body["exc_info"] is None
    return body


def test_a_token_that_nobody_has(site: Site):
    with pytest.raises(ApiError) as error:
        site.client_with("0" * 40).projects.list()
    assert envelope(error.value, 401)["detail"] == "Invalid token."
    assert error.value.headers["www-authenticate"] == "Token"


@pytest.mark.own_database
def test_a_token_that_cannot_be_refreshed(site: Site):
    token = site.client("carol").tokens.create().token
    head, payload, _ = token.split(".")
    forged = site.client_with(f"{head}.{payload}.{'A' * 43}")
    with pytest.raises(ApiError) as error:
        forged.users.whoami()
    assert error.value.status_code == 401


def test_missing_objects(ls: LabelStudio):
    asked = (
        (lambda: ls.projects.get(id=9999), "No Project matches the given query."),
        (lambda: ls.tasks.get(id="99999"), "No Task matches the given query."),
        (lambda: ls.annotations.get(id=99999), "No Annotation matches the given query."),
        (lambda: ls.predictions.get(id=99999), "No Prediction matches the given query."),
        (lambda: ls.views.get(id="99999"), "No View matches the given query."),
        (lambda: ls.annotations.create(id=99999, result=[]), "No Task matches the given query."),
    )
    for ask, detail in asked:
        with pytest.raises(ApiError) as error:
            ask()
        assert envelope(error.value, 404)["detail"] == detail
    with pytest.raises(NotFoundError):
        ls.organizations.members.delete(id=ORGANIZATION, user_pk=7)  # grace was removed already
    with pytest.raises(MethodNotAllowedError):
        ls.organizations.members.delete(id=ORGANIZATION, user_pk=1)


def test_projects_of_another_organization_are_out_of_reach(ls: LabelStudio):
    with pytest.raises(ApiError) as error:
        ls.projects.get(id=4)
    assert error.value.status_code in {403, 404}
    assert 4 not in [project.id for project in ls.projects.list()]


@pytest.mark.console_only
def test_what_is_in_them_is_out_of_reach_too(ls: LabelStudio):
    """The open-source edition hands out these, knowing of one organization only."""
    asked = (
        lambda: ls.tasks.list(project=4),
        lambda: ls.views.list(project=4),
        lambda: ls.predictions.list(project=4),
        lambda: ls.projects.exports.create(id=4),
        lambda: ls.projects.import_tasks(id=4, request=[{"audio": "x"}]),
    )
    for ask in asked:
        try:
            assert ask() == []
        except ApiError as error:
            assert error.status_code in {400, 403, 404}


def test_fields_that_are_wrong_are_named(ls: LabelStudio, new_project: Callable[..., int]):
    with pytest.raises(ApiError) as error:
        ls.projects.create(title="x")
    body = envelope(error.value, 400)
    assert body["detail"] == "Validation error"
    assert body["validation_errors"] == {"title": ["Ensure this field has at least 3 characters."]}
    with pytest.raises(ApiError) as error:
        ls.projects.create(title="Colours", color="blue" * 10, sampling="Any sampling")
    assert set(envelope(error.value, 400)["validation_errors"]) == {"color", "sampling"}
    with pytest.raises(ApiError) as error:
        ls.tasks.create(data={"text": "without a project"})
    assert envelope(error.value, 400)["validation_errors"] == {"project": ["This field is required."]}
    with pytest.raises(BadRequestError) as error:
        ls.projects.import_tasks(id=new_project(), request=[{"wrong": "key"}])
    assert envelope(error.value, 400)["detail"] == "Validation error"


def test_a_result_that_is_no_list(ls: LabelStudio, new_project: Callable[..., int]):
    task_id = ls.tasks.list(project=new_project(tasks=1)).items[0].id
    with pytest.raises(ApiError) as error:
        ls.annotations.create(id=task_id, result={"a": 1})
    assert "result" in envelope(error.value, 400)["validation_errors"]
    assert ls.annotations.list(id=task_id) == []


def test_a_list_of_tasks_of_nothing(site: Site):
    with pytest.raises(ApiError) as error:
        site.client().tasks.list()
    assert error.value.status_code == 404
