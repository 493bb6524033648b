"""The fields of tasks, as requests bring them and answers show them."""

from __future__ import annotations

from typing import Any

from .annotations_fields import ANNOTATION, BigInteger
from .fields import Document, Flag, Id, Integer, Moment, Several, Shape

_PLAIN: dict[str, Any] = {
    "meta": Document(null=True, about="Anything else that is known of it."),
    "is_labeled": Flag(),
    "overlap": Integer(about="How many people have to annotate it."),
    "inner_id": BigInteger(null=True, about="Its number within the project; the next one, unless given."),
    "total_annotations": Integer(),
    "cancelled_annotations": Integer(),
    "total_predictions": Integer(),
    "comment_count": Integer(),
    "unresolved_comment_count": Integer(),
    "last_comment_updated_at": Moment(null=True),
    "updated_by": Id(least=0, null=True),
    "file_upload": Id(least=0, null=True, about="The uploaded file it came from."),
    "comment_authors": Several(of=Id(least=0)),
}
TASK_BODY = Shape(
    "TaskBody",
    "What is to be labeled.",
    data=Document(required=True, about="What the labeling configuration shows."),
    project=Id(null=True, about="The project it belongs to."),
    **_PLAIN,
)
TASK = Shape(
    "TaskPlain",
    "A task with all annotations and predictions.",
    **{"id": Integer(), "created_at": Moment(), "updated_at": Moment()} | TASK_BODY.fields
    | {"annotations": Several(of=ANNOTATION), "predictions": Several()},
)  # fmt: skip
TASK_DETAIL = Shape(
    "TaskDetail",
    "A task as the Data Manager shows it.",
    **TASK.fields
    | {
        "drafts": Several(), "annotators": Several(of=Integer()), "completed_at": Moment(null=True),
        "avg_lead_time": Document(), "predictions_score": Document(), "draft_exists": Flag(),
        "annotations": Several(about="As in Annotation, with `completed_by` as an object."),
        "updated_by": Several(), "file_upload": Document(), "storage_filename": Document(),
        "annotations_ids": Document(), "annotations_results": Document(), "predictions_results": Document(),
        "predictions_model_versions": Document(),
    },
)  # fmt: skip
