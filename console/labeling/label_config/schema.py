"""What tags of a labeling configuration need, as a JSON schema over the BadgerFish form (`@attribute`, `$` for text).

Only the tags that Label Studio looks into are named; any other tag passes. The order of alternatives is kept, because
the first alternative that fails gives the message.

Source: Label Studio's `core/utils/schema/label_config_schema.json`.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
SCALAR: Schema = {"anyOf": [{"type": "string"}, {"type": "boolean"}, {"type": "number"}]}
VIEWS: Schema = {"anyOf": [{"type": "array", "items": {"$ref": "#/definitions/View"}}, {"$ref": "#/definitions/View"}]}


def _tag(properties: Schema, **rules: Any) -> Schema:
    return {"type": "object", **rules, "properties": {**properties, "$": TEXT}}


def _any_number(tag: Schema) -> Schema:
    return {"anyOf": [{"type": "array", "items": tag}, tag]}


def _needs(*alternatives: list[str]) -> list[Schema]:
    return [{"required": names} for names in alternatives]


def _labelled(child: str, children: Schema) -> Schema:
    """Choices and Labels: a name, a target, and labels given inside, inside a View or by the task."""
    needs = _needs(["@name", "@toName", child], ["@name", "@toName", "@value"], ["@name", "@toName", "View"])
    properties = {"@name": TEXT, "@toName": TEXT, "@value": SCALAR, child: children, "View": VIEWS}
    return _tag(properties, anyOf=needs)


LABEL = _tag({"@value": SCALAR}, required=["@value"])
CHOICES = _labelled("Choice", {"type": "array", "items": LABEL})
LABELS = _labelled("Label", _any_number(LABEL))
TEXT_AREA = _tag({"@name": TEXT, "@toName": TEXT}, anyOf=_needs(["@name", "@toName"]))
SHOWN = _tag({"@value": SCALAR}, oneOf=_needs(["@name", "@value"], ["@name", "@valueList"]))
NUMBER = _tag({"@name": TEXT, "@toName": TEXT}, oneOf=_needs(["@name", "@toName"]))

_IN_A_VIEW: Schema = {
    "Choices": _any_number(CHOICES),
    "Labels": _any_number(LABELS),
    "Image": _any_number(SHOWN),
    "Text": _any_number(SHOWN),
    "HyperText": _any_number(SHOWN),
    "View": VIEWS,
    "TextArea": _any_number(TEXT_AREA),
    "Number": {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]},
}
_IN_AN_INNER_VIEW: Schema = {**_IN_A_VIEW, "Label": _any_number(LABEL), "Choice": _any_number(LABEL)}

SCHEMA: Schema = {
    "definitions": {"View": {"type": "object", "properties": _IN_AN_INNER_VIEW}},
    "type": "object",
    "properties": {"View": {"type": "object", "properties": _IN_A_VIEW}},
}
