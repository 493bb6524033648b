"""A snapshot was converted, in vain, to a format that the labeling configuration does not suit.

Label Studio shows a format in grey when the configuration lacks what it is made of: COCO and YOLO need an image with
rectangles, polygons or key points, CONLL2003 a text with labels, ASR_MANIFEST audio with a text area, VOC rectangles on
one image. The API takes such an order all the same, and the conversion fails or brings an empty file. JSON, JSON_MIN,
CSV and TSV suit every configuration.

Reported are failed conversions of the last weeks, to formats that the configuration of today does not suit.

What to do: choose one of the formats the finding names; or, when the configuration was changed after labeling, convert a
snapshot with the configuration that the annotations were made with.

Source: `get_export_formats` and `ExportConvertSerializer` of Label Studio's data_export app, `_get_supported_formats` of
the converter in its SDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from ...deployment.models import Project
from ...labeling.exports.formats import FORMATS, suitable
from ...labeling.label_config import parse_stored
from .. import Context, Finding, Severity, check
from ..waiting_rows import CONVERSION, failed, need


@check(
    title="Snapshots are converted to formats that suit them",
    severity=Severity.INFO,
    scopes=["project"],
    impact="The conversion fails or brings an empty file, and the page does not say why",
    cause="The labeling configuration lacks the tags that the format is made of.",
)
def format_disabled(ctx: Context, within_days: float = 30) -> Iterator[Finding]:
    """One finding per project. Rows: conversion, snapshot, the format asked for, formats that would do."""
    need(ctx, CONVERSION)
    asked: dict[int, list[Any]] = {}
    for row in failed(ctx, CONVERSION, timedelta(days=within_days)):
        asked.setdefault(row["project"], []).append(row)
    for project_id, config in _configs(ctx, list(asked)).items():
        fit = suitable(parse_stored(config).controls)
        wrong = [row for row in asked[project_id] if row["export_type"] in FORMATS and row["export_type"] not in fit]
        if not wrong:
            continue
        would_do = ", ".join(name for name in FORMATS if name in fit)
        rows = [{"conversion": row["id"], "snapshot": row["export_id"], "format": row["export_type"],
                 "would_do": would_do} for row in wrong]  # fmt: skip
        names = ", ".join(dict.fromkeys(str(row["format"]) for row in rows))
        yield Finding(
            subject=f"project:{project_id}", name=wrong[0]["project_title"] or "",
            summary=f"The labeling configuration does not suit {names}; it suits {would_do}",
            evidence=ctx.evidence("data_export_convertedformat; project.label_config", rows),
        )  # fmt: skip


def _configs(ctx: Context, project_ids: list[int]) -> dict[int, str | None]:
    with ctx.transaction() as session:
        found = session.execute(select(Project.id, Project.label_config).where(Project.id.in_(project_ids)))
        return {row.id: row.label_config for row in found.all()}
