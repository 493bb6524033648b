"""Labeling configurations: equal to what Label Studio 1.23.2 answered for the same texts (label_config_facts.json)."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from console.labeling import label_config
from console.labeling.label_config import InvalidConfig, Labeled, parse, parse_stored

FACTS = json.loads((Path(__file__).parent / "label_config_facts.json").read_text())
CONFIGS: dict[str, dict] = FACTS["configs"]


def known(part: str) -> list[str]:
    names = [name for name, fact in CONFIGS.items() if part in fact]
    assert len(names) > 70
    return names


@pytest.mark.parametrize("name", CONFIGS)
def test_validation_says_what_label_studio_says(name: str):
    try:
        label_config.validate(CONFIGS[name]["config"])
    except InvalidConfig as error:
        assert error.message == CONFIGS[name]["error"]
    else:
        assert CONFIGS[name]["error"] is None


@pytest.mark.parametrize("name", known("parsed"))
def test_controls_are_those_that_label_studio_stores(name: str):
    assert parse(CONFIGS[name]["config"]).controls == CONFIGS[name]["parsed"]
    assert parse(CONFIGS[name]["config"]).has_control_tags is bool(CONFIGS[name]["parsed"])


@pytest.mark.parametrize("name", known("data_types"))
def test_data_types_are_those_that_label_studio_stores(name: str):
    parsed = parse(CONFIGS[name]["config"])
    assert list(parsed.data_types.items()) == list(CONFIGS[name]["data_types"].items())
    assert parsed.first_object_key == next(iter(CONFIGS[name]["data_types"]), None)


@pytest.mark.parametrize("name", known("bulk"))
def test_suitable_for_bulk_annotation(name: str):
    assert label_config.suitable_for_bulk(parse(CONFIGS[name]["config"])) is CONFIGS[name]["bulk"]


@pytest.mark.parametrize("name", known("weights"))
def test_weights_keep_what_was_set(name: str):
    before = {"sentiment": {"overall": 0.5, "labels": {"neg": 0.2}}}
    assert label_config.updated_weights(parse(CONFIGS[name]["config"]), before) == CONFIGS[name]["weights"]


@pytest.mark.parametrize("name", known("sample"))
def test_the_sample_task_has_the_same_keys_and_kinds_of_values(name: str):
    sample = label_config.sample_task(CONFIGS[name]["config"])
    assert {key: type(value).__name__ for key, value in sample.items()} == CONFIGS[name]["sample"]
    json.dumps(sample)


@pytest.mark.parametrize("name, data, problem, after", FACTS["data"])
def test_task_data_is_judged_as_label_studio_does(name: str, data: object, problem: str | None, after: object):
    given = copy.deepcopy(data)
    assert label_config.problem(parse(CONFIGS[name]["config"]), given) == problem
    assert given == after


@pytest.mark.parametrize("new, old, changed", FACTS["changes"])
def test_essential_changes(new: str, old: str, changed: bool | None):
    assert label_config.essentials_changed(parse(CONFIGS[new]["config"]), parse(CONFIGS[old]["config"])) is changed


def test_the_message_tells_which_part_was_taken_for_the_data():
    parsed = parse(CONFIGS["text_choices"]["config"])
    missing = '"text" key is expected in task data'
    assert label_config.problem_with_root(parsed, {}, True) == (
        f"{missing} [assume: item as is = task root with values] "
    )
    assert label_config.problem_with_root(parsed, {}, False) == (
        f'{missing} [assume: item["data"] = task root with values]'
    )
    assert label_config.problem_with_root(parsed, {"text": "x"}, True) is None


@pytest.mark.parametrize(
    "config, said",
    [
        ('<?xml version="1.0" encoding="utf-8"?><View/>', "encoding declaration"),
        ("<View>" * 101 + "</View>" * 101, "nests more than 100"),
        ("<View>" + " " * 10_000_001 + "</View>", "10,000,000 are accepted"),
        ("<View>\ud800</View>", "surrogates not allowed"),
        (None, "can only parse strings"),
    ],
)
def test_what_label_studio_answers_with_500_is_refused_with_a_reason(config: str | None, said: str):
    with pytest.raises(InvalidConfig) as refused:
        label_config.validate(config)
    assert said in refused.value.message
    assert refused.value.fields == {"non_field_errors": [refused.value.message]}


def test_a_hundred_views_inside_each_other_are_read():
    assert label_config.validate("<View>" * 100 + "</View>" * 100).controls == {}


def test_a_large_configuration_is_read_like_a_small_one():
    choices = "".join(f'<Choice value="choice {number}"/>' for number in range(3_000))
    config = f'<View><Text name="t" value="$text"/><Taxonomy name="x" toName="t">{choices}</Taxonomy></View>'
    assert len(config) > 50_000
    assert len(parse(config).controls["x"]["labels"]) == 3_000 and parse(config) is parse(config)


def test_a_stored_text_that_nothing_can_read_means_nothing():
    assert parse_stored("<View") == parse_stored(None) == parse_stored("") == label_config.EMPTY


def test_the_hash_differs_with_the_text_and_fits_the_column():
    texts = [fact["config"] for fact in CONFIGS.values()]
    hashes = {label_config.config_hash(text) for text in texts}
    assert len(hashes) == len(set(texts)) and all(-(2**63) <= one < 2**63 for one in hashes)


CHOICES = CONFIGS["text_choices"]["config"]


def fits(config: str, strict: bool = False, **labeled: object) -> str | None:
    try:
        label_config.check_fits(parse(config), Labeled(**labeled), strict)  # type: ignore[arg-type]
    except InvalidConfig as error:
        return error.message
    return None


def test_results_of_a_control_that_would_go():
    said = fits(CHOICES, annotations={"sentiment|text|choices": 2, "box|image|rectanglelabels": 3, "a|b|textarea": 1})
    assert said == (
        "Created annotations are incompatible with provided labeling schema, we found:\n"
        "3 with from_name=box, to_name=image, type=rectanglelabels"
    )
    assert fits(CHOICES, annotations={"sentiment|text|choices": 2, "a|b|textarea": 1}) is None
    assert fits("<View/>", annotations={"sentiment|text|choices": 2}) is None


def test_labels_of_a_control_that_would_go():
    said = fits(CHOICES, labels={"label": {"A": 2}}, draft_labels={"label": {"A": 1, "B": 1}})
    assert said == 'There are 4 annotation(s) created with tag "label", you can\'t remove it'


def test_labels_in_use_stay_when_asked_strictly():
    labeled = {
        "labels": {"sentiment": {"Gone": 2, "Positive": 1}},
        "draft_labels": {"sentiment": {"Gone": 1, "Away": 1}},
    }
    assert fits(CHOICES, **labeled) is None
    assert fits(CHOICES, strict=True, **labeled) == (
        "These labels still exist in annotations or drafts:\nAway (1 draft)\nGone (2 annotations, 1 draft)\n"
        'Please add labels to tag with name="sentiment".'
    )
    dynamic = CONFIGS["dynamic_choices"]["config"]
    assert fits(dynamic, strict=True, labels={"c": {"Anything": 1}}) is None


def test_labels_of_a_taxonomy_may_come_from_people():
    taxonomy = CONFIGS["taxonomy"]["config"]
    used = {"labels": {"tax": {"Mine": 1}}}
    assert "Mine (1 annotation)" in (fits(taxonomy, strict=True, **used) or "")
    assert fits(taxonomy, strict=True, custom_labels=["Mine"], **used) is None


def test_a_video_rectangle_takes_the_labels_beside_it():
    video = CONFIGS["video"]["config"]
    assert fits(video, strict=True, labels={"box": {"Man": 1}}) is None
    assert "Dog" in (fits(video, strict=True, labels={"box": {"Dog": 1}}) or "")


def test_names_in_a_repeater_are_patterns():
    repeater = CONFIGS["repeater"]["config"]
    assert fits(repeater, annotations={"labels_0|page_0|rectanglelabels": 1}) is None
    assert fits(repeater, strict=True, labels={"labels_3": {"A": 1}}) is None
    assert "from_name=other_0" in (fits(repeater, annotations={"other_0|page_0|rectanglelabels": 1}) or "")


def test_a_name_that_is_no_pattern_is_compared_as_it_stands():
    odd = '<View><Text name="t" value="$text"/><Choices name="a(b" toName="t"><Choice value="x"/></Choices></View>'
    assert fits(odd, annotations={"a(b|t|choices": 1}) is None
    slow = odd.replace("a(b", "(a+)+b")
    assert "from_name=aaaa" in (fits(slow, annotations={"a" * 40 + "c|t|choices": 1}) or "")


def test_a_key_without_three_parts_is_compared_too():
    assert "from_name=odd" in (fits(CHOICES, annotations={"odd": 1}) or "")
