"""Does a new labeling configuration still fit what was labeled? Judged from the project summary alone.

Source: Label Studio's `projects/models.py Project.validate_config`. Names of controls and objects inside a Repeater are
patterns there (`label-{{idx}}`), and every other name is read as a regular expression too; so it is here, without the
risks of other people's patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from console.patterns import PatternInvalid, PatternTimeout, match_all

from .parsing import ParsedConfig
from .tree import InvalidConfig

Counts = Mapping[str, Mapping[str, int]]
_PLAIN = re.compile(r"[\w ,:;@#%&=<>~/!'\"-]*")


@dataclass(frozen=True)
class Labeled:
    """What the project summary knows; every part may be empty."""

    annotations: Mapping[str, int] = field(default_factory=dict)
    """`from_name|to_name|type` to the number of results."""
    labels: Counts = field(default_factory=dict)
    """Control to label to the number in annotations."""
    draft_labels: Counts = field(default_factory=dict)
    custom_labels: Iterable[str] = ()
    """Labels that people added to a Taxonomy of this project."""


def check_fits(parsed: ParsedConfig, labeled: Labeled, strict: bool = False) -> None:
    """Raise InvalidConfig when results or labels would lose their control; `strict` also when labels would be gone."""
    if not parsed.controls:
        return
    _check_annotations(parsed, labeled.annotations)
    labels = parsed.labels()
    for control, counts in _merged(labeled.labels, labeled.draft_labels).items():
        known = control in labels or control in parsed.dynamic() or bool(control_for(parsed, control))
        if counts and not known:
            raise InvalidConfig(
                f'There are {sum(counts.values())} annotation(s) created with tag "{control}", you can\'t remove it'
            )
        missing = [label for label in counts if label not in _offered(parsed, control, labeled.custom_labels)]
        if missing and strict and not _takes_any_label(parsed, control):
            raise InvalidConfig(
                f"These labels still exist in annotations or drafts:\n{_told(missing, control, labeled)}"
                f'Please add labels to tag with name="{control}".'
            )


def essentials_changed(new: ParsedConfig, old: ParsedConfig) -> bool | None:
    """True when a control is new, changed its type or inputs, or lost a label; else None, as Label Studio answers.

    Source: Label Studio's `core/label_config.py config_essential_data_has_changed`.
    """
    for name, control in new.controls.items():
        before = old.controls.get(name)
        if before is None or control["type"] != before["type"] or control["inputs"] != before["inputs"]:
            return True
        if not set(before["labels"]) <= set(control["labels"]):
            return True
    return None


def control_for(parsed: ParsedConfig, from_name: str) -> str | None:
    """The control whose name, read as a pattern, is `from_name`."""
    return next((name for name, one in parsed.controls.items() if _is(name, one, from_name)), None)


def updated_weights(parsed: ParsedConfig, weights: Mapping[str, Any] | None) -> dict[str, Any]:
    """`project.control_weights` after a change of the configuration: old weights stay, new ones are 1.

    Source: Label Studio's `Project.get_updated_weights`.
    """
    before = weights if isinstance(weights, Mapping) else {}
    return {name: _weight(control, before.get(name)) for name, control in parsed.controls.items()}


def _weight(control: Mapping[str, Any], before: Any) -> dict[str, Any]:
    old = before if isinstance(before, Mapping) else {}
    labels = old.get("labels")
    old_labels = labels if isinstance(labels, Mapping) else {}
    return {
        "overall": _or_one(old.get("overall")),
        "type": control["type"],
        "labels": {label: _or_one(old_labels.get(label)) for label in control["labels"]},
    }


def _or_one(weight: Any) -> Any:
    return 1.0 if weight is None else weight


def _check_annotations(parsed: ParsedConfig, annotations: Mapping[str, int]) -> None:
    types = {control["type"].lower() for control in parsed.controls.values()}
    lost = []
    for key in sorted(set(annotations) - parsed.tuples()):
        from_name, to_name, kind = [*key.split("|", 2), "", ""][:3]
        if kind.lower() == "textarea" or (from_name == to_name and kind.lower() == "chatmessage"):
            continue
        if not (control_for(parsed, from_name) and _shown_somewhere(parsed, to_name) and kind in types):
            lost.append(f"{annotations[key]} with from_name={from_name}, to_name={to_name}, type={kind}")
    if lost:
        told = "\n".join(lost)
        raise InvalidConfig(f"Created annotations are incompatible with provided labeling schema, we found:\n{told}")


def _shown_somewhere(parsed: ParsedConfig, to_name: str) -> bool:
    return any(_is(target, control, to_name) for control in parsed.controls.values() for target in control["to_name"])


def _is(name: str, control: Mapping[str, Any], text: str) -> bool:
    pattern = name
    for variable, meaning in control.get("regex", {}).items():
        pattern = pattern.replace(variable, meaning)
    if _PLAIN.fullmatch(pattern):
        return pattern == text
    try:
        return match_all(rf"(?:{pattern})\Z", [text])[0]
    except (PatternInvalid, PatternTimeout):
        return name == text


def _offered(parsed: ParsedConfig, control: str, custom: Iterable[str]) -> set[str]:
    labels = parsed.labels()
    offered = set(labels.get(control_for(parsed, control) or control, ()))
    types = {one["type"] for one in parsed.controls.values()}
    if "VideoRectangle" in types:  # its labels stand in a Labels tag beside it
        offered.update(label for some in labels.values() for label in some)
    if "Taxonomy" in types:
        offered.update(custom)
    return offered


def _takes_any_label(parsed: ParsedConfig, control: str) -> bool:
    dynamic = parsed.dynamic()
    return control in dynamic or any(_is(name, parsed.controls[name], control) for name in dynamic)


def _merged(labels: Counts, drafts: Counts) -> dict[str, dict[str, int]]:
    merged = {control: dict(counts) for control, counts in labels.items()}
    for control, counts in drafts.items():
        together = merged.setdefault(control, {})
        for label, number in counts.items():
            together[label] = together.get(label, 0) + number
    return merged


def _told(missing: list[str], control: str, labeled: Labeled) -> str:
    lines = []
    for label in sorted(missing):
        counted = [
            f"{number} {noun}{'s' if number > 1 else ''}"
            for number, noun in (
                (labeled.labels.get(control, {}).get(label, 0), "annotation"),
                (labeled.draft_labels.get(control, {}).get(label, 0), "draft"),
            )
            if number
        ]
        if counted:
            lines.append(f"{label} ({', '.join(counted)})\n")
    return "".join(lines)
