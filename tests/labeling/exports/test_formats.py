"""Which formats are offered for which labeling configuration."""

from __future__ import annotations

import pytest

from console.errors import Invalid
from console.labeling.exports import formats
from console.labeling.label_config import parse_stored


def offered(controls: str) -> set[str]:
    parsed = parse_stored(f"<View>{controls}</View>").controls
    return formats.suitable(parsed) - set(formats.OWN)


def test_formats_follow_the_configuration():
    text, image = '<Text name="t" value="$t"/>', '<Image name="i" value="$i"/>'
    label = '<Label value="A"/>'
    assert offered("") == set()
    assert offered(f'{text}<Labels name="l" toName="t">{label}</Labels>') == {"CONLL2003"}
    assert offered(f'{text}<TextArea name="l" toName="t"/>') == {"DOCLANG"}
    boxes = offered(f'{image}<RectangleLabels name="l" toName="i">{label}</RectangleLabels>')
    assert boxes == {name for name in formats.FORMATS if name.startswith(("COCO", "YOLO", "VOC"))}
    assert offered(f'{image}<KeyPointLabels name="l" toName="i">{label}</KeyPointLabels>') == {
        "YOLO_OBB",
        "YOLO_OBB_WITH_IMAGES",
    }
    assert "BRUSH_TO_PNG" in offered(f'{image}<BrushLabels name="l" toName="i">{label}</BrushLabels>')
    assert "ASR_MANIFEST" in offered('<Audio name="a" value="$a"/><TextArea name="x" toName="a"/>')
    assert offered(f'{text}{image}<Choices name="c" toName="t"/><Choices name="d" toName="i"/>') == set()


def test_the_list_puts_suitable_formats_first():
    listed = formats.listed({})
    names = [item["name"] for item in listed]
    assert names[:4] == list(formats.OWN) and set(names) == set(formats.FORMATS)
    assert all(item.get("disabled") for item in listed[4:]) and not any("disabled" in item for item in listed[:4])
    assert all(item["link"].startswith("https://") and item["description"].endswith(".") for item in listed)


def test_an_unknown_format_is_refused_with_the_known_ones():
    assert formats.need("COCO") == "COCO"
    with pytest.raises(Invalid) as caught:
        formats.need("nope")
    assert "JSON_MIN" in caught.value.fields["exportType"][0]
