"""Frames between the key frames of a video region: where the region stands in each, on a straight line.

Source: `extract_key_frames` of the official SDK, which Label Studio applies when `interpolate_key_frames` is asked for
and the labeling configuration tracks objects in a video. Sequences that are not as the editor writes them stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

from .fragments import dumps, loads

TRACKING_TAGS = frozenset({"videorectangle"})
#: Nearly three hours at 30 frames a second; a region over more of them stays as it is.
MOST_FRAMES = 300_000
_PLACE = ("x", "y", "width", "height", "rotation")


def tracks_objects(controls: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a labeling configuration has a control that follows objects through a video."""
    return any(str(control.get("type", "")).lower() in TRACKING_TAGS for control in controls.values())


def interpolated(stored: Any) -> str:
    """A stored `result` (JSON text) with the frames between key frames filled in."""
    if stored is None:
        return "null"
    try:
        result = loads(stored)
    except ValueError:
        return dumps(str(stored))
    return dumps(with_frames(result) if isinstance(result, list) and result else result)


def with_frames(result: list[Any]) -> list[Any]:
    """Regions with every frame of their sequences. A tracked region without any key frame is left out."""
    filled = []
    for region in result:
        if not _is_tracked(region):
            filled.append(region)
            continue
        sequence = region["value"]["sequence"]
        if not sequence:
            continue
        try:
            filled.append(_filled(region))
        except (KeyError, TypeError, ValueError, OverflowError):
            filled.append(region)
    return filled


def _is_tracked(region: Any) -> bool:
    if not isinstance(region, dict) or str(region.get("type", "")).lower() not in TRACKING_TAGS:
        return False
    value = region.get("value")
    return isinstance(value, dict) and isinstance(value.get("sequence"), list)


def _filled(region: dict[str, Any]) -> dict[str, Any]:
    value = region["value"]
    keys = sorted(value["sequence"], key=lambda frame: frame["frame"])
    frames = list(value["sequence"])
    for before, after in pairwise([*keys, None]):
        frames += _between(before, after, value.get("framesCount", 0), value.get("duration", 0))
    return {**region, "value": {**deepcopy(value), "sequence": sorted(frames, key=lambda frame: frame["frame"])}}


def _between(
    before: dict[str, Any], after: dict[str, Any] | None, frames_count: int, duration: float
) -> list[dict[str, Any]]:
    """The frames after one key frame: up to the next, or to the end of the video, where the region stands still."""
    if not before["enabled"]:
        return []
    first = before["frame"]
    steps = (after["frame"] if after else frames_count) - first
    if steps > MOST_FRAMES:
        raise ValueError(f"{steps} frames")
    frames = []
    for step in range(1, steps + (0 if after else 1)):
        share = step / max(1, steps)
        frame = deepcopy(before) | {"frame": first + step, "auto": True}
        for name in _PLACE:
            frame[name] = before[name] + _change(before, after, name, share)
        time_change = _change(before, after, "time", share)
        if time_change == 0 and duration > 0:
            time_change = share * (duration - before["time"])
        frame["time"] = round(before["time"] + time_change, 2)
        frames.append(frame)
    return frames


def _change(before: dict[str, Any], after: dict[str, Any] | None, name: str, share: float) -> float:
    if not after or before[name] == after.get(name):
        return 0
    return (after.get(name, 0) - before[name]) * share
