"""Is a labeling configuration one that Label Studio accepts? With its own messages, for clients compare them.

Source: Label Studio's `core/label_config.py validate_label_config`: XML, JSON schema over the BadgerFish form of the
tree, unique names, `toName` that points somewhere, speeds of Video tags (SDK `object_tags.VideoTag.validate_config`).
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from typing import Any
from xml.etree.ElementTree import Element

from jsonschema import Draft6Validator
from jsonschema.exceptions import best_match

from .parsing import ParsedConfig, parse, source_text
from .schema import SCHEMA
from .tree import InvalidConfig, read_tree

_NAME = re.compile(r'name="([^"]*)"')
_TO_NAME = re.compile(r'toName="([^"]*)"')
_SCHEMA = Draft6Validator(SCHEMA)
_SLOWEST, _FASTEST = 0.05, 10


def validate(config: str | None) -> ParsedConfig:
    """The parsed configuration, or InvalidConfig with Label Studio's message."""
    if config is None:
        raise InvalidConfig("can only parse strings")
    root = read_tree(config)
    _check_schema(root)
    _check_names(source_text(root))
    parsed = parse(config)
    _check_speeds(parsed)
    return parsed


def _check_schema(root: Element) -> None:
    error = best_match(_SCHEMA.iter_errors(_with_choice_lists(_badgerfish(root))))
    if error is not None:
        message = (error.context[0] if error.context else error).message.replace("@", "")
        raise InvalidConfig(f"Validation failed on {'/'.join(map(str, error.path))}: {message}")


def _check_names(text: str) -> None:
    names = _NAME.findall(text)
    known = set(names)
    if len(known) != len(names):
        raise InvalidConfig("Label config contains non-unique names")
    for targets in _TO_NAME.findall(text):
        for target in targets.split(","):
            if target not in known:
                raise InvalidConfig(f'toName="{target}" not found in names: {sorted(known)}')


def _check_speeds(parsed: ParsedConfig) -> None:
    objects = {
        attributes["name"]: (tag, attributes)
        for tag, attributes in parsed.tags
        if not attributes.get("toName") and (attributes.get("value") or attributes.get("valueList"))
    }
    problems = [
        problem for tag, attributes in objects.values() if tag.lower() == "video" for problem in _speeds(attributes)
    ]
    if problems:
        raise InvalidConfig("\n".join(problems))


def _speeds(attributes: dict[str, str]) -> list[str]:
    about = f'Video tag "{attributes["name"]}": '
    problems: list[str] = []
    speeds: dict[str, float] = {}
    for attribute in ("defaultPlaybackSpeed", "minPlaybackSpeed"):
        value = attributes.get(attribute, attributes.get(attribute.lower(), ""))
        if not value.strip():
            continue
        try:
            speeds[attribute] = float(value)
        except ValueError:
            problems.append(f'{about}{attribute} must be a number, got "{value}"')
    for attribute, speed in speeds.items():
        if not _SLOWEST <= speed <= _FASTEST:
            problems.append(f"{about}{attribute} must be between {_SLOWEST} and {_FASTEST}, got {speed}")
    if len(speeds) == 2 and speeds["minPlaybackSpeed"] > speeds["defaultPlaybackSpeed"]:
        lowest, usual = speeds["minPlaybackSpeed"], speeds["defaultPlaybackSpeed"]
        problems.append(f"{about}minPlaybackSpeed ({lowest}) must not exceed defaultPlaybackSpeed ({usual})")
    return problems


def _badgerfish(element: Element) -> OrderedDict[str, Any]:
    """`{tag: {"@attribute": value, "$": text, child: ...}}`; children of one tag form a list when there are several.

    OrderedDict, since Label Studio's messages show the value as Python writes it.
    """
    value: OrderedDict[str, Any] = OrderedDict()
    for key, text in element.attrib.items():
        value["@" + key] = _scalar(text)
    if element.text and element.text.strip():
        value["$"] = _scalar(element.text)
    times = Counter(child.tag for child in element)
    for child in element:
        inner = _badgerfish(child)
        if times[child.tag] == 1:
            value.update(inner)
        else:
            value.setdefault(str(child.tag), []).extend(inner.values())
    return OrderedDict([(str(element.tag), value)])


def _scalar(text: str) -> str | int | float | bool:
    """A number or a truth value where the text reads as one."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if float("-inf") < number < float("inf"):
            return number
    return text


def _with_choice_lists(config: Any) -> Any:
    """A single Choice as a list of one, where the schema wants lists."""
    choices = config.get("Choices")
    if isinstance(choices, OrderedDict):
        if "Choice" in choices and not isinstance(choices["Choice"], list):
            choices["Choice"] = [choices["Choice"]]
    elif isinstance(choices, list) and all("Choice" in one for one in choices):
        for one in choices:
            if not isinstance(one["Choice"], list):
                one["Choice"] = [one["Choice"]]
    views = config.get("View")
    for view in views if isinstance(views, list) else [views] if views is not None else []:
        _with_choice_lists(view)
    return config
