"""What a labeling configuration means: its controls, objects, labels and the data keys a task must have.

Source: `parse_config` of the official SDK (what Label Studio stores in `project.parsed_label_config`) and
`extract_data_types` of Label Studio's `core/label_config.py` (`project.data_types`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from xml.etree.ElementTree import Element, tostring

from .tree import InvalidConfig, read_tree

LABEL_TAGS = frozenset({"Label", "Choice", "Relation"})
_NOT_A_CONTROL = "Filter"
_SMALL = 50_000
_VARIABLE = re.compile(r"\$[A-Za-z_]+")
_IN_TEXT = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class ParsedConfig:
    """One configuration, read once; shared between requests, so nothing in it may be changed."""

    controls: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name of the control to type, to_name, inputs, labels, labels_attrs, and, where they apply, regex,
    conditionals and dynamic_labels: the value of `project.parsed_label_config`."""
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name of the object tag to type, valueType and value or valueList (without the `$`)."""
    data_types: dict[str, str] = field(default_factory=dict)
    """Data key to the tag that shows it, in the order of the configuration: the value of `project.data_types`.
    A key may hold `.` (nested) or `[` (Repeater)."""
    tags: tuple[tuple[str, dict[str, str]], ...] = ()
    """Tag and attributes of every element that has a name, in the order of the configuration."""

    @property
    def first_object_key(self) -> str | None:
        """The key that replaces `$undefined$` in task data."""
        return next(iter(self.data_types), None)

    @property
    def has_control_tags(self) -> bool:
        return bool(self.controls)

    def labels(self) -> dict[str, list[str]]:
        """Labels of every control that has some."""
        return {name: control["labels"] for name, control in self.controls.items() if control["labels"]}

    def dynamic(self) -> list[str]:
        """Controls whose labels come from the task or from an address."""
        return [name for name, control in self.controls.items() if control.get("dynamic_labels")]

    def tuples(self) -> set[str]:
        """`from_name|to_name|type` of every control, as the project summary writes them."""
        return {annotation_key(name, control["to_name"], control["type"]) for name, control in self.controls.items()}


EMPTY = ParsedConfig()


def parse(config: str | None) -> ParsedConfig:
    """Read a configuration; None and "" mean nothing. Raises InvalidConfig when it is not XML.

    The last texts are remembered: the text is the key, so the answer cannot grow stale. Of large ones (a taxonomy may
    have a hundred thousand choices) only two are, so that they do not fill the memory.
    """
    if not config:
        return EMPTY
    return _parse_small(config) if len(config) <= _SMALL else _parse_large(config)


def _parse(config: str) -> ParsedConfig:
    root = read_tree(config)
    controls, objects, labels = _controls_objects_labels(root)
    for name, control in controls.items():
        control["inputs"] = [objects[target] for target in control["to_name"] if target in objects]
        control["labels"] = list(labels.get(name, {}))
        control["labels_attrs"] = labels.get(name, {})
    tags = tuple((str(element.tag), dict(element.attrib)) for element in root.iter() if element.get("name"))
    return ParsedConfig(controls, objects, _data_types(root), tags)


_parse_small = lru_cache(maxsize=128)(_parse)
_parse_large = lru_cache(maxsize=2)(_parse)


def parse_stored(config: str | None) -> ParsedConfig:
    """As `parse`, for what a project row holds: a text that nothing can read has no controls and no keys."""
    try:
        return parse(config)
    except InvalidConfig:
        return EMPTY


def annotation_key(from_name: str, to_name: str | list[str], kind: str) -> str:
    """The key of `created_annotations` in the project summary."""
    return "|".join((from_name, ",".join(to_name) if isinstance(to_name, list) else to_name, kind.lower()))


def config_hash(config: str) -> int:
    """For `project.label_config_hash`, which only has to differ between texts: 64 bits with a sign.

    Label Studio stores Python's `hash()`, salted anew in every process; this one is the same everywhere.
    """
    return int.from_bytes(blake2b(config.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


def _controls_objects_labels(root: Element) -> tuple[dict[str, dict], dict[str, dict], dict[str, dict]]:
    controls: dict[str, dict[str, Any]] = {}
    objects: dict[str, dict[str, Any]] = {}
    labels: dict[str, dict[str, dict[str, str]]] = {}
    variables: list[str] = []
    for element, names_above in _walk(root):
        attributes, tag = element.attrib, str(element.tag)
        if "indexFlag" in attributes:
            variables.append(attributes["indexFlag"])
        name = attributes.get("name")
        if name and attributes.get("toName") and tag != _NOT_A_CONTROL:
            controls[name] = _control(tag, attributes, variables)
        elif name and (attributes.get("value") or attributes.get("valueList")):
            objects[name] = _object(tag, attributes)
        if tag in LABEL_TAGS:
            owner = next((above for above in reversed(names_above) if above in controls), None)
            label = attributes.get("alias") or attributes.get("value") or attributes.get("valueList")
            if owner is not None and label:
                labels.setdefault(owner, {})[label] = dict(attributes)
    return controls, objects, labels


def _walk(root: Element) -> Iterator[tuple[Element, list[str]]]:
    """Every element in document order, with the names of the elements around it, outermost first."""
    yield root, []
    above = [root.get("name", "")]
    stack = [iter(root)]
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
            above.pop()
            continue
        yield element, above
        stack.append(iter(element))
        above.append(element.get("name", ""))


def _control(tag: str, attributes: dict[str, str], variables: list[str]) -> dict[str, Any]:
    control: dict[str, Any] = {"type": tag, "to_name": attributes["toName"].split(",")}
    regex = {variable: ".*" for variable in variables if any(variable in target for target in control["to_name"])}
    if regex:
        control["regex"] = regex
    if attributes.get("perRegion") == "true":
        for kind, attribute in (("tag", "whenTagName"), ("label", "whenLabelValue"), ("choice", "whenChoiceValue")):
            if attributes.get(attribute):
                control["conditionals"] = {"type": kind, "name": attributes[attribute]}
                break
    if _VARIABLE.fullmatch(attributes.get("value", "")) or attributes.get("apiUrl"):
        control["dynamic_labels"] = True
    return control


def _object(tag: str, attributes: dict[str, str]) -> dict[str, Any]:
    shown = "value" if "value" in attributes else "valueList"
    return {"type": tag, "valueType": attributes.get("valueType"), shown: attributes[shown].lstrip("$")}


def _data_types(root: Element) -> dict[str, str]:
    """Keys under `value` of named tags. A key shown by several tags belongs to the last, but to Video before all."""
    types: dict[str, str] = {}
    for element in root.findall(".//*[@value]"):
        if not element.get("name"):
            continue
        value = element.get("value", "")
        if len(value) > 1 and value[0] == "$":
            key = value[1:]
        else:
            found = _IN_TEXT.search(value)
            if found is None:
                continue
            key = found[1]
        if types.get(key) != "Video":
            types[key] = str(element.tag)
    return types


def source_text(root: Element) -> str:
    """The tree as XML text again, without comments."""
    return tostring(root, encoding="unicode")
