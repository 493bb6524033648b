"""export.converter_keyerror: regions that end a conversion, the same on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.export.converter_keyerror import converter_keyerror, problems
from tests.factories import BOTH_ENGINES, make_annotation, make_project, make_task

CONFIG = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image"><Label value="Car"/>'
    '</RectangleLabels><PolygonLabels name="shape" toName="image"><Label value="Tree"/></PolygonLabels></View>'
)
BOX = {"x": 1, "y": 2.5, "width": 10, "height": 20, "rotation": 0, "rectanglelabels": ["Car"]}
DROP = object()


def box(region: dict[str, Any] | None = None, **value: Any) -> dict[str, Any]:
    found = {"id": "r1", "type": "rectanglelabels", "from_name": "label", "to_name": "image", "original_width": 640,
             "original_height": 480, "value": {k: v for k, v in (BOX | value).items() if v is not DROP}}  # fmt: skip
    return {name: item for name, item in (found | (region or {})).items() if item is not DROP}


def shape(points: Any, kind: str = "polygonlabels") -> dict[str, Any]:
    return box({"type": kind, "value": {"points": points} if points is not DROP else {}})


HEALTHY = [
    box(), box(width=0.001), box({"type": "rectangle"}), box(rotation=45), shape([[1, 2], [3, 4.5]]), {"type": "choices", "value": {}},
    box({"type": "keypointlabels", "value": {"x": 1, "y": 2, "width": 0.2}}), {"type": "relation", "from_id": "a", "to_id": "b"},
    {"type": "labels", "value": {"start": 1, "end": 2}}, box({"type": "brushlabels", "original_width": DROP}),
]  # fmt: skip
BROKEN = [
    (box(x=None), "x is null", True),
    (box(y=DROP), "y is missing", True),
    (box(height="10"), "height is no number", True),
    (box({"original_width": DROP}), "original_width is missing", True),
    (box({"original_height": None}), "original_height is missing", True),
    (box({"original_width": 0}), "original_width is 0", True),
    (box({"value": DROP}), "it has no value", True),
    (box({"value": None}), "it has no value", True),
    (box(width=0), "it has no area", False),
    (box(width=0, rotation=30), "it has no area and is rotated", True),
    (shape(DROP), "it has no points", True),
    (shape([]), "it has no points", True),
    (shape([[1, 2], [None, 3]]), "a point is no pair of numbers", True),
    (shape([[1, 2], None]), "a point is no pair of numbers", True),
    (box({"type": "keypointlabels", "value": {"y": 2}}), "x is missing", True),
]


@pytest.mark.parametrize("result", [None, "broken", {}, [], [None, 5, "x", []], HEALTHY])
def test_healthy_regions_and_nonsense(result: Any) -> None:
    assert list(problems(result)) == []


@pytest.mark.parametrize(("region", "wrong", "ends"), BROKEN)
def test_broken_regions(region: dict[str, Any], wrong: str, ends: bool) -> None:
    [(_, told, fatal)] = list(problems([region]))
    assert (told, fatal) == (wrong, ends)


@BOTH_ENGINES
def test_every_one_is_found_on_both_databases(ctx: Context, session: Session) -> None:
    assert converter_keyerror.run(ctx) == []  # the dump's own boxes
    project = make_project(session, label_config=CONFIG)
    for region, _, _ in BROKEN:
        make_annotation(session, task=make_task(session, project=project), result=[*HEALTHY[:3], region])
    make_annotation(session, task=make_task(session, project=project), result=HEALTHY)
    ctx.scope = Scope(project_id=project.id)
    [finding] = converter_keyerror.run(ctx)
    assert finding.evidence.total == len(BROKEN)
    assert finding.severity == Severity.WARNING
    assert finding.summary.startswith(
        "15 regions cannot be converted, and 14 of them end the export; the first is in task"
    )
    ctx.scope = Scope()
    assert [found.subject for found in converter_keyerror.run(ctx)] == [finding.subject]


def test_boxes_without_area_alone_are_told_quietly(ctx: Context, session: Session) -> None:
    project = make_project(session, label_config=CONFIG)
    make_annotation(session, task=make_task(session, project=project), result=[box(height=0)])
    [finding] = converter_keyerror.run(ctx)
    assert finding.severity == Severity.INFO
    assert finding.summary.startswith("1 region has no area, or is left out")


def test_projects_of_text_are_not_read(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=1)
    make_annotation(session, task=make_task(session, project_id=1), result=[box(x=None)])
    with pytest.raises(NotApplicable, match="No project labels shapes"):
        list(converter_keyerror.answers(ctx))
