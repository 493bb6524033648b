"""Arguments are shown without secrets, bounded, and tell what a job belongs to. The calls are real Label Studio 1.23.2's."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from console.deployment.job_arguments import MOST_CHARACTERS, About, about_description, read_call, render
from console.deployment.pickle_reading import read_pickle

CALLS = json.loads(Path(__file__).with_name("label_studio_calls.json").read_text())
SYNC = "io_storages.base_models.import_sync_background"


def call(function: str = "m.f", *args: Any, meta: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    data = zlib.compress(pickle.dumps((function, None, args, kwargs)))
    return read_call(data, pickle.dumps(meta) if meta else None)


@pytest.mark.parametrize(
    ("name", "texts", "about"),
    [
        ("method", ["<projects.Project 12>"], About(project_id=12)),
        ("sync", ["io_storages.s3.models.S3ImportStorage", "4", "12", "1"],
         About(12, "s3:4", 1, row=("storage", "s3:4"))),
        ("target", ["io_storages.s3.models.S3ExportStorage", "7"],
         About(storage="s3-export:7", row=("storage", "s3-export:7"))),
        ("convert", ["9", "'JSON'", "<projects.Project 12>", "'http://x'", "False"], About(12, row=("conversion", "9"))),
        ("webhook", ["None", "<projects.Project 12>", "'TASKS_CREATED'", "{'when': <datetime.datetime>, 'id': <uuid.UUID>}"],
         About(12)),
        ("reimport", ["3", "1", "<users.User 5>", "12"], About(12, row=("reimport", "3"))),
    ],
)  # fmt: skip
def test_label_studios_own_calls(name: str, texts: list[str], about: About):
    told = read_call(base64.b64decode(CALLS[name]), None)
    assert [argument.text for argument in told.arguments] == texts
    assert told.about == about and told.serializer == "pickle" and told.problem is None
    assert "pbkdf2" not in repr(told) and "secret title" not in repr(told)


def test_what_meta_tells():
    told = call("data_export.mixins.export_background", 31, {}, {}, {}, meta={"user_id": 3, "organization_id": 2})
    assert told.about == About(organization_id=2, user_id=3, row=("export", "31"))
    assert {item.name: item.text for item in told.meta} == {"user_id": "3", "organization_id": "2"}
    assert call(SYNC, meta={"project": 8}).about.project_id == 8
    assert call("io_storages.s3.models.async_export_annotation_to_s3_storages", 5).about.row == ("annotation", "5")
    assert call("core.migration_helpers.execute_sql_job", migration_name="0042_x").about.row == ("migration", "0042_x")
    assert call("m.async_project_summary_recalculation", [1, 2], 9).about.project_id == 9


@pytest.mark.parametrize("wrong", [True, -1, 0, 2**70, "x", None, 1.5, [1]])
def test_an_id_that_is_none(wrong: Any):
    assert call(SYNC, "S3ImportStorage", wrong, project_id=wrong, meta={"user_id": wrong}).about == About()


def test_secrets_are_hidden_by_name_and_by_look():
    told = call("m.f", {"password": "hunter2", "deep": {"aws_secret_access_key": "hunter2"}}, "token=hunter2hunter2",
                api_key="hunter2", text="Authorization: Bearer hunter2hunter2")  # fmt: skip
    assert "hunter2" not in repr(told)
    plain = read_call(b'["m.f", null, [{"password": "hunter2"}], {"token": "hunter2"}]', b'{"session_key": "hunter2"}')
    assert "hunter2" not in repr(plain) and plain.serializer == "json"


def test_a_call_of_the_json_serializer():
    told = read_call(
        zlib.compress(b'["m.f", null, ["S3ImportStorage", 4], {"project_id": 2}]'), b'{"organization_id": 1}'
    )
    assert told.function == "m.f" and told.about == About(2, "s3:4", 1, row=("storage", "s3:4"))


def test_long_values_are_cut():
    told = call("m.f", "x" * 10_000, list(range(1000)), b"x" * 50, 10**400, *range(200))
    texts = [argument.text for argument in told.arguments]
    assert len(texts) == 50 and told.problem == "154 more arguments are not shown"
    assert texts[0] == f"'{'x' * 300}…'" and texts[1].endswith("19, … 980 more]")
    assert texts[2] == "<50 bytes>" and texts[3] == "<a number of 1,329 bits>"
    wide = render(read_pickle(pickle.dumps([["x" * 290] * 20] * 20)))
    assert len(wide) == MOST_CHARACTERS + 1 and wide.endswith("…")


@pytest.mark.parametrize(
    "data", [None, b"", b"garbage", pickle.dumps(("m.f", None)), pickle.dumps("m.f"), b"[1,", b"{}"]
)
def test_what_is_no_call(data: bytes | None):
    told = read_call(data, data)
    assert told.function is None and told.arguments == () and told.about == About()
    assert str(told.problem).startswith("The call cannot be read: ")


def test_a_description_tells_enough_for_a_list():
    text = f"{SYNC}(<class 'io_storages.gcs.models.GCSImportStorage'>, 6, organization_id=1, project_id=12)"
    assert about_description(text, SYNC) == About(12, "gcs:6", 1, row=("storage", "gcs:6"))
    text = "data_export.mixins.export_background(31, {}, {}, {})"
    assert about_description(text, "data_export.mixins.export_background").row == ("export", "31")
    assert about_description(None, None) == about_description("nightly", None) == About()
