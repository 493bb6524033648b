"""What is known of the functions that Label Studio hands to its workers."""

from __future__ import annotations

import pytest

from console.deployment.queues import LABEL_STUDIO_QUEUES
from console.diagnostics.job_functions import (
    FUNCTIONS,
    Again,
    harmless_again,
    known,
    missing_work,
    usual_queue,
    why_not_again,
)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("io_storages.base_models.import_sync_background", "import_sync_background"),
        ("_rearrange_overlap_cohort", "_rearrange_overlap_cohort"),  # a method of a pickled project
        (
            "tasks.models.Task.delete_tasks_without_signals_from_task_ids",
            "delete_tasks_without_signals_from_task_ids",
        ),
    ],
)
def test_a_function_is_known_as_rq_writes_it(written: str, name: str) -> None:
    entry = known(written)
    assert entry is not None and entry.name == name


@pytest.mark.parametrize("written", [None, "", "mail.send_mail", "import_sync_background.other"])
def test_what_is_not_label_studios_is_never_repeated(written: str | None) -> None:
    assert known(written) is None and usual_queue(written) is None and missing_work(written) == ""
    assert not harmless_again(written)
    assert why_not_again(written) == "nobody knows what a second run of it does"


def test_exports_and_counters_may_run_twice_and_deletions_webhooks_and_syncs_may_not() -> None:
    assert harmless_again("data_export.mixins.export_background")
    assert harmless_again("tasks.functions.update_tasks_counters")
    for name in ("emit_webhooks_sync", "remove_duplicates_job", "import_sync_background", "async_import_background"):
        assert not harmless_again(name) and why_not_again(name)


def test_every_entry_is_complete() -> None:
    for name, entry in FUNCTIONS.items():
        assert entry.queue in LABEL_STUDIO_QUEUES and entry.timeout_seconds >= 180, name
        assert (entry.why == "") == (entry.again is Again.HARMLESS), name
        assert entry.missing and entry.title, name
