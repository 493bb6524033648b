"""Workspaces, members of projects and roles, which the open-source edition has no tables and no endpoints for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from label_studio_sdk import LabelStudio
from label_studio_sdk._legacy.users import UserRole
from label_studio_sdk.core.api_error import ApiError

from tests.sdk.site import ORGANIZATION, Site

pytestmark = pytest.mark.console_only


def test_a_workspace_with_projects_and_people(ls: LabelStudio):
    workspace = ls.workspaces.create(title="Quality", description="May", color="#FF0000", is_personal=False)
    assert (workspace.title, workspace.color, workspace.is_personal) == ("Quality", "#FF0000", False)
    project = ls.projects.create(title="In a workspace", workspace=workspace.id)
    assert [item.id for item in ls.workspaces.projects.list(id=workspace.id)] == [project.id]
    ls.workspaces.members.create(id=workspace.id, user=2)
    assert 2 in [member.user.id for member in ls.workspaces.members.list(id=workspace.id)]
    ls.workspaces.members.delete(id=workspace.id, user_id=2)
    assert 2 not in [member.user.id for member in ls.workspaces.members.list(id=workspace.id)]
    ls.workspaces.update(id=workspace.id, title="Quality of May")
    assert ls.workspaces.get(id=workspace.id).title == "Quality of May"
    assert "Quality of May" in [item.title for item in ls.workspaces.list()]
    ls.workspaces.projects.remove(id=workspace.id, project=project.id)
    ls.workspaces.delete(id=workspace.id)
    assert workspace.id not in [item.id for item in ls.workspaces.list()]
    assert ls.projects.get(id=project.id).title == "In a workspace"


def test_many_members_of_a_workspace(ls: LabelStudio):
    workspace = ls.workspaces.create(title="Everybody")
    ls.workspaces.members.bulk.post(id=workspace.id, all_=False, included=[2, 3])
    page = ls.workspaces.members.paginated.list(id=workspace.id, page_size=10)
    assert {2, 3} <= {member.id for member in page.items}
    ls.workspaces.members.bulk.delete(id=workspace.id, all_=False, included=[3])
    left = {member.user.id for member in ls.workspaces.members.list(id=workspace.id)}
    assert 2 in left
    assert 3 not in left


def test_a_project_moves_to_another_workspace(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    first, second = (ls.workspaces.create(title=title).id for title in ("First", "Second"))
    ls.workspaces.projects.add(id=first, project=project_id)
    ls.projects.update(id=project_id, workspace=second)
    assert ls.workspaces.projects.list(id=first) == []
    assert [item.id for item in ls.workspaces.projects.list(id=second)] == [project_id]


def test_members_of_a_project(ls: LabelStudio, site: Site, new_project: Callable[..., int]):
    project_id = new_project()
    ls.projects.members.add(id=project_id, user=3)
    assert 3 in [member["id"] for member in site.send("GET", f"/api/projects/{project_id}/members/").json()]
    ls.projects.members.bulk.post(id=project_id, all_=False, included=[2])
    page = ls.projects.members.paginated.list(id=project_id, page_size=10)
    assert {2, 3} <= {member.id for member in page.items}
    ls.projects.members.bulk.delete(id=project_id, all_=False, included=[2, 3])
    left = [member["id"] for member in site.send("GET", f"/api/projects/{project_id}/members/").json()]
    assert not {2, 3} & set(left)
    with pytest.raises(ApiError) as error:
        ls.projects.members.add(id=project_id, user=5)  # erin is of another organization
    assert 400 <= error.value.status_code < 500


def test_roles_of_a_project(ls: LabelStudio, new_project: Callable[..., int]):
    project_id = new_project()
    made = ls.projects.roles.add(project=project_id, user=3, role="RE")
    assert (made.project, made.user, made.role) == (project_id, 3, "RE")
    assert made.id in [role.id for role in ls.projects.roles.list()]
    assert ls.projects.roles.get(id=project_id) is not None
    ls.projects.roles.remove(id=made.id)
    assert made.id not in [role.id for role in ls.projects.roles.list()]


@pytest.mark.own_database
def test_roles_of_the_organization(ls: LabelStudio):
    for role in ("AN", "RE", "MA", "AD"):
        ls.organizations.members.update(id=ORGANIZATION, user_id=3, role=role)
        roles = {
            member.user.id: member.role for member in ls.organizations.members.list(id=ORGANIZATION, page_size=-1).items
        }
        assert roles[3] == role
    with pytest.raises(ApiError) as error:
        ls.organizations.members.update(id=ORGANIZATION, user_id=3, role="XX")
    assert error.value.status_code == 400
    with pytest.raises(ApiError) as error:
        ls.organizations.members.update(id=ORGANIZATION, user_id=5, role="AN")
    assert 400 <= error.value.status_code < 500


@pytest.mark.own_database
def test_the_older_client_gives_roles_and_members(site: Site):
    client = site.legacy()
    [carol] = [user for user in client.get_users() if user.email == "carol@example.com"]
    carol.set_role(UserRole.REVIEWER)
    project = client.start_project(title="Members")
    assert project.add_member(carol)["user"] == carol.id
    members = site.client().organizations.members.list(id=ORGANIZATION, page_size=-1).items
    assert {member.user.id: member.role for member in members}[carol.id] == "RE"
