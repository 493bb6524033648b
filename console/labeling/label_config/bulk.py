"""May many tasks be annotated at once with this configuration? `config_suitable_for_bulk_annotation` of a project.

Source: Label Studio's `projects/serializers.py get_config_suitable_for_bulk_annotation` with the SDK's tag classes.
"""

from __future__ import annotations

from .parsing import ParsedConfig

#: Controls that mark a part of the object; they need a person on every task. Compared in lower case.
_REGIONS = frozenset(
    [
        "labels",
        "brush",
        "brushlabels",
        "magicwand",
        "ellipse",
        "ellipselabels",
        "keypoint",
        "keypointlabels",
        "polygon",
        "polygonlabels",
        "rectangle",
        "rectanglelabels",
        "hypertextlabels",
        "paragraphlabels",
        "timeserieslabels",
        "videorectangle",
    ]
)
_WHOLE_TASK = frozenset(["choices", "taxonomy", "datetime", "number", "rating", "textarea"])


def suitable_for_bulk(parsed: ParsedConfig) -> bool:
    """False when a control marks regions, speaks of one region or item, or takes its choices from elsewhere."""
    for tag, attributes in parsed.tags:
        if not attributes.get("toName") or tag == "Filter":
            continue
        kind = tag.lower()
        if kind in _REGIONS or (kind in _WHOLE_TASK and not _for_whole_tasks(kind, attributes)):
            return False
    return True


def _for_whole_tasks(kind: str, attributes: dict[str, str]) -> bool:
    if _on(attributes, "perRegion") or _on(attributes, "perItem"):
        return False
    if kind in ("choices", "taxonomy") and "value" in attributes:
        return False
    return kind != "taxonomy" or not (_on(attributes, "labeling") or "apiUrl" in attributes)


def _on(attributes: dict[str, str], attribute: str) -> bool:
    return attributes.get(attribute, "false").lower() == "true"
