"""JSON_MIN, CSV and TSV: one row for each annotation that is not skipped, newest first within its task.

A task without any annotation has one row of its own; a task whose annotations are all skipped has none. Regions that
are not as the editor writes them are left out, where the converter of the SDK stops with an error.

Source: `label_studio_sdk.converter` (`annotation_result_from_task`, `convert_to_json_min`, `exports/csv2.py`,
`utils.prettify_result`), which Label Studio calls; CSV cells are equal to the byte.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...patterns import PatternInvalid, PatternTimeout, match_all
from .fragments import dumps

Task = Mapping[str, Any]
Controls = Mapping[str, Mapping[str, Any]]
#: Calls for the same tasks again: columns have to be known before the first row is written.
Again = Callable[[], Iterable[Task]]
_ALWAYS = frozenset({"annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
_CHAT = ("Chat", "chatmessage")
CHUNK_CHARACTERS = 256 * 1024


@dataclass(frozen=True)
class Item:
    """One annotation of a task: the task's data, and regions by control."""

    task_id: Any
    data: Mapping[str, Any]
    output: Mapping[str, list[dict[str, Any]]]
    annotation: Mapping[str, Any]

    @property
    def annotator(self) -> Any:
        """Id of whoever annotated, or an e-mail where the export has people in full; None for a task without annotation.

        An annotation of nobody has the text `None`, as in Label Studio.
        """
        who = self.annotation.get("completed_by", {})
        if isinstance(who, Mapping):
            return who.get("email")
        return who if isinstance(who, int) else str(who)


def json_min(tasks: Iterable[Task], controls: Controls) -> Iterator[bytes]:
    """A JSON list of flat objects."""
    lead, pieces, size = "[\n", [], 0
    for item in items(tasks, controls):
        record: dict[str, Any] = dict(item.data)
        if item.task_id is not None:
            record["id"] = item.task_id
        for name, regions in item.output.items():
            record[name] = simplified(regions)
        record["annotator"] = item.annotator
        record["annotation_id"] = item.annotation.get("id")
        record |= {name: item.annotation.get(name) for name in ("created_at", "updated_at", "lead_time")}
        pieces.append(lead + dumps(record, indented=True))
        lead, size = ",\n", size + len(pieces[-1])
        if size > CHUNK_CHARACTERS:
            yield "".join(pieces).encode("utf-8", "replace")
            pieces, size = [], 0
    pieces.append("[\n\n]" if lead == "[\n" else "\n]")
    yield "".join(pieces).encode("utf-8", "replace")


def delimited(again: Again, controls: Controls, delimiter: str) -> Iterator[bytes]:
    """CSV, or TSV with a tab. Reads the tasks twice; a column that appears only the second time is left out."""
    columns, both = _columns(again(), controls)
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    for item in items(again(), controls):
        record = _record(item, both)
        writer.writerow([record.get(column, "") for column in columns])
        if buffer.tell() > CHUNK_CHARACTERS:
            yield buffer.getvalue().encode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "replace")


def items(tasks: Iterable[Task], controls: Controls) -> Iterator[Item]:
    """The rows to be, in their order."""
    for task in tasks:
        stored = task.get("data")
        data = stored if isinstance(stored, Mapping) else {}
        annotations = [one for one in task.get("annotations") or () if isinstance(one, Mapping)]
        if not annotations:
            yield Item(task.get("id"), data, {}, {})
            continue
        counting = [one for one in annotations if not (one.get("skipped") or one.get("was_cancelled"))]
        counting.sort(key=lambda one: str(one.get("created_at") or ""), reverse=True)
        for annotation in counting:
            yield Item(task.get("id"), data, _output(annotation.get("result"), controls), annotation)


def simplified(regions: list[dict[str, Any]]) -> Any:
    """Regions of one control without their type; one choice or text stands bare, and so does a single one of these."""
    found = []
    kind = None
    for region in regions:
        kind = region["type"]
        rest = {name: value for name, value in region.items() if name != "type"}
        single = rest.get({"Choices": "choices", "TextArea": "text"}.get(kind, ""))
        if isinstance(single, list | str) and len(single) == 1:
            found.append(single[0])
        elif kind in _CHAT:
            found.append(rest.get("chatmessage", rest))
        else:
            found.append(rest)
    return found[0] if kind in ("Choices", "TextArea") and len(found) == 1 else found


def _output(result: Any, controls: Controls) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for region in result if isinstance(result, list) else ():
        name = region.get("from_name") if isinstance(region, Mapping) else None
        if not isinstance(name, str) or not name:
            continue
        control = _control_of(name, controls)
        is_message = control is None and region.get("type") == "chatmessage"
        if control is None and controls and not is_message:
            continue
        value = region.get("value")
        if value is None and control is None:
            value = {}
        if not isinstance(value, Mapping):
            continue
        kind = controls[control].get("type") if control is not None else region.get("type") or "unknown"
        one = {**value, "type": str(kind)}
        if not is_message:
            one |= {size: region[size] for size in ("original_width", "original_height") if size in region}
        found.setdefault(name, []).append(one)
    return found


def _control_of(name: str, controls: Controls) -> str | None:
    """The control of this name, or that with the longest pattern (of a Repeater's placeholders) which the name begins with."""
    if name in controls:
        return name
    best, length = None, 0
    for control, about in controls.items():
        variables = about.get("regex")
        if not isinstance(variables, Mapping) or not variables:
            continue
        pattern = control
        for variable, meaning in variables.items():
            pattern = pattern.replace(str(variable), str(meaning))
        if len(pattern) > length and _begins(pattern, name):
            best, length = control, len(pattern)
    return best


@lru_cache(maxsize=1024)
def _begins(pattern: str, name: str) -> bool:
    try:
        return match_all(pattern, [name])[0]
    except (PatternInvalid, PatternTimeout):
        return False


def _columns(tasks: Iterable[Task], controls: Controls) -> tuple[list[str], frozenset[str]]:
    """Every column, sorted, and the names that task data and controls share."""
    inputs: set[str] = set()
    outputs: set[str] = set()
    more: set[str] = set()
    for item in items(tasks, controls):
        inputs.update(item.data)
        outputs.update(item.output)
        if item.task_id is not None:
            more.add("id")
        more.update(f"{name}_transcript" for name, regions in item.output.items() if _is_chat(regions))
    both = frozenset(inputs & outputs)
    named = {_input_column(name, both) for name in inputs}
    return sorted(_ALWAYS | named | outputs | more), both


def _record(item: Item, both: frozenset[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if item.task_id is not None:
        record["id"] = item.task_id
    for name, regions in item.output.items():
        value = simplified(regions)
        record[name] = value if isinstance(value, str) else _cell(value)
        if _is_chat(regions):
            record[f"{name}_transcript"] = _transcript(value)
    for name, value in item.data.items():
        record[_input_column(name, both)] = _cell(value) if isinstance(value, dict | list) else value
    record["annotator"] = str(item.annotator) if isinstance(item.annotator, int) else item.annotator
    record["annotation_id"] = item.annotation.get("id")
    return record | {name: item.annotation.get(name) for name in ("created_at", "updated_at", "lead_time")}


def _input_column(name: str, both: frozenset[str]) -> str:
    return f"_data_{name}" if name in both else name


def _cell(value: Any) -> str:
    """JSON inside a cell, with slashes escaped as the converter's JSON library does."""
    return dumps(value).replace("/", "\\/")


def _is_chat(regions: list[dict[str, Any]]) -> bool:
    return any(region["type"] in _CHAT for region in regions)


def _transcript(messages: Any) -> str:
    """`role: content`, a line for each message."""
    lines = []
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            role, content = str(message.get("role", "")), str(message.get("content", ""))
            lines.append(f"{role}: {content}" if role and content else f"{role}:" if role else content)
    return "\n".join(lines)
