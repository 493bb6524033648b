"""Exports of the dump's projects, in every format, and snapshots with their files, against real Label Studio."""

from __future__ import annotations

import pytest

from tests.twin.twin import Twin

#: Names carry eight digits of Label Studio's MD5 of everything, drafts' age included; see docs/api-differences.md.
NAMES = ("Content-Disposition", "filename")
OWNERS = {1: "alice", 2: "bob", 3: "carol", 4: "erin", 5: "alice"}


@pytest.fixture
def twin(twin: Twin) -> Twin:
    """Organization 2 takes tokens too, and rows lie in the order of their ids: Label Studio asks for no order."""
    twin.execute("UPDATE jwt_auth_jwtsettings SET legacy_api_tokens_enabled = true")
    _in_order(twin)
    return twin


def _in_order(twin: Twin) -> None:
    if twin.sides[0].database.dialect.name == "postgresql":
        for table in ("task", "task_completion", "prediction"):
            twin.execute(f"CLUSTER {table} USING {table}_pkey")


def _export(twin: Twin, project: int, **params: object):
    options = {name: params.pop(name) for name in ("differs", "ignore", "expect") if name in params}
    options.setdefault("ignore", NAMES)
    if "differs" not in options:
        options.setdefault("expect", 200)
    return twin.get(
        f"/api/projects/{project}/export", as_user=OWNERS[project], params=params, sort="id", **options
    )  # fmt: skip


def test_tasks_as_json(twin: Twin):
    for project in OWNERS:
        _export(twin, project, ignore=())
        _export(twin, project, download_all_tasks="true")
    _export(twin, 1, exportType="JSON", download_all_tasks="1", interpolate_key_frames="yes")


def test_tables(twin: Twin):
    for project in OWNERS:
        for kind in ("JSON_MIN", "CSV", "TSV"):
            _export(twin, project, exportType=kind, download_all_tasks="true" if kind == "CSV" else "false")


def test_formats_of_the_converter(twin: Twin):
    for project, kind in (
        (2, "CONLL2003"), (1, "CONLL2003"), (3, "COCO"), (3, "YOLO"), (3, "YOLO_OBB"), (3, "VOC"),
        (4, "ASR_MANIFEST"), (1, "YOLO"), (4, "COCO"),
    ):  # fmt: skip
        _export(twin, project, exportType=kind, download_resources="false")


def test_a_format_the_configuration_does_not_suit(twin: Twin):
    _export(twin, 1, exportType="BRUSH_TO_NUMPY")
    _export(twin, 5, exportType="DOCLANG")
    found = _export(twin, 5, exportType="COCO", differs="server-error")
    assert (found.theirs.status_code, found.ours.status_code) == (500, 400)
    assert "COCO cannot be made of these tasks" in found.ours.json()["detail"]


def test_resources_are_fetched_only_when_asked(twin: Twin):
    found = _export(twin, 3, exportType="VOC", differs="export-resources")
    assert (found.theirs.status_code, found.ours.status_code) == (200, 200)


def test_chosen_tasks(twin: Twin):
    _export(twin, 1, **{"ids[]": [3, 7, 50]}, ignore=())
    _export(twin, 1, **{"ids[]": [3, 50], "download_all_tasks": "true"})
    _export(twin, 1, **{"ids[]": ["-1"]})
    _export(twin, 1, **{"ids[]": ["61"]})
    found = _export(twin, 1, ids=[3], differs="export-ids")
    assert [task["id"] for task in found.ours.json()] == [3] and len(found.theirs.json()) > 1
    for wrong in ("abc", "", "1.5"):
        found = _export(twin, 1, **{"ids[]": [wrong]}, differs="server-error")
        assert found.theirs.status_code == 500 and found.ours.status_code == 400


def test_options(twin: Twin):
    _export(twin, 1, export_type="CSV")
    _export(twin, 1, export_type="TSV", exportType="JSON_MIN")
    _export(twin, 1, exportType="", download_all_tasks="")
    _export(twin, 1, exportType=["JSON", "CSV"])
    _export(twin, 1, download_all_tasks="maybe", interpolate_key_frames="x", download_resources="7", expect=400)
    found = _export(twin, 1, exportType="NOPE", differs="server-error")
    assert found.ours.status_code == 400 and "JSON_MIN" in found.ours.text


def test_who_may(twin: Twin):
    for path in ("export", "export/formats", "export/files"):
        twin.get(f"/api/projects/4/{path}", differs="html-404")
        twin.get(f"/api/projects/999/{path}", differs="html-404")
        twin.get(f"/api/projects/1/{path}", as_user=None, expect=401)
    twin.get("/api/projects/4/exports/", expect=404)
    twin.get("/api/projects/999/exports/", expect=404)
    twin.post("/api/projects/4/exports/", json={}, expect=404)
    twin.get("/api/projects/1/exports/", as_user="grace", differs="former-member")
    twin.get("/api/projects/1/export", as_user="grace", expect=403)
    twin.rows()


def test_lists_of_formats_and_files(twin: Twin):
    for project, owner in OWNERS.items():
        twin.get(f"/api/projects/{project}/export/formats", as_user=owner, ignore=("description",), expect=200)
    twin.get("/api/projects/1/export/files", expect=200)


CONFIGS = (
    '<View><Image name="i" value="$image"/><BrushLabels name="b" toName="i"><Label value="A"/></BrushLabels></View>',
    '<View><Image name="i" value="$image"/><KeyPointLabels name="k" toName="i"><Label value="A"/></KeyPointLabels></View>',
    '<View><Image name="i" value="$image"/><PolygonLabels name="p" toName="i"><Label value="A"/></PolygonLabels></View>',
    '<View><Image name="i" value="$image"/><Rectangle name="r" toName="i"/><Labels name="l" toName="i"><Label value="A"/>'
    "</Labels></View>",
    '<View><Image name="i" valueList="$images"/><RectangleLabels name="r" toName="i"><Label value="A"/></RectangleLabels></View>',
    '<View><Video name="v" value="$video"/><TimelineLabels name="t" toName="v"><Label value="A"/></TimelineLabels></View>',
    '<View><Text name="t" value="$text"/><Image name="i" value="$image"/><Choices name="c" toName="t"><Choice value="A"/>'
    '</Choices><TextArea name="x" toName="i"/></View>',
    '<View><Text name="t" value="$text" valueType="url"/><Labels name="l" toName="t"><Label value="A"/></Labels></View>',
)


def test_formats_that_suit(twin: Twin):
    for config in CONFIGS:
        twin.execute(
            "UPDATE project SET label_config = :config, parsed_label_config = NULL WHERE id = 5", config=config
        )
        twin.get("/api/projects/5/export/formats", ignore=("description",), expect=200)


def test_auth_for_a_proxy(twin: Twin):
    headers = {"X-Original-URI": "/export/1-name.json"}
    twin.get("/api/auth/export/", headers=headers, expect=200)
    twin.get("/api/auth/export", headers=headers, expect=200)
    twin.get("/api/auth/export/", headers={"X-Original-URI": "/export/name.json"}, expect=422)
    twin.get("/api/auth/export/", headers={"X-Original-URI": "/export/4-name.json"}, expect=404)
    twin.get("/api/auth/export/", headers=headers, as_user=None, expect=401)
    found = twin.get("/api/auth/export/", differs="server-error")
    assert (found.theirs.status_code, found.ours.status_code) == (500, 400)


# --- snapshots

FILES = dict.fromkeys(
    ("data_export_export.md5", "data_export_export.file", "data_export_convertedformat.file"), "snapshot-on-disk"
)
SUMMARY = {"projects_projectsummary": "summary-drift"}


def _snapshot(twin: Twin, project: int = 1, **options: object) -> object:
    made = twin.post(
        f"/api/projects/{project}/exports/", json=options, as_user=OWNERS[project], expect=201, ignore=("md5",)
    )  # fmt: skip
    return made["id"]


def test_a_snapshot_and_its_rows(twin: Twin):
    number = _snapshot(twin)
    named = _snapshot(twin, title="  Named  ", status="failed")
    twin.get("/api/projects/1/exports/", expect=200, ignore=("md5",))
    twin.get("/api/projects/1/exports/{id}", fill={"id": number}, expect=200, ignore=("md5",))
    twin.get("/api/projects/1/exports/{id}/download", fill={"id": number}, expect=200, sort="id", ignore=NAMES)
    twin.rows(differs=FILES)
    twin.delete("/api/projects/1/exports/{id}", fill={"id": named}, expect=204)
    twin.delete("/api/projects/1/exports/{id}", fill={"id": named}, differs="html-404")
    twin.rows(differs=FILES)


OPTIONS: list[dict] = [
    {"task_filter_options": {"view": 1}},
    {"task_filter_options": {"view": 999}},
    {"task_filter_options": {"skipped": "only"}},
    {"task_filter_options": {"skipped": "exclude", "finished": "only"}},
    {"task_filter_options": {"finished": "exclude", "annotated": "only"}},
    {"task_filter_options": {"annotated": "exclude"}},
    {"task_filter_options": {"only_with_annotations": True, "skipped": None}},
    {"task_filter_options": {"only_with_annotations": True}, "annotation_filter_options": {"usual": False, "ground_truth": True}},
    {"annotation_filter_options": {}},
    {"annotation_filter_options": {"usual": None, "skipped": True}},
    {"annotation_filter_options": {"ground_truth": True, "usual": False, "skipped": True}},
    {"annotation_filter_options": {"usual": False}},
    {"serialization_options": {}},
    {"serialization_options": {"drafts": {}, "predictions": {"only_id": False}, "annotations__completed_by": {}}},
    {"serialization_options": {"drafts": {"only_id": True}, "predictions": {"only_id": True},
                               "annotations__completed_by": {"only_id": True}, "interpolate_key_frames": True}},
    {"serialization_options": {"include_annotation_history": False}},
]  # fmt: skip


def test_options_of_snapshots(twin: Twin):
    for options in OPTIONS:
        number = _snapshot(twin, title="x", **options)
        twin.get("/api/projects/1/exports/{id}/download", fill={"id": number}, expect=200, sort="id", ignore=NAMES)
    twin.get(
        "/api/projects/1/exports/{id}/download",
        params={"exportType": "CSV"},
        fill={"id": number},
        expect=200,
        ignore=NAMES,
    )
    twin.rows(differs=FILES)


def test_snapshots_of_every_project(twin: Twin):
    for project, owner in OWNERS.items():
        number = _snapshot(twin, project, serialization_options={"drafts": {}, "predictions": {}})
        path = f"/api/projects/{project}/exports/{{id}}/download"
        for kind in ("JSON", "JSON_MIN", "CSV", "TSV"):
            twin.get(
                path,
                fill={"id": number},
                params={"exportType": kind},
                as_user=owner,
                sort="id",
                ignore=NAMES,
                expect=200,
            )
    twin.rows(differs=FILES)


def test_conversions(twin: Twin):
    number = _snapshot(twin, title="x")
    path = "/api/projects/1/exports/{id}/convert"
    for kind in ("CSV", "JSON", "JSON_MIN", "TSV", "CONLL2003"):
        twin.post(path, fill={"id": number}, json={"export_type": kind}, expect=200)
    twin.post(path, fill={"id": number}, json={"export_type": "CSV"}, expect=400)
    for wrong in ({}, {"export_type": "nope"}, {"export_type": None}, {"export_type": "CSV_OLD"},
                  {"export_type": "YOLO", "download_resources": "x"}, {"export_type": "YOLO", "download_resources": None}):  # fmt: skip
        twin.post(path, fill={"id": number}, json=wrong, expect=400)
    twin.get("/api/projects/1/exports/{id}", fill={"id": number}, ignore=("md5",), expect=200)
    for kind in ("CSV", "CONLL2003", "JSON_MIN"):
        twin.get("/api/projects/1/exports/{id}/download", fill={"id": number}, params={"exportType": kind}, expect=200)
    twin.rows(differs=FILES)
    twin.delete("/api/projects/1/exports/{id}", fill={"id": number}, expect=204)
    twin.rows(differs=FILES)


def test_wrong_requests_for_snapshots(twin: Twin):
    path = "/api/projects/1/exports/"
    for wrong in (
        {"title": None}, {"title": "x" * 2049}, {"title": ["x"]}, {"task_filter_options": None}, {"task_filter_options": []},
        {"task_filter_options": {"skipped": "bad", "view": "x", "finished": 7, "only_with_annotations": "q"}},
        {"annotation_filter_options": {"usual": "zz"}}, {"serialization_options": {"drafts": 3}},
        {"serialization_options": {"predictions": {"only_id": "x"}, "interpolate_key_frames": "no!"}},
        {"serialization_options": {"annotations__completed_by": None}},
    ):  # fmt: skip
        twin.post(path, json=wrong, expect=400)
    twin.post(path, json=[], expect=400)
    twin.post(path, data="{", headers={"Content-Type": "application/json"}, expect=400)
    twin.post(path, data={"title": "a form"}, expect=201, ignore=("md5",))
    twin.request("PUT", "/api/projects/1/exports/1", json={}, expect=405)
    twin.rows(differs=FILES)


def test_a_file_that_is_gone(twin: Twin):
    found = twin.get("/api/projects/1/exports/1/download", differs="server-error")
    assert (found.theirs.status_code, found.ours.status_code) == (500, 404)
    assert "Make a new snapshot" in found.ours.json()["detail"]
    twin.execute("UPDATE data_export_export SET status = 'in_progress' WHERE id = 1")
    found = twin.get("/api/projects/1/exports/1/download", differs="html-404")
    assert found.ours.json()["detail"] == "Export is not completed"
    twin.get("/api/projects/1/exports/1", expect=200)


def test_a_snapshot_through_another_project(twin: Twin):
    twin.get("/api/projects/2/exports/1", differs="html-404")
    twin.get("/api/projects/2/exports/1/download", differs="html-404")
    number = _snapshot(twin, title="x")
    found = twin.post(
        "/api/projects/2/exports/{id}/convert", fill={"id": number}, json={"export_type": "CSV"},
        differs="snapshot-of-another-project",
    )  # fmt: skip
    assert (found.theirs.status_code, found.ours.status_code) == (200, 404)
    twin.unseen_changes.clear()


# --- data as people bring it

TRICKY = [
    {
        "text": 'quotes " and, commas\nlines\r\n; tabs\t',
        "n": 1.0,
        "big": 12345678901234567,
        "nested": {"a/b": [1, None, True]},
    },
    {"text": "東京 ö \u2028 \x7f </script>", "n": -0.5, "empty": "", "none": None, "flag": True, "list": []},
    {"id": 77, "annotator": "mine", "sentiment": "clash", "text": "names of columns"},
]


def test_values_of_all_kinds(twin: Twin):
    result = [
        {"id": "a", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}},
        {
            "id": "b",
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["A, B", 'C"']},
        },
        {"id": "c", "from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": ["one"]}},
        {"from_name": "nowhere", "to_name": "text", "type": "choices", "value": {"choices": ["x"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
    ]
    for data in TRICKY:
        made = twin.post("/api/tasks/", json={"project": 1, "data": data}, expect=201)
        for lead_time in (1, 2.5, 1e-7, None):
            twin.post(
                "/api/tasks/{id}/annotations/",
                fill={"id": made["id"]},
                json={"result": result, "lead_time": lead_time},
                expect=201,
            )
    _in_order(twin)
    for kind in ("JSON", "JSON_MIN", "CSV", "TSV"):
        _export(twin, 1, exportType=kind)
    twin.rows(differs=FILES | SUMMARY)


def test_data_that_names_no_key(twin: Twin):
    twin.execute('UPDATE task SET data = \'{"$undefined$": "s3://bucket/a.png", "z": 1}\' WHERE id IN (1, 111, 112)')
    for kind in ("JSON", "CSV"):
        _export(twin, 1, exportType=kind)
        _export(twin, 3, exportType=kind)


def test_an_upload_that_was_deleted(twin: Twin):
    twin.execute("UPDATE task SET file_upload_id = NULL WHERE project_id = 1")
    _in_order(twin)
    _export(twin, 1, download_all_tasks="true")


VIDEO = (
    '<View><Labels name="l" toName="v"><Label value="Man"/></Labels><Video name="v" value="$video"/>'
    '<VideoRectangle name="box" toName="v"/></View>'
)


def _frame(number: int, x: float, *, enabled: bool = True) -> dict:
    return {
        "frame": number,
        "enabled": enabled,
        "rotation": 0,
        "x": x,
        "y": 10,
        "width": 20.5,
        "height": 3,
        "time": number / 24,
    }


def test_frames_between_key_frames(twin: Twin):
    project = twin.post("/api/projects/", json={"title": "Video", "label_config": VIDEO}, expect=201)["id"]
    task = twin.post("/api/tasks/", json={"project": project, "data": {"video": "v.mp4"}}, expect=201)["id"]
    sequences = (
        [_frame(1, 10), _frame(4, 40), _frame(9, 15, enabled=False)],
        [_frame(5, 5), _frame(2, 2)],
        [_frame(3, 1)],
        [],
    )
    result = [
        {"id": f"r{number}", "from_name": "box", "to_name": "v", "type": "videorectangle",
         "value": {"framesCount": 12, "duration": 0.5, "sequence": sequence, "labels": ["Man"]}}
        for number, sequence in enumerate(sequences)
    ]  # fmt: skip
    result.append({"id": "r9", "from_name": "l", "to_name": "v", "type": "labels", "value": {"labels": ["Man"]}})
    twin.post("/api/tasks/{id}/annotations/", fill={"id": task}, json={"result": result}, expect=201)
    for wanted in ("true", "false"):
        twin.get(
            "/api/projects/{id}/export", fill={"id": project}, params={"interpolate_key_frames": wanted}, expect=200, ignore=NAMES
        )  # fmt: skip
    made = twin.post(
        "/api/projects/{id}/exports/", fill={"id": project}, json={"serialization_options": {"interpolate_key_frames": True}},
        expect=201, ignore=("md5",),
    )  # fmt: skip
    twin.get("/api/projects/{project}/exports/{id}/download", fill={"project": project, "id": made["id"]}, expect=200)
    twin.rows(differs=FILES | SUMMARY)


def test_what_was_removed(twin: Twin):
    for path in ("/api/projects/1/results/", "/api/projects/1/completions/"):
        found = twin.get(path, differs="removed-endpoints")
        assert found.theirs.status_code == found.ours.status_code == 404
        assert "/export" in found.ours.json()["detail"]
    for name in ("aggregator_type", "finished", "return_task", "return_predictions", "return_ground_truths"):
        found = _export(twin, 1, **{name: "1"}, differs="removed-arguments")
        assert (found.theirs.status_code, found.ours.status_code) == (200, 400)
        assert name in found.ours.json()["validation_errors"]
