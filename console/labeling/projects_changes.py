"""Make, change and delete projects with everything Label Studio does along the way.

Values arrive checked (types, lengths, choices); what needs other rows to decide is checked here. Every save brings
`data_types`, `parsed_label_config`, `label_config_hash` and `control_weights` in line with the configuration, publishes
drafts, moves overlap and `is_labeled` of the tasks, and empties a summary that nothing stands for any more.

Source: Label Studio's `projects/models.py Project.save`, `validate_config` and `projects/serializers.py`.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, func, select

from ..errors import Invalid
from . import label_config, overlap, projects, summary, tasks_cascade, webhooks
from .db import Db
from .label_config import InvalidConfig, ParsedConfig

EMPTY_CONFIG = "<View></View>"
#: What Label Studio fills in for a new project; columns of other releases and editions have their own defaults.
DEFAULTS: Mapping[str, Any] = {
    "title": "", "description": "", "label_config": EMPTY_CONFIG, "expert_instruction": "", "show_instruction": False,
    "show_skip_button": True, "enable_empty_annotation": True, "reveal_preannotations_interactively": False,
    "show_annotation_history": False, "show_collab_predictions": True, "evaluate_predictions_automatically": False,
    "result_count": 0, "color": "#FFFFFF", "maximum_annotations": 1, "min_annotations_to_start_training": 0,
    "control_weights": {}, "model_version": "", "data_types": {}, "is_draft": False, "is_published": False,
    "sampling": "Sequential sampling", "skip_queue": "REQUEUE_FOR_OTHERS", "show_ground_truth_first": False,
    "annotator_evaluation_enabled": False, "show_overlap_first": False, "overlap_cohort_percentage": 100,
    "agreement_method": "single", "use_annotation_history": False, "template_used": None,
}  # fmt: skip
_READ = (
    "label_config", "maximum_annotations", "overlap_cohort_percentage", "skip_queue", "model_version", "is_published",
    "is_draft", "created_by_id",
)  # fmt: skip


def create(db: Db, values: Mapping[str, Any]) -> dict[str, Any]:
    """A new project of the caller in the active organization, as `projects.one` shows it, without counters.
    Raises Invalid."""
    parsed = _checked_config(values["label_config"]) if "label_config" in values else label_config.EMPTY
    row = {
        **DEFAULTS, **values, "organization_id": db.caller.organization_id, "created_by_id": db.caller.id,
        "created_at": db.now, "updated_at": db.now, "token": _token(),
    }  # fmt: skip
    row |= _derived(row["label_config"], parsed, row["control_weights"])
    row["is_draft"] = row["is_draft"] and not row["is_published"]
    project_id = db.insert("project", row)
    _add_onboarding(db, project_id)
    db.insert(summary.SUMMARY, {"project_id": project_id, "created_at": db.now, **summary.empty()})
    webhooks.announce(db, "PROJECT_CREATED", project_id, [project_id])
    db.record("created a project", f"project:{project_id}")
    return projects.one(db, project_id, counted=())


def change(db: Db, project_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Change a project; counters of the answer are those before the change, as Label Studio answers.
    Raises NotFound, Forbidden, Invalid."""
    table = db.table("project")
    weights = [db.columns("project", "control_weights")[0]] if "control_weights" in table.c else []
    before = dict(projects.own(db, project_id, *db.columns("project", *_READ), *weights, lock=True)._mapping)
    counted = projects.numbers(db, [project_id], projects.COUNTERS)[project_id]
    row = {**values, **_follows(db, project_id, before, values)}
    db.update("project", table.c.id == project_id, {**row, "updated_at": db.now})
    _after_save(db, project_id, before, row)
    webhooks.announce(db, "PROJECT_UPDATED", project_id, [project_id])
    db.record("changed a project", f"project:{project_id}", fields=sorted(values))
    return projects.one(db, project_id, counted=()) | counted


def delete(db: Db, project_id: int) -> None:
    """Delete a project with everything that belongs to it. Raises NotFound, Forbidden."""
    projects.own(db, project_id, lock=True)
    tasks = db.table("task")
    number = db.value(select(func.count()).select_from(tasks).where(tasks.c.project_id == project_id))
    for some in overlap.portions(db, project_id):  # one statement for a million tasks would meet its time limit
        tasks_cascade.delete_rows(db, "task", select(tasks.c.id).where(some))
    tasks_cascade.delete_rows(db, "project", [project_id])
    webhooks.announce(db, "PROJECT_DELETED", project_id, [project_id])
    db.record("deleted a project", f"project:{project_id}", tasks=number)


def check_config(db: Db, project_id: int, config: Any, *, strict: bool) -> ParsedConfig:
    """The parsed configuration when it is one and fits what was labeled. Raises InvalidConfig.

    As in Label Studio, a project without tasks, or without annotations and drafts, has its summary emptied here.
    """
    parsed = _validated(config)
    tasks, annotations = db.table("task"), db.table("task_completion")
    if not _any(db, tasks, project_id):
        summary.reset(db, project_id)
        return parsed
    if not parsed.data_types:
        return parsed
    if not _any(db, annotations, project_id) and not summary.has_drafts(db, project_id):
        summary.reset(db, project_id, tasks=False)
        return parsed
    known = summary.read(db, project_id)
    labeled = label_config.Labeled(
        annotations=known.get("created_annotations") or {},
        labels=known.get("created_labels") or {},
        draft_labels=known.get("created_labels_drafts") or {},
        custom_labels=_custom_labels(db, project_id) if "Taxonomy" in _types(parsed) else (),
    )
    label_config.check_fits(parsed, labeled, strict)
    return parsed


def essentials_changed(db: Db, project_id: int, config: Any) -> bool | None:
    """What `POST /api/projects/<id>/validate/` answers for a configuration that passes. Raises InvalidConfig."""
    if not config:
        raise Invalid("Label config is not set or is empty")
    row = projects.own(db, project_id, *db.columns("project", "label_config"), lock=True)
    parsed = check_config(db, project_id, config, strict=True)
    return label_config.essentials_changed(parsed, label_config.parse_stored(row.label_config))


def _follows(db: Db, project_id: int, before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that change because others do. Raises Invalid for values that other rows contradict."""
    row: dict[str, Any] = {}
    config = values.get("label_config", before["label_config"])
    weights = values.get("control_weights", before.get("control_weights"))
    if "label_config" in values:
        try:
            parsed = check_config(db, project_id, config, strict=False)
        except InvalidConfig as error:
            raise Invalid({"label_config": [error.message]}) from None
        if config != before["label_config"]:
            row |= _derived(config, parsed, weights)
    if config and not weights and "control_weights" not in row:
        row["control_weights"] = label_config.updated_weights(label_config.parse_stored(config), weights)
    if "model_version" in values:
        _check_model_version(db, project_id, before, values["model_version"])
    if values.get("show_collab_predictions") is False and "model_version" not in values:
        row["model_version"] = ""
    if values.get("is_published", before.get("is_published")) and values.get("is_draft", before.get("is_draft")):
        row["is_draft"] = False
    return row


def _after_save(db: Db, project_id: int, before: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    changed = {name for name in ("maximum_annotations", "overlap_cohort_percentage", "skip_queue")
               if name in row and row[name] != before.get(name)}  # fmt: skip
    if changed:
        project = overlap.rules(db, project_id)
        overlap.settings_changed(
            db, project, maximum="maximum_annotations" in changed, cohort="overlap_cohort_percentage" in changed
        )
        if "skip_queue" in changed:
            annotations = db.table("task_completion")
            overlap.recount_labeled(
                db, project, select(annotations.c.task_id).where(annotations.c.ground_truth.is_(False))
            )
    summary.reset_if_idle(db, project_id)


def _derived(config: str | None, parsed: ParsedConfig, weights: Any) -> dict[str, Any]:
    """Columns that follow from the configuration."""
    return {
        "data_types": parsed.data_types,
        "parsed_label_config": parsed.controls,
        "label_config_hash": label_config.config_hash(config or ""),
        "control_weights": label_config.updated_weights(parsed, weights),
    }


def _checked_config(config: Any) -> ParsedConfig:
    try:
        return _validated(config)
    except InvalidConfig as error:
        raise Invalid({"label_config": [error.message]}) from None


def _validated(config: Any) -> ParsedConfig:
    if config is not None and not isinstance(config, str):
        raise InvalidConfig("can only parse strings")
    return label_config.validate(config)


def _check_model_version(db: Db, project_id: int, before: Mapping[str, Any], version: str | None) -> None:
    """A project shows predictions of a version that is there, of a connected backend, or of none."""
    if version == before["model_version"] or version == "":
        return
    predictions = db.table("prediction")
    known = [
        exists(
            select(predictions.c.id).where(
                summary.in_project(db, predictions, project_id), predictions.c.model_version == version
            )
        )
    ]
    if db.has("ml_mlbackend", "title"):
        backends = db.table("ml_mlbackend")
        known.append(
            exists(select(backends.c.id).where(backends.c.project_id == project_id, backends.c.title == version))
        )
    if not any(db.value(select(one)) for one in known):
        raise Invalid({"model_version": ["Model version doesn't exist either as live model or as static predictions."]})


def _add_onboarding(db: Db, project_id: int) -> None:
    """One row for each step of Label Studio's introduction, where the deployment has some."""
    if not (db.has("projects_projectonboardingsteps") and db.has("projects_projectonboarding")):
        return
    steps = db.table("projects_projectonboardingsteps")
    rows = [
        {"step_id": step, "project_id": project_id, "finished": False, "created_at": db.now, "updated_at": db.now}
        for step in db.values(
            select(steps.c.id).order_by(*db.columns("projects_projectonboardingsteps", "order", "id"))
        )
    ]
    db.insert_many("projects_projectonboarding", rows)


def _custom_labels(db: Db, project_id: int) -> set[str]:
    """Labels that people added to a Taxonomy; each is stored as the list of its steps."""
    if not (db.has("labels_manager_label") and db.has("labels_manager_labellink")):
        return set()
    labels, links = db.table("labels_manager_label"), db.table("labels_manager_labellink")
    paths = db.values(
        select(labels.c.value).join(links, links.c.label_id == labels.c.id).where(links.c.project_id == project_id)
    )
    return {str(step) for path in paths if isinstance(path, list) for step in path}


def _types(parsed: ParsedConfig) -> set[str]:
    return {control["type"] for control in parsed.controls.values()}


def _any(db: Db, table: Any, project_id: int) -> bool:
    return bool(db.value(select(exists(select(table.c.id).where(table.c.project_id == project_id)))))


def _token() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))
