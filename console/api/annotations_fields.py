"""The fields of annotations and drafts, as requests bring them and answers show them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from ..labeling import annotations_result
from .fields import Char, Choice, Document, Flag, Id, Integer, Moment, Number, Several, Shape, Wrong

ACTIONS = ("prediction", "propagated_annotation", "imported", "submitted", "updated", "skipped", "accepted", "rejected",
           "fixed_and_accepted", "deleted_review")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Result(Document):
    """A list of regions, or its JSON text."""

    def parse(self, value: Any, *, form: bool = False) -> list[Any]:
        value = super().parse(value, form=form)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise Wrong('annotation "result" can\'t be parse from str to JSON') from None
        if not isinstance(value, list):
            raise Wrong('annotation "result" field in annotation must be list')
        if wrong := annotations_result.problem(value):
            raise Wrong(wrong)
        return value

    def kind(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "object"}}


@dataclass(frozen=True, kw_only=True)
class DraftResult(Document):
    """Anything; of a list, every item is a region."""

    def parse(self, value: Any, *, form: bool = False) -> Any:
        value = super().parse(value, form=form)
        if value is None:
            raise Wrong("This field may not be null.")
        if wrong := annotations_result.problem(value):
            raise Wrong(wrong)
        return value


@dataclass(frozen=True, kw_only=True)
class Uuid(Char):
    """A UUID in any of its spellings."""

    def parse(self, value: Any, *, form: bool = False) -> Any:
        text = super().parse(value, form=form)
        try:
            return uuid.UUID(text)
        except ValueError:
            raise Wrong(f"“{text}” is not a valid UUID.") from None

    def kind(self) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


@dataclass(frozen=True, kw_only=True)
class BigInteger(Integer):
    """A whole number of 64 bits."""

    least: int = -(2**63)
    most: int = 2**63 - 1

    def parse(self, value: Any, *, form: bool = False) -> int:
        try:
            return super().parse(value, form=form)
        except Wrong as error:
            raise Wrong(*(str(text).replace("valid integer", "valid biginteger") for text in error.messages)) from None


ANNOTATION_BODY = Shape(
    "AnnotationBody",
    result=Result(about="Regions, relations and choices; a list."),
    completed_by=Id(least=0, about="Who annotated; you, unless given."),
    unique_id=Uuid(about="Refused with 409 when another annotation has it."),
    was_cancelled=Flag(about="The task was skipped."),
    ground_truth=Flag(about="Takes this mark from every other annotation of the task."),
    draft_created_at=Moment(null=True),
    lead_time=Number(null=True, about="Seconds it took."),
    import_id=BigInteger(null=True),
    last_action=Choice(null=True, of=ACTIONS),
    bulk_created=Flag(null=True),
    task=Id(least=0, null=True),
    project=Id(least=0, null=True),
    updated_by=Id(least=0, null=True, about="Ignored: it is you."),
    parent_prediction=Id(least=0, null=True),
    parent_annotation=Id(least=0, null=True),
    last_created_by=Id(least=0, null=True),
)
DRAFT_BODY = Shape(
    "DraftBody",
    result=DraftResult(required=True, about="What has been labeled so far."),
    lead_time=Number(null=True, about="Seconds it took so far."),
    was_postponed=Flag(about="Left for later in the label stream."),
    import_id=BigInteger(null=True),
    user=Char(about="Ignored when a draft is made: it is yours."),
    task=Id(least=0, null=True),
    annotation=Id(least=0, null=True),
)
_SHOWN: dict[str, Any] = {
    "id": Integer(), "created_username": Char(blank=True), "created_ago": Char(), "created_at": Moment(),
    "updated_at": Moment(),
}  # fmt: skip
ANNOTATION = Shape(
    "Annotation",
    "What one person made of one task.",
    **_SHOWN
    | {name: field for name, field in ANNOTATION_BODY.fields.items() if name != "unique_id"}
    | {
        "result": Several(null=True, about="Regions, relations and choices; null where a task was skipped."),
        "completed_by": Id(least=0, null=True, about="Who annotated."),
    },
)  # fmt: skip
DRAFT = Shape("Draft", "Work on a task that is not submitted.", **_SHOWN | DRAFT_BODY.fields)
