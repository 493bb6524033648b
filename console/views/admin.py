"""Label Studio's rows as Flask-Admin lists them: to look at, in our own frame, without a way to change anything.

Here stands what each kind of row shows, sorts and filters by; `record_lists` makes the list of it, `record_pages` the
page of one row. The columns named here exist in every release, or are left blank where one lacks them.
"""

from __future__ import annotations

from flask import Flask, current_app, url_for
from flask_admin import Admin, AdminIndexView, expose
from sqlalchemy import select

from ..app import the_console
from ..auth import requires
from ..deployment import records
from ..deployment.models import Annotation, Organization, OrganizationMember, Project, Task, User
from .record_lists import IdFilter, Records, YesNoFilter
from .texts import thousands


class Home(AdminIndexView):
    """All kinds of records."""

    def __init__(self) -> None:
        super().__init__(name="All records", url="/records")
        self.static_folder = None

    @expose("/")
    @requires("look")
    def index(self) -> str:
        deployment = the_console().deployment
        with deployment.read() as session:
            known = records.estimated_rows(session, deployment.schema)
            small = [view for view in _views() if known.get(view.table, -1) < records.COUNT_LIMIT]
            counted = records.capped_counts(session, {view.endpoint: select(view.model.id) for view in small})
        kinds = [
            {"title": view.title, "url": url_for(f"{view.endpoint}.index_view"), "note": view.lede,
             "count": _about(counted.get(view.endpoint), known.get(view.table))}
            for view in _views()
        ]  # fmt: skip
        kinds.append(
            {
                "title": "Storages",
                "url": url_for("storages.index"),
                "count": None,
                "note": "Sources and targets of every kind.",
            }
        )
        return self.render("records/index.html", kinds=kinds)


def _about(counted: int | None, estimate: int | None) -> str | None:
    if counted is not None and counted <= records.COUNT_LIMIT:
        return thousands(counted)
    return f"about {estimate:,}" if estimate is not None else f"over {records.COUNT_LIMIT:,}" if counted else None


class Users(Records):
    model_class, endpoint_name, kind, title, section = User, "user", "user", "Users", "users"
    lede = "Accounts of Label Studio, as they are stored."
    column_list = (
        "email",
        "id",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "is_superuser",
        "active_organization_id",
        "last_login",
        "date_joined",
    )
    column_sortable_list = ("email", "id", "first_name", "last_name", "last_login", "date_joined")
    column_labels = {"id": "Id", "email": "E-mail", "first_name": "First name", "last_name": "Last name", "is_active": "Active", "is_staff": "Staff", "is_superuser": "Superuser", "active_organization_id": "Works in", "last_login": "Last sign-in (UTC)", "date_joined": "Joined (UTC)"}  # noqa: RUF012, E501  # fmt: skip
    column_filters = (
        YesNoFilter(User.is_active, "Active"),
        YesNoFilter(User.is_superuser, "Superuser"),
        IdFilter(User.active_organization_id, "Organization"),
    )
    search_columns = (User.email, User.username, User.first_name, User.last_name)
    search_words = "e-mail, name or id"
    refers = {"active_organization_id": "organization"}  # noqa: RUF012
    number_columns = frozenset({"id"})


class Organizations(Records):
    model_class, endpoint_name, kind, title, section = Organization, "organization", "organization", "Organizations", "orgs"  # fmt: skip
    lede = "Who works together: members, projects and settings belong to one."
    column_list = ("title", "id", "created_by_id", "created_at")
    column_sortable_list = ("title", "id", "created_at")
    column_labels = {"id": "Id", "created_by_id": "Made by", "created_at": "Created (UTC)"}  # noqa: RUF012
    search_columns = (Organization.title,)
    search_words = "title or id"
    refers = {"created_by_id": "user"}  # noqa: RUF012
    number_columns = frozenset({"id"})


class Memberships(Records):
    model_class, endpoint_name, kind, title = OrganizationMember, "organizationmember", "organizationmember", "Memberships"  # fmt: skip
    lede = "Who belongs to which organization. A row with an end stays after somebody was removed."
    column_list = ("id", "user_id", "organization_id", "created_at", "deleted_at")
    column_sortable_list = ("id", "created_at", "deleted_at")
    column_labels = {"id": "Id", "user_id": "User", "organization_id": "Organization", "created_at": "Since (UTC)", "deleted_at": "Ended (UTC)"}  # noqa: RUF012, E501  # fmt: skip
    column_filters = (
        IdFilter(OrganizationMember.organization_id, "Organization"),
        IdFilter(OrganizationMember.user_id, "User"),
    )
    refers = {"user_id": "user", "organization_id": "organization"}  # noqa: RUF012


class Projects(Records):
    model_class, endpoint_name, kind, title, section = Project, "project", "project", "Projects", "projects"
    lede = "Every project, published or not."
    column_list = (
        "title",
        "id",
        "organization_id",
        "created_by_id",
        "is_published",
        "maximum_annotations",
        "created_at",
        "deleted_at",
    )
    column_sortable_list = ("title", "id", "created_at", "maximum_annotations")
    column_labels = {"id": "Id", "organization_id": "Organization", "created_by_id": "Made by", "is_published": "Published", "maximum_annotations": "Overlap", "created_at": "Created (UTC)", "deleted_at": "Deleted (UTC)"}  # noqa: RUF012, E501  # fmt: skip
    column_filters = (
        YesNoFilter(Project.is_published, "Published"),
        IdFilter(Project.organization_id, "Organization"),
        IdFilter(Project.created_by_id, "Made by"),
    )
    search_columns = (Project.title,)
    search_words = "title or id"
    refers = {"organization_id": "organization", "created_by_id": "user"}  # noqa: RUF012
    number_columns = frozenset({"id", "maximum_annotations"})


class Tasks(Records):
    model_class, endpoint_name, kind, title = Task, "task", "task", "Tasks"
    lede = "One row for every thing to be annotated. Sorted by id; a filter by project narrows it."
    column_list = (
        "id",
        "project_id",
        "inner_id",
        "is_labeled",
        "overlap",
        "total_annotations",
        "cancelled_annotations",
        "total_predictions",
        "updated_at",
    )
    column_sortable_list = ("id",)
    column_labels = {"id": "Id", "project_id": "Project", "inner_id": "In project", "is_labeled": "Labeled", "total_annotations": "Annotations", "cancelled_annotations": "Skipped", "total_predictions": "Predictions", "updated_at": "Updated (UTC)"}  # noqa: RUF012, E501  # fmt: skip
    column_filters = (IdFilter(Task.project_id, "Project"),)
    refers = {"project_id": "project"}  # noqa: RUF012
    number_columns = frozenset(
        {"id", "inner_id", "overlap", "total_annotations", "cancelled_annotations", "total_predictions"}
    )


class Annotations(Records):
    model_class, endpoint_name, kind, title = Annotation, "annotation", "annotation", "Annotations"
    lede = "What people made of the tasks; Label Studio keeps them in task_completion."
    column_list = (
        "id",
        "task_id",
        "project_id",
        "completed_by_id",
        "was_cancelled",
        "ground_truth",
        "result_count",
        "updated_at",
    )
    column_sortable_list = ("id",)
    column_labels = {"id": "Id", "task_id": "Task", "project_id": "Project", "completed_by_id": "Made by", "was_cancelled": "Skipped", "ground_truth": "Ground truth", "result_count": "Regions", "updated_at": "Updated (UTC)"}  # noqa: RUF012, E501  # fmt: skip
    column_filters = (
        IdFilter(Annotation.project_id, "Project"),
        IdFilter(Annotation.task_id, "Task"),
        IdFilter(Annotation.completed_by_id, "Made by"),
    )
    refers = {"task_id": "task", "project_id": "project", "completed_by_id": "user"}  # noqa: RUF012
    number_columns = frozenset({"id", "result_count"})


KINDS = (Users, Organizations, Memberships, Projects, Tasks, Annotations)


def register(app: Flask) -> None:
    """Add the index and one view per kind of row."""
    admin = Admin(app, name="Records", index_view=Home())
    for view in KINDS:
        admin.add_view(view())


def _views() -> list[Records]:
    [admin] = current_app.extensions["admin"]
    return [view for view in admin._views if isinstance(view, Records)]
