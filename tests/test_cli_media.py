"""`lsconsole media`: the story of a file on standard output, and an exit code that a script can go by."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from console.cli import main
from console.config import Settings


@pytest.fixture
def run(settings: Settings):
    """`run("s3://b/k", "--project", "1")` on a copy of a deployment."""

    def asked(*arguments: str) -> Result:
        environment = {
            "LSCONSOLE_DATABASE_URL": settings.database_url, "LSCONSOLE_DATA_DIR": str(settings.data_dir),
            "LSCONSOLE_LABEL_STUDIO_URL": "http://label.example.com",
        }  # fmt: skip
        return CliRunner(env=environment).invoke(main, ["media", *arguments])

    return asked


def test_a_cause_exits_one(run):
    done = run("s3://LS-demo-images/a\x1b[31m.jpg", "--project", "3")
    assert done.exit_code == 1 and "case counts" in done.stdout and "runbook media-404" in done.stdout
    assert "\x1b" not in done.stdout, "names from strangers do not steer the terminal"


def test_json_is_the_document_alone(run):
    done = run("task 99999999", "--format", "json")
    document = json.loads(done.stdout)
    assert done.exit_code == 1 and document["state"] == "failed" and "no task 99999999" in document["why"]["message"]


def test_nothing_wrong_exits_zero_and_what_cannot_be_told_three(run):
    assert run("task 1").exit_code == 0
    assert run("nonsense").exit_code == 3
    assert run("").exit_code == 3
