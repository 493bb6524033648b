"""The export formats: their names, and which of them a labeling configuration suits.

A format that does not suit can still be asked for; it is only shown as disabled. The descriptions are ours, the rest is
what Label Studio answers.

Source: `label_studio_sdk.converter.converter.Converter` (`_FORMAT_INFO`, `_get_supported_formats`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Invalid

#: Written by our own streaming code; all others by the converter.
OWN = ("JSON", "JSON_MIN", "CSV", "TSV")
_GUIDE = "https://labelstud.io/guide/export.html"
_DOCLANG = "https://github.com/doclang-project/doclang/blob/main/spec.md#doclang-archive-format"
_IMAGES = ("image segmentation", "object detection")
_COCO = (*_IMAGES, "keypoints")

#: Name -> title, description, link, tags.
FORMATS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "JSON": ("JSON", "Tasks with their annotations, drafts and predictions exactly as they are stored.", "#JSON", ()),
    "JSON_MIN": ("JSON-MIN", "A flat list: task data beside the values of each control, one item an annotation.", "#JSON-MIN", ()),
    "CSV": ("CSV", "Comma-separated; a column for each key of the task data and each control.", "#CSV", ()),
    "TSV": ("TSV", "The same table, tab-separated.", "#TSV", ()),
    "CONLL2003": ("CONLL2003", "Tokens with IOB tags, as in the CoNLL-2003 shared task.", "#CONLL2003",
                  ("sequence labeling", "text tagging", "named entity recognition")),
    "COCO": ("COCO", "Rectangles and polygons as the COCO dataset describes them.", "#COCO", _COCO),
    "COCO_WITH_IMAGES": ("COCO with Images", "COCO, and the images beside it.", "#COCO", _COCO),
    "VOC": ("Pascal VOC XML", "An XML file of boxes for each image.", "#Pascal-VOC-XML", _IMAGES),
    "YOLO": ("YOLO", "A text file for each image, one line a box or polygon.", "#YOLO", _COCO),
    "YOLO_WITH_IMAGES": ("YOLO with Images", "YOLO, and the images beside it.", "#YOLO", _COCO),
    "YOLO_OBB": ("YOLOv8 OBB", "YOLO with boxes that may be rotated, by their four corners.", "#YOLO", _IMAGES),
    "YOLO_OBB_WITH_IMAGES": ("YOLOv8 OBB with Images", "YOLOv8 OBB, and the images beside it.", "#YOLO", _IMAGES),
    "BRUSH_TO_NUMPY": ("Brush labels to NumPy", "Each brush label as a two-dimensional NumPy array.",
                       "#Brush-labels-to-NumPy-amp-PNG", ("image segmentation",)),
    "BRUSH_TO_PNG": ("Brush labels to PNG", "Each brush label as a PNG image.", "#Brush-labels-to-NumPy-amp-PNG",
                     ("image segmentation",)),
    "ASR_MANIFEST": ("ASR Manifest", "Transcripts as the manifest that NVIDIA NeMo reads.", "#ASR-MANIFEST",
                     ("speech recognition",)),
    "BRUSH_TO_COCO": ("Brush labels to COCO", "Brush masks as COCO polygons.", "#COCO",
                      ("image segmentation", "brush annotations")),
    "DOCLANG": ("DocLang (.dclx)", "Documents as DocLang archives with their page images.", _DOCLANG, ("document", "doclang")),
}  # fmt: skip
_COCO_FORMATS = {"COCO", "COCO_WITH_IMAGES", "YOLO", "YOLO_WITH_IMAGES"}
_ROTATED = {"YOLO_OBB", "YOLO_OBB_WITH_IMAGES"}
_BRUSHES = {"BRUSH_TO_NUMPY", "BRUSH_TO_PNG", "BRUSH_TO_COCO"}


def need(name: str, field: str = "exportType") -> str:
    """The format, or Invalid that names the accepted ones."""
    if name not in FORMATS:
        raise Invalid({field: [f"{name} is not supported export format. Accepted: {', '.join(FORMATS)}."]})
    return name


def listed(controls: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every format as the API lists it: suitable ones first, the others marked `disabled`."""
    fit = suitable(controls)
    found = []
    for name, (title, about, link, tags) in FORMATS.items():
        item: dict[str, Any] = {"title": title, "description": about, "link": link if "://" in link else _GUIDE + link}
        if tags:
            item["tags"] = list(tags)
        item["name"] = name
        if name not in fit:
            item["disabled"] = True
        found.append(item)
    return sorted(found, key=lambda item: item.get("disabled", False))


def suitable(controls: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Names of the formats that make sense for these controls (as `ParsedConfig.controls` has them)."""
    kinds = {control["type"] for control in controls.values()}
    inputs = [shown for control in controls.values() for shown in control["inputs"]]
    keys = {shown[name] for shown in inputs for name in ("value", "valueList") if name in shown}
    documents = {"DOCLANG"} if kinds & {"TextArea", "ReactCode", "CustomInterface"} else set()
    if len(keys) > 1:
        return set(OWN) | documents
    shows = {shown["type"] for shown in inputs if not (shown["type"] == "Text" and shown.get("valueType") == "url")}
    many_pages = any(shown.get("valueList") for shown in inputs)
    left = set(FORMATS) - {"DOCLANG"} | documents
    if "KeyPointLabels" in kinds and "RectangleLabels" not in kinds:
        left -= _COCO_FORMATS
    if not ("Text" in shows and "Labels" in kinds):
        left.discard("CONLL2003")
    if many_pages or not ("Image" in shows and ("RectangleLabels" in kinds or {"Rectangle", "Labels"} <= kinds)):
        left.discard("VOC")
    if many_pages or not _has_shapes(kinds, shows):
        left -= _COCO_FORMATS | _ROTATED
    if not ("Image" in shows and (kinds & {"BrushLabels", "brushlabels"} or {"Brush", "Labels"} <= kinds)):
        left -= _BRUSHES
    if not (shows & {"Audio", "AudioPlus"} and "TextArea" in kinds):
        left.discard("ASR_MANIFEST")
    if many_pages or ("Video" in shows and "TimelineLabels" in kinds):
        left -= _ROTATED
    return left


def _has_shapes(kinds: set[str], shows: set[str]) -> bool:
    if "Image" in shows and kinds & {"RectangleLabels", "PolygonLabels", "KeyPointLabels"}:
        return True
    return "Labels" in kinds and bool(kinds & {"Rectangle", "PolygonLabels", "KeyPointLabels"})
