"""Which predictions fit a configuration is what Label Studio's own SDK says."""

from __future__ import annotations

from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from console.labeling.imports.regions import problem
from console.labeling.label_config import parse

CONFIG = """<View>
<Text name="text" value="$text"/><Image name="image" value="$image"/><Audio name="audio" value="$audio"/>
<HyperText name="html" value="$html"/>
<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices>
<Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>
<RectangleLabels name="box" toName="image"><Label value="Car"/></RectangleLabels>
<PolygonLabels name="poly" toName="image"><Label value="Car"/></PolygonLabels>
<EllipseLabels name="round" toName="image"><Label value="Car"/></EllipseLabels>
<KeyPointLabels name="point" toName="image"><Label value="Nose"/></KeyPointLabels>
<HyperTextLabels name="hyper" toName="html"><Label value="PER"/></HyperTextLabels>
<TextArea name="why" toName="text"/><Rating name="stars" toName="text"/><Number name="count" toName="text"/>
<DateTime name="when" toName="text"/><Rectangle name="bare" toName="image"/>
<Taxonomy name="tree" toName="text"><Choice value="A"><Choice value="B"/></Choice></Taxonomy>
</View>"""
PLACE = {"start": "/p[1]", "end": "/p[1]", "startOffset": 0, "endOffset": 3}
BOX = {"x": 1, "y": 2.5, "width": 10, "height": 20, "rotation": 0}


def region(from_name: str, kind: str, value: Any, to_name: str = "text", **more: Any) -> dict[str, Any]:
    return {"id": "r", "from_name": from_name, "to_name": to_name, "type": kind, "value": value} | more


FITTING = [
    region("mood", "choices", {"choices": ["Good"]}), region("mood", "Choices", {"choices": ["Good", "Bad"]}),
    region("ner", "labels", {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}),
    region("box", "rectanglelabels", BOX | {"rectanglelabels": ["Car"]}, "image"), region("bare", "rectangle", BOX, "image"),
    region("poly", "polygonlabels", {"points": [[1, 2], [3, 4], [5, 6]], "polygonlabels": ["Car"]}, "image"),
    region("round", "ellipselabels", {"x": 1, "y": 1, "radiusX": 2, "radiusY": 3, "ellipselabels": ["Car"]}, "image"),
    region("point", "keypointlabels", {"x": 1, "y": 1, "width": 1, "keypointlabels": ["Nose"]}, "image"),
    region("hyper", "hypertextlabels", PLACE | {"hypertextlabels": ["PER"]}, "html"),
    region("why", "textarea", {"text": ["because"]}), region("stars", "rating", {"rating": 4}), region("count", "number", {"number": 5}),
    region("when", "datetime", {"datetime": "2026-01-01"}), region("tree", "taxonomy", {"taxonomy": [["A", "B"]]}),
]  # fmt: skip
NOT_FITTING = [
    region("nobody", "choices", {"choices": ["Good"]}), region("mood", "choices", {"choices": ["Good"]}, "nothing"),
    region("mood", "choices", {"choices": ["Good"]}, "image"), region("mood", "labels", {"choices": ["Good"]}),
    region("mood", "choices", {"choices": ["Unknown"]}), region("mood", "choices", {}), region("mood", "choices", {"labels": ["Good"]}),
    region("ner", "labels", {"labels": ["PER"]}), region("ner", "labels", {"start": 0, "end": 4, "labels": ["LOC"]}),
    region("box", "rectanglelabels", {"x": 1, "rectanglelabels": ["Car"]}, "image"), region("box", "rectanglelabels", BOX, "image"),
    region("box", "rectanglelabels", BOX | {"x": 101, "rectanglelabels": ["Car"]}, "image"),
    region("box", "rectanglelabels", BOX | {"rectanglelabels": ["Bus"]}, "image"), region("bare", "rectangle", {"x": "a"}, "image"),
    region("poly", "polygonlabels", {"polygonlabels": ["Car"]}, "image"), region("why", "textarea", {}),
    region("stars", "rating", {"rating": "many"}), region("count", "number", {}), region("mood", "choices", None),
    {"from_name": "mood"}, {"from_name": "mood", "to_name": "text", "type": "choices"}, "text", 5, None, {},
]  # fmt: skip


@pytest.fixture(scope="module")
def interface() -> LabelInterface:
    return LabelInterface(CONFIG)


@pytest.mark.parametrize("one", FITTING, ids=lambda one: one["from_name"])
def test_a_region_that_fits(interface: LabelInterface, one: dict[str, Any]):
    prediction = {"result": [one], "score": 0.5}
    assert interface.validate_prediction(prediction, return_errors=True) == []
    assert problem(parse(CONFIG), prediction) is None


@pytest.mark.parametrize("one", NOT_FITTING, ids=str)
def test_a_region_that_does_not(interface: LabelInterface, one: Any):
    prediction = {"result": [one]}
    assert interface.validate_prediction(prediction, return_errors=True)
    assert problem(parse(CONFIG), prediction)


RELATION = {"type": "relation", "from_id": "r", "to_id": "r", "direction": "right"}


@pytest.mark.parametrize(
    "prediction",
    [
        {}, {"result": None}, {"result": {}}, {"result": []}, {"result": [], "score": 1}, {"result": [], "score": 1.1},
        {"result": [], "score": "0.5"}, {"result": [], "score": "x"}, {"result": [], "score": None}, {"result": [], "score": []},
        {"result": [FITTING[0], RELATION]}, {"result": [RELATION]}, {"result": [FITTING[0], RELATION | {"direction": "up"}]},
        {"result": [FITTING[0], {"type": "relation"}]}, {"result": [FITTING[0], RELATION | {"to_id": "other"}]},
    ],
    ids=str,
)  # fmt: skip
def test_scores_relations_and_the_rest(interface: LabelInterface, prediction: dict[str, Any]):
    theirs = interface.validate_prediction(prediction, return_errors=True)
    assert bool(theirs) == (problem(parse(CONFIG), prediction) is not None), theirs
