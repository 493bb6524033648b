"""Regions on images that lack what COCO, YOLO and VOC are made of: one of them ends the whole conversion.

The converter computes pixels from each region's `x`, `y`, `width`, `height` (in percent) and the image's
`original_width` and `original_height`. A region imported or written through the API without them, or with null in
their place, ends the conversion of all tasks with `KeyError: 'original_width'`, `'x'` or `'points'`,
`unsupported operand … NoneType`, or `not enough values to unpack` for a polygon without points. A rotated rectangle of
no width is a division by zero; one that is not rotated becomes a box without area, which training tools refuse.

Looked at are the annotations of projects that label shapes on images, skipped and ground-truth ones included.

What to do: open the tasks that are listed and delete or draw again these regions; or correct them where they came from
and import again. `original_width` and `original_height` are the size of the image in pixels.

Source: `convert_to_coco`, `convert_to_voc`, `rotated_rectangle` and the YOLO functions of the converter in Label Studio's
SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONPATH

from ...deployment.models import Annotation, Project, Task
from ...errors import NotApplicable
from ...labeling.exports.formats import suitable
from ...labeling.label_config import parse_stored
from .. import Context, Finding, Severity, check
from ..project_scope import in_scope
from ..scan import task_shards
from ..task_values import PerProject

FETCHED = 500
_NUMBERS = ("x", "y", "width", "height")
_RECTANGLES = {"rectangle", "rectanglelabels"}
_POLYGONS = {"polygon", "polygonlabels"}
_POINTS = {"keypoint", "keypointlabels"}
SHAPES = _RECTANGLES | _POLYGONS | _POINTS
#: What PostgreSQL looks for, so that only suspicious annotations come here: a shape without a size, or not of numbers.
_SUSPICIOUS = " || ".join([
    "!exists(@.value)", "!exists(@.original_width ? (@ > 0))", "!exists(@.original_height ? (@ > 0))",
    '(@.type like_regex "^polygon" && (!exists(@.value.points[*]) || exists(@.value.points[*] ? (@ == null))'
    ' || @.value.points.size() < 1))',
    '(@.type like_regex "^rectangle" && (!exists(@.value.x ? (@ > -1000000)) || !exists(@.value.y ? (@ > -1000000))'
    " || !exists(@.value.width ? (@ > 0)) || !exists(@.value.height ? (@ > 0))))",
    '(@.type like_regex "^keypoint" && (!exists(@.value.x ? (@ > -1000000)) || !exists(@.value.y ? (@ > -1000000))))',
])  # fmt: skip
PATH = f'$[*] ? (@.type like_regex "^(rectangle|polygon|keypoint)" && ({_SUSPICIOUS}))'


@check(
    title="Every region on an image has its coordinates and sizes",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="The conversion to COCO, YOLO or VOC ends with an error, for all tasks",
    cause="The regions were imported, or written through the API, without them.",
)
def converter_keyerror(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task, annotation, region, its type, what is wrong, whether it ends the export."""
    titles = _image_projects(ctx)
    if not titles:
        raise NotApplicable("No project labels shapes on images.")
    found = PerProject(ctx.evidence_limit)
    fatal: dict[int, int] = {}
    for project_id, row in _broken(ctx, list(titles)):
        found.add(project_id, row)
        fatal[project_id] = fatal.get(project_id, 0) + row["ends_export"]
    for project_id, rows in sorted(found.rows.items()):
        total, ends = found.totals[project_id], fatal[project_id]
        number = f"{total:,} {'region' if total == 1 else 'regions'}"
        if ends:
            summary = (
                f"{number} cannot be converted, and {'it ends' if ends == 1 else f'{ends:,} of them end'} the export"
            )
        else:
            summary = f"{number} {'has' if total == 1 else 'have'} no area, or {'is' if total == 1 else 'are'} left out"
        yield Finding(
            subject=f"project:{project_id}", name=titles[project_id], summary=f"{summary}; the first is in task {rows[0]['task']}",
            severity=Severity.WARNING if ends else Severity.INFO, evidence=found.evidence(project_id, "task_completion.result"),
        )  # fmt: skip


def _image_projects(ctx: Context) -> dict[int, str]:
    """Projects in scope whose configuration suits COCO or YOLO, by id in order, with their titles."""
    statement = select(Project.id, Project.title, Project.label_config).order_by(Project.id)
    statement = statement.where(func.lower(Project.label_config).like("%<image%"))
    with ctx.transaction() as session:
        rows = session.execute(in_scope(ctx, statement)).all()
    wanted = {"COCO", "YOLO", "VOC"}
    return {row.id: row.title or "" for row in rows if wanted & suitable(parse_stored(row.label_config).controls)}


def _broken(ctx: Context, project_ids: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Project and row of evidence of each broken region, shard by shard."""
    for shard in task_shards(ctx):
        statement = (
            select(Annotation.id, Annotation.task_id, Task.project_id, Annotation.result)
            .join(Task, Task.id == Annotation.task_id)
            .where(shard.tasks(), shard.ids(Annotation.task_id), Task.project_id.in_(project_ids), _suspicious(ctx))
            .order_by(Annotation.task_id, Annotation.id)
        )  # fmt: skip
        with ctx.transaction() as session:
            for row in session.execute(statement.execution_options(yield_per=FETCHED)):
                for region, what, ends in problems(row.result):
                    told = {"task": row.task_id, "annotation": row.id, "region": str(region.get("id"))[:60],
                            "type": region["type"], "wrong": what, "ends_export": ends}  # fmt: skip
                    yield row.project_id, told


def _suspicious(ctx: Context) -> ColumnElement[bool]:
    if ctx.schema.dialect != "postgresql":
        return true()
    return func.jsonb_path_exists(Annotation.result, cast(PATH, JSONPATH))


def problems(result: Any) -> Iterator[tuple[Mapping[str, Any], str, bool]]:
    """Regions of shapes that the converter cannot use: region, what is wrong, whether that ends the conversion."""
    for region in result if isinstance(result, list) else []:
        if isinstance(region, dict) and region.get("type") in SHAPES:
            wrong = _wrong(region)
            if wrong:
                yield region, *wrong


def _wrong(region: Mapping[str, Any]) -> tuple[str, bool] | None:
    value = region.get("value")
    if not isinstance(value, dict):
        return "it has no value", True
    shape = region["type"]
    if shape in _POLYGONS:
        points = value.get("points")
        if not isinstance(points, list) or not points:
            return "it has no points", True
        if not all(isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)) for point in points):
            return "a point is no pair of numbers", True
    else:
        names = _NUMBERS if shape in _RECTANGLES else _NUMBERS[:2]
        if wrong := next((name for name in names if not _is_number(value.get(name))), None):
            return f"{wrong} is {_what(value, wrong)}", True
    for name in ("original_width", "original_height"):
        if not _is_number(region.get(name)) or region[name] <= 0:
            return f"{name} is {region[name] if _is_number(region.get(name)) else 'missing'}", True
    if shape in _RECTANGLES and (value["width"] <= 0 or value["height"] <= 0):
        rotated = bool(value.get("rotation"))
        return "it has no area" + (" and is rotated" if rotated else ""), rotated and value["width"] == 0
    return None


def _what(value: Mapping[str, Any], name: str) -> str:
    if name not in value:
        return "missing"
    return "null" if value[name] is None else "no number"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
