"""Frames between key frames of a video region."""

from __future__ import annotations

import json
from typing import Any

from console.labeling.exports.key_frames import MOST_FRAMES, interpolated, tracks_objects, with_frames


def frame(number: int, x: float, *, enabled: bool = True) -> dict[str, Any]:
    return {
        "frame": number,
        "enabled": enabled,
        "rotation": 0,
        "x": x,
        "y": 1,
        "width": 2,
        "height": 3,
        "time": number / 10,
    }


def region(*frames: Any, **value: Any) -> dict[str, Any]:
    return {"id": "r", "type": "videorectangle", "value": {"sequence": list(frames), **value}}


def test_a_region_moves_on_a_straight_line():
    [filled] = with_frames([region(frame(4, 40), frame(1, 10))])
    found = filled["value"]["sequence"]
    assert [(one["frame"], one["x"], one["time"]) for one in found] == [
        (1, 10, 0.1),
        (2, 20.0, 0.2),
        (3, 30.0, 0.3),
        (4, 40, 0.4),
    ]
    assert [one.get("auto") for one in found] == [None, True, True, None]


def test_the_last_frame_lasts_to_the_end_unless_switched_off():
    [filled] = with_frames([region(frame(2, 5), framesCount=5, duration=1.2)])
    assert [(one["frame"], one["x"], one["time"]) for one in filled["value"]["sequence"]] == [
        (2, 5, 0.2), (3, 5, 0.53), (4, 5, 0.87), (5, 5, 1.2),
    ]  # fmt: skip
    [off] = with_frames([region(frame(2, 5, enabled=False), framesCount=5)])
    assert len(off["value"]["sequence"]) == 1


def test_other_regions_stay_and_empty_ones_go():
    other = {"type": "labels", "value": {"labels": ["A"]}}
    assert with_frames([other, region(), None, 5]) == [other, None, 5]


def test_broken_sequences_stay_as_they_are():
    for broken in (
        region({"frame": 1}), region(frame(1, 1), {"frame": "x", "enabled": True}), region(None), region(frame(1, 1), framesCount="9"),
        region(frame(0, 0), frame(MOST_FRAMES + 1, 1)), {"type": "videorectangle"}, {"type": "videorectangle", "value": {"sequence": 5}},
    ):  # fmt: skip
        assert with_frames([broken]) == [broken]


def test_stored_text_is_filled_in():
    assert (
        json.loads(interpolated(json.dumps([region(frame(1, 1), frame(3, 3))])))[0]["value"]["sequence"][1]["x"] == 2.0
    )
    assert interpolated(None) == "null" and interpolated("{}") == "{}" and interpolated("half [") == '"half ["'


def test_only_video_configurations_track_objects():
    assert tracks_objects({"box": {"type": "VideoRectangle"}}) and not tracks_objects(
        {"box": {"type": "RectangleLabels"}}
    )
