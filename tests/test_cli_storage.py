"""`lsconsole storage` as an operator types it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from console.cli import main
from tests.factories import change_row
from tests.test_cli import document

TABLE = "io_storages_s3importstorage"
OLD, NEW = "oldSecretOldSecretOldSecret", "newSecretNewSecretNewSecret"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Terminal:
    """`lsconsole` in this process, with nothing of ours in its environment but what a test gives."""

    def __init__(self, settings, **environment: str) -> None:
        self.environment: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith(("LSCONSOLE_", "LABEL_STUDIO_"))
        }
        self.environment |= {
            "HOME": str(settings.data_dir), "LSCONSOLE_DATA_DIR": str(settings.data_dir),
            "LSCONSOLE_DATABASE_URL": str(settings.database_url),
        } | environment  # fmt: skip

    def __call__(self, *arguments: str) -> Done:
        result = CliRunner().invoke(main, arguments, env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def lsconsole(settings) -> Terminal:
    return Terminal(settings)


def filter_of(session) -> str:
    session.rollback()
    found = session.execute(text(f"SELECT regex_filter FROM {TABLE} WHERE id = 1")).scalar_one()
    session.rollback()
    return found


def test_every_storage_is_listed(lsconsole):
    listed = document(lsconsole("storage", "list", "--format", "json"))
    assert {"s3:1", "gcs:1", "azure:1", "redis:1", "localfiles:1", "s3-export:1"} <= {
        item["storage"] for item in listed
    }
    printed = lsconsole("storage", "list", "--project", "3")
    assert printed.returncode == 0 and "s3:2" in printed.stdout and "s3:1" not in printed.stdout
    assert {
        item["project"] for item in document(lsconsole("storage", "list", "--project", "3", "--format", "json"))
    } == {3}


def test_one_storage_without_its_secrets(lsconsole, session):
    change_row(session, TABLE, 1, aws_secret_access_key=OLD, traceback="boom aws_secret_access_key=" + OLD)
    done = lsconsole("storage", "show", "s3:1")
    assert OLD not in done.stdout and "regex_filter" in done.stdout and "What the last sync wrote down" in done.stdout
    assert OLD not in json.dumps(document(lsconsole("storage", "show", "s3:1", "--format", "json")))
    missing = lsconsole("storage", "show", "s3:999")
    assert missing.returncode == 2 and "There is no storage s3:999" in missing.stderr
    assert "names no storage" in lsconsole("storage", "show", "ftp:1").stderr


def test_settings_are_planned_then_written_then_undone(lsconsole, session):
    before = filter_of(session)
    planned = lsconsole("storage", "set", "s3:1", r"regex_filter=scans/.*\.png$")
    assert planned.returncode == 0 and "Nothing was written" in planned.stdout and filter_of(session) == before
    applied = lsconsole("storage", "set", "s3:1", r"regex_filter=scans/.*\.png$", "--apply", "--reason", "T-3")
    assert applied.returncode == 0 and filter_of(session) == r"scans/.*\.png$"
    assert lsconsole("undo", applied.stdout.rsplit(" ", 1)[1].strip()).returncode == 0
    assert filter_of(session) == before


def test_a_secret_comes_from_a_file_and_from_nowhere_else(lsconsole, session, tmp_path):
    change_row(session, TABLE, 1, aws_secret_access_key=OLD)
    (tmp_path / "key").write_text(NEW + "\n")
    refused = lsconsole("storage", "set", "s3:1", f"aws_secret_access_key={NEW}")
    assert refused.returncode == 2 and "other people see command lines" in refused.stderr and NEW not in refused.stderr
    done = lsconsole(
        "storage", "set", "s3:1", f"aws_secret_access_key=@{tmp_path}/key", "--apply", "--reason", "rotated"
    )
    assert done.returncode == 0 and NEW not in done.stdout and OLD not in done.stdout
    session.rollback()
    assert session.execute(text(f"SELECT aws_secret_access_key FROM {TABLE} WHERE id = 1")).scalar_one() == NEW


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("regex_filter=*.jpg",), "not a valid regular expression"),
        (("colour=red",), "cannot be changed here"),
        (("regex_filter",), "is no NAME=VALUE"),
        ((), "--mark-failed alone"),
        (("--mark-failed",), "only a sync that is queued or in progress"),
        (("regex_filter=.*", "--apply"), "needs --reason"),
        (("aws_session_token=@/no/such/file",), "cannot be read"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(lsconsole, session, arguments, told):
    before = filter_of(session)
    done = lsconsole("storage", "set", "s3:1", *arguments)
    assert done.returncode == 2 and told in done.stderr
    assert filter_of(session) == before
