"""Projects: list, create, read, change, delete."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import bleach
from flask import request

from ..errors import Invalid
from ..labeling import projects, projects_changes
from .fields import Char, Choice, Flag, Id, Integer, Mapped, Moment, Paged, Shallow, Shape, Wrong
from .paging import paged, window
from .projects_html import ATTRIBUTES, TAGS
from .request import FormData, data, page_number, page_size, reading, writing
from .routes import Resource, answer, nothing
from .users import user_json
from .workspaces_store import place, wanted_workspace

api = Resource("Projects", "A project has one labeling configuration, tasks, and the settings of their annotation.")


class Colour(Char):
    """`#RRGGBB`."""

    def read(self, value: Any, *, form: bool = False) -> str:
        digits = value[1:] if isinstance(value, str) and value.startswith("#") and len(value) == 7 else ""
        if not digits or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise Wrong('Color must be in "#RRGGBB" format')
        return str(value)


class Html(Char):
    """Text with tags; those that are not harmless are shown as text instead of taking effect."""

    def read(self, value: Any, *, form: bool = False) -> str:
        text = super().read(value, form=form)
        return bleach.clean(value, tags=TAGS, attributes=ATTRIBUTES) if isinstance(value, str) else text


LONG: dict[str, Any] = {"null": True, "blank": True}
NUMBER: Any = Integer(read_only=True, null=True)
PROJECT = Shape(
    "Project",
    id=Integer(read_only=True), title=Char(null=True, blank=True, least=3, most=50), description=Char(**LONG),
    label_config=Char(**LONG, about="XML"), expert_instruction=Html(blank=True, about="HTML; harmful tags are escaped"),
    show_instruction=Flag(), show_skip_button=Flag(), enable_empty_annotation=Flag(), show_annotation_history=Flag(),
    organization=Id(about="the caller's active organization"), color=Colour(about="#RRGGBB"),
    maximum_annotations=Integer(), is_published=Flag(), model_version=Char(**LONG), is_draft=Flag(),
    created_by=Mapped(read_only=True, about="who made it stays who made it"), created_at=Moment(read_only=True),
    min_annotations_to_start_training=Integer(),
    start_training_on_annotation_update=Flag(), show_collab_predictions=Flag(),
    **dict.fromkeys(("num_tasks_with_annotations", "task_number", "useful_annotation_number", "ground_truth_number",
                     "skipped_annotations_number", "total_annotations_number", "total_predictions_number"), NUMBER),
    sampling=Choice(null=True, of=("Sequential sampling", "Uniform sampling", "Uncertainty sampling")),
    show_ground_truth_first=Flag(), annotator_evaluation_enabled=Flag(), show_overlap_first=Flag(),
    overlap_cohort_percentage=Integer(), task_data_login=Char(**LONG, most=256),
    task_data_password=Char(**LONG, most=256), control_weights=Shallow(null=True),
    parsed_label_config=Mapped(read_only=True, null=True), evaluate_predictions_automatically=Flag(),
    config_has_control_tags=Flag(read_only=True),
    skip_queue=Choice(null=True, of=("REQUEUE_FOR_ME", "REQUEUE_FOR_OTHERS", "IGNORE_SKIPPED")),
    reveal_preannotations_interactively=Flag(), pinned_at=Moment(null=True), finished_task_number=NUMBER,
    queue_total=NUMBER, queue_done=NUMBER, config_suitable_for_bulk_annotation=Flag(read_only=True),
    state=Char(read_only=True, null=True, about="always null"),
)  # fmt: skip
COUNTS = Shape("ProjectCounts", id=NUMBER, **dict.fromkeys(projects.COUNTERS, NUMBER))
INCLUDE: dict[str, Any] = {
    "include": Char(about="fields to answer with, comma-separated; counters that are left out are not counted"),
    "omit": Char(about="fields to leave out, comma-separated"),
}
ONE = Shape("ProjectQuery", **INCLUDE)
FILTERS: dict[str, Any] = {
    "ids": Char(about="ids, comma-separated"), "title": Char(about="a part of the title"),
    "page": Integer(least=1), "page_size": Integer(about="30 by default, 100 at most"),
}  # fmt: skip
LIST = Shape(
    "ProjectListQuery", **INCLUDE, **FILTERS, ordering=Char(about="fields, comma-separated; `-` before one turns it round"),
    filter=Choice(of=("all", "pinned_only", "exclude_pinned")),
)  # fmt: skip
COUNTS_LIST = Shape("ProjectCountsQuery", **INCLUDE, **FILTERS)
MOST_ON_A_PAGE = 100


@api.get("/api/projects/", query=LIST, answers={200: Paged(PROJECT), 404: {}})
def everything() -> Any:
    """List your projects. Pinned ones first, then the newest; numbers of a page come from one statement."""
    shown, counted = _fields(PROJECT), _counted()
    pinned = {"pinned_only": True, "exclude_pinned": False}.get(request.args.get("filter", ""))
    ordering = [term.strip() for term in request.args.get("ordering", "").split(",")]
    return _page(projects.Wanted(_ids(), _title(), pinned, ordering), counted, shown)


@api.get("/api/projects/counts/", query=COUNTS_LIST, answers={200: Paged(COUNTS), 404: {}})
def counts() -> Any:
    """List projects' counts. Nothing but numbers, for every project of the organization."""
    return _page(projects.Wanted(_ids(), _title(), ordering=["id"]), _counted(), _fields(COUNTS))


@api.post("/api/projects/", query=ONE, body=PROJECT, answers={201: PROJECT})
def create() -> Any:
    """Create new project. Every field may be left out; numbers are null in the answer."""
    values, workspace_id = _values(partial=False), wanted_workspace()
    with writing() as db:
        made = projects_changes.create(db, values)
    if workspace_id is not None:
        place(workspace_id, made["id"])
    return answer(project_json(made, _fields(PROJECT)), 201)


@api.get("/api/projects/<ID:project_id>/", query=ONE, answers={200: PROJECT})
def retrieve(project_id: int) -> Any:
    """Get project by ID."""
    counted = _counted()
    with reading() as db:
        return answer(project_json(projects.one(db, project_id, counted), _fields(PROJECT)))


@api.patch("/api/projects/<ID:project_id>/", query=ONE, body=PROJECT, answers={200: PROJECT})
def change(project_id: int) -> Any:
    """Update project. Tasks follow: overlap, and whether they are labeled. Numbers are those from before the change."""
    return _changed(project_id, _values(partial=True))


@api.put("/api/projects/<ID:project_id>/", query=ONE, body=PROJECT, answers={200: PROJECT})
def replace(project_id: int) -> Any:
    """Update project. As PATCH: a field that is left out keeps its value."""
    return _changed(project_id, _values(partial=False))


@api.delete("/api/projects/<ID:project_id>/", answers={204: None})
def delete(project_id: int) -> Any:
    """Delete project. With its tasks, annotations, predictions, views, storages and exports."""
    with writing() as db:
        projects_changes.delete(db, project_id)
    return nothing()


def project_json(project: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """A project of `labeling.projects` with the fields that are wanted, in Label Studio's order."""
    shown = {name: value for name, value in project.items() if name in fields}
    if shown.get("created_by"):
        shown["created_by"] = user_json(shown["created_by"])
    return shown


def _page(wanted: projects.Wanted, counted: Collection[str], shown: Collection[str]) -> Any:
    size = page_size(30, MOST_ON_A_PAGE)
    with reading() as db:
        total = projects.count(db, wanted)
        number = max(1, -(-total // size)) if request.args.get("page") == "last" else page_number()
        limit, offset = window(total, number, size)
        found = projects.page(db, wanted, limit=limit, offset=offset, counted=counted, fields=shown)
    results = [project_json(project, shown) for project in found]
    return answer(paged(results, total=total, number=number, size=size))


def _changed(project_id: int, values: Mapping[str, Any]) -> Any:
    counted, workspace_id = _counted(), wanted_workspace()
    with writing() as db:
        found = projects_changes.change(db, project_id, values)
    if workspace_id is not None:
        place(workspace_id, project_id)
    skipped = {name: None for name in projects.COUNTERS if name not in counted}
    return answer(project_json(found | skipped, _fields(PROJECT)))


def _values(*, partial: bool) -> dict[str, Any]:
    """Columns from the body. Raises Invalid."""
    given = data()
    form = isinstance(given, FormData)
    if isinstance(given, dict) and form and not partial:  # a form does not send what is not ticked
        given = {**{name: "false" for name, field in PROJECT.fields.items() if isinstance(field, Flag)}, **given}
        given.pop("start_training_on_annotation_update", None)
    values = PROJECT.read(given, partial=partial, form=form)
    if "start_training_on_annotation_update" in values:
        values["min_annotations_to_start_training"] = int(values.pop("start_training_on_annotation_update"))
    organization_id = values.pop("organization", None)
    if organization_id is not None:
        with reading() as db:
            if organization_id != db.caller.organization_id:
                raise Invalid({"organization": [f'Invalid pk "{organization_id}" - object does not exist.']})
    return values


def _fields(shape: Shape) -> list[str]:
    """The fields that the query wants to see."""
    wanted, omitted = _names("include"), _names("omit")
    return [name for name in shape.fields if (not wanted or name in wanted) and name not in omitted]


def _counted() -> list[str]:
    """The counters that the query wants counted. Raises Invalid."""
    for name in ("include", "filter", "search"):
        if request.args.get(name) and not request.args[name].strip():
            raise Invalid({name: ["This field may not be blank."]})
    include = request.args.getlist("include")
    names = include[-1].split(",") if include else projects.COUNTERS
    return [name for name in projects.COUNTERS if name in names]


def _names(parameter: str) -> list[str]:
    found = request.args.getlist(parameter) or request.args.getlist(f"{parameter}[]")
    return found[0].split(",") if len(found) == 1 else found


def _ids() -> list[int] | None:
    text = request.args.get("ids", "").strip()
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"-?[0-9]{1,18}", part) for part in parts):
        raise Invalid({"ids": ["Enter ids of projects, comma-separated."]})
    return [int(part) for part in parts]


def _title() -> str:
    text = request.args.get("title", "").strip()
    if "\x00" in text:
        raise Invalid({"title": ["Null characters are not allowed."]})
    return text
