"""An example task for a configuration: `/api/projects/<id>/sample-task/`.

Same keys and shapes as Label Studio's; the values are ours, and a TimeSeries is a plain wave instead of noise.

Source: Label Studio's `core/label_config.py get_sample_task` (mode `editor_preview`).
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from .tree import read_tree

_POINTS = 100
_URL_TEXT = "https://example.com/sample.txt"
_TEXT = "Sample: the text of a task stands here."
_BY_KEY: dict[str, Any] = {
    "longText": "Sample: a longer text of a task stands here, as it would for classification or named entities.",
    "pdf": "<embed src='/static/samples/sample.pdf' width='100%' height='600px'/>",
    "website": "<iframe src='https://example.com' width='100%' height='600px'/>",
    "headlessCsv": "/static/samples/sample-task-sin-headless.csv",
    "humanMachineDialogue": [{"author": "Human", "text": "Sample: a question"}, {"author": "Robot", "text": "Sample"}],
    "captioning": "/static/samples/trees_in_snow.jpg",
    **dict.fromkeys(["corefText", "ner", "pairText1", "pairText2", "respone", "resptwo", "respthree"], _TEXT),
    "ocr": "/static/samples/sample.jpg",
    "videoHack": "<video src='/static/samples/opossum_snow.mp4' width=100% controls>",
}
_CONVERSATION = [{"author": who, "text": f"Sample: line {n}"} for n, who in enumerate(("Ann", "Ben", "Ann", "Ben"), 1)]
_BY_TAG: dict[str, Any] = {
    "Image": "/static/samples/sample.jpg",
    "Audio": "/static/samples/game.wav",
    "AudioPlus": "/static/samples/game.wav",
    "Video": "/static/samples/opossum_snow.mp4",
    "Header": "Sample: a header",
    "HyperText": "<p>Sample: <b>formatted</b> text</p>",
    "Table": {"Number": 1, "First name": "Sample", "Last name": "Text"},
}
_ITEMS = [{"id": n, "title": f"Sample: item {n}", "body": f"What item {n} says."} for n in (1, 2, 3)]
_LABELS = [{"value": "Label1", "background": "#ff0000"}, {"value": "Label2", "background": "#0000ff"}]
_CHOICES = [{"value": f"Choice{n}"} for n in (1, 2, 3)]
_NESTED = [{"value": f"Choice{n}", "children": [{"value": f"Choice{n}.{m}"} for m in (1, 2)]} for n in (1, 2)]
_STEPS = (("%S", timedelta(seconds=1)), ("%M", timedelta(minutes=1)), ("%H", timedelta(hours=1)))


def sample_task(config: str) -> dict[str, Any]:
    """Data of an example task; a task in the configuration's first comment (`<!-- {...} -->`) is laid over it.
    Raises InvalidConfig."""
    root = read_tree(config)
    task: dict[str, Any] = {}
    for element in [*root.findall(".//*[@value]"), *root.findall(".//*[@valueList]")]:
        shown = element.get("value") or element.get("valueList") or ""
        if not shown.startswith("$"):
            continue
        key = shown[1:]
        example = _example(element, key)
        base, bracket, rest = key.partition("[")
        if not bracket:
            task[key] = example
        else:  # Repeater: images[{{idx}}].url asks for a list of objects, images[{{idx}}] for a list
            child = rest.partition("]")[2]
            item = {child[1:]: example} if child.startswith(".") else example
            task[base] = [item, item]
    task.update(_told_in_comment(config))
    return task


def _example(element: Element, key: str) -> Any:
    tag = str(element.tag)
    in_list = "valueList" in element.attrib
    if key in _BY_KEY:
        return [_BY_KEY[key]] if in_list else _BY_KEY[key]
    by_url = (element.get("valueType") or element.get("valuetype")) == "url"
    if tag == "List":
        return _ITEMS
    if tag == "Paragraphs":
        return _paragraphs(element, by_url)
    if tag == "TimeSeries":
        return _time_series(element, by_url or not (element.get("valueType") or element.get("valuetype")))
    if tag == "HyperText":
        return "/static/samples/hypertext.html" if by_url else _BY_TAG["HyperText"]
    if tag.lower().endswith("labels"):
        return _LABELS
    if tag.lower() == "choices":
        nested = (element.get("allowNested") or element.get("allownested")) == "true"
        return _NESTED if nested else _CHOICES
    if tag == "Text":
        example = _URL_TEXT if by_url else _TEXT
    else:
        example = _BY_TAG.get(tag, "Something")
    return [example] if in_list else example


def _paragraphs(element: Element, by_url: bool) -> Any:
    name_key = element.get("nameKey") or element.get("namekey") or "author"
    text_key = element.get("textKey") or element.get("textkey") or "text"
    if by_url:
        return "/samples/paragraphs.json?" + urlencode({"nameKey": name_key, "textKey": text_key})
    return [{name_key: line["author"], text_key: line["text"]} for line in _CONVERSATION]


def _time_series(element: Element, by_url: bool) -> Any:
    time, columns = element.get("timeColumn"), [one.get("column", "") for one in element.findall(".//Channel[@column]")]
    separator, form = element.get("sep"), element.get("timeFormat")
    if by_url:
        asked = {"time": time, "values": ",".join(columns), "sep": separator, "tf": form}
        return "/samples/time-series.csv?" + urlencode(
            {key: value for key, value in asked.items() if value or key in ("time", "values")}
        )
    times = _times(form)
    waves = {
        column: [math.sin(point / 5 + shift) for point in range(len(times))] for shift, column in enumerate(columns)
    }
    return {time: times, **waves}


def _times(form: str | None) -> list[Any]:
    form = {"yyyy-MM-dd": "%Y-%m-%d"}.get(form or "", form)
    if not form or "%" not in form:
        return list(range(_POINTS))
    step = next((step for mark, step in _STEPS if mark in form), timedelta(days=1))
    start = datetime(2020, 1, 1, tzinfo=UTC)
    return sorted({(start + step * point).strftime(form) for point in range(_POINTS)})


def _told_in_comment(config: str) -> dict[str, Any]:
    start = next((at for at in (config.find("<!-- {"), config.find("<!--{")) if at >= 0), -1)
    end = config.find("-->", start) if start >= 0 else -1
    if end < 0:
        return {}
    try:
        told = json.loads(config[start + 4 : end])
    except ValueError:
        return {}
    if not isinstance(told, dict):
        return {}
    if "data" in told:
        return told["data"] if isinstance(told["data"], dict) else {}
    return {} if "predictions" in told or "annotations" in told else told
