"""The command as an operator types it: the document on standard output, one sentence on standard error, exit codes."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from console.cli import main
from console.deployment.models import Task, User
from console.diagnostics.report import json_schema
from tests.diagnostics.planned import tasks_of
from tests.factories import make_user
from tests.servers import ROOT

MIXED = ("fix", "auth.mixed_case_email", "--subject", "user:4")
SECRET = "hunter2secret"


class Terminal:
    """Runs `lsconsole` with nothing in its environment but what a test gives."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(settings.data_dir), "LSCONSOLE_DATA_DIR": str(settings.data_dir),
            "LSCONSOLE_DATABASE_URL": str(settings.database_url),
        }  # fmt: skip

    def __call__(self, *arguments: str, shell: str = "", **environment: str | None) -> subprocess.CompletedProcess[str]:
        values = {name: value for name, value in (self.environment | environment).items() if value is not None}
        command = [sys.executable, "-m", "console.cli", *arguments]
        if shell:
            line = " ".join(command) + shell
            command = ["bash", "-o", "pipefail", "-c", line]
        done = subprocess.run(command, env=values, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        assert SECRET not in done.stderr + done.stdout
        return done


@pytest.fixture
def lsconsole(settings) -> Terminal:
    return Terminal(settings)


def document(done: subprocess.CompletedProcess[str]):
    return json.loads(done.stdout)


# --- check


def test_check_prints_the_verdict_and_exits_one(lsconsole):
    done = lsconsole("check")
    assert done.returncode == 1
    assert "Label Studio 1.23.2 (or 1.23.0, 1.23.1: same migrations), SQLite" in done.stdout
    assert "Dave.Capital@Example.com cannot sign in" in done.stdout
    assert "lsconsole fix auth.mixed_case_email --subject user:4 --fix lower" in done.stdout
    assert "\x1b" not in done.stdout


def test_names_from_strangers_do_not_steer_the_terminal(lsconsole, session):
    """An e-mail that clears the screen, one that says so to rich, one that reads backwards."""
    for number, name in enumerate(("\x1b[2J\x1b[H", "[bold]", "\u202e", "\x9b2J")):
        make_user(session, email=f"Evil{number}{name}@example.com")
    done = lsconsole("check", "auth")
    assert not {"\x1b", "\u202e", "\x9b"} & set(done.stdout + done.stderr)
    assert r"Evil0\x1b[2J\x1b[H@example.com" in done.stdout and "Evil1[bold]@example.com" in done.stdout


def test_check_json_is_the_document_alone(lsconsole):
    done = lsconsole("check", "--format", "json")
    jsonschema.Draft202012Validator(json_schema()).validate(document(done))
    assert done.returncode == 1


def test_names_narrow_and_fail_on_decides(lsconsole):
    one = lsconsole("check", "auth.inactive", "tasks", "--format", "json")
    assert {item["code"].split(".")[0] for item in document(one)["checks"]} == {"auth", "tasks"}
    assert one.returncode == 0
    assert lsconsole("check", "auth.mixed_case_email", "--fail-on", "critical").returncode == 0
    assert lsconsole("check", "auth.active_org_deleted", "--fail-on", "warning").returncode == 1


def test_what_could_not_be_decided_exits_three(lsconsole):
    done = lsconsole("check", "jobs.no_worker", LSCONSOLE_REDIS_URL=f"redis://:{SECRET}@127.0.0.1:1/0")
    assert done.returncode == 3
    assert "Not decided" in done.stdout


@pytest.mark.parametrize(
    "email", ["dave.capital@example.com", "DAVE.CAPITAL@EXAMPLE.COM", " Dave.Capital@Example.com "]
)
def test_an_account_is_found_in_whatever_case(lsconsole, email):
    done = lsconsole("check", "--user", email, "--format", "json")
    assert [item["subject"]["id"] for item in document(done)["findings"]] == ["4"]
    assert done.returncode == 1


def test_an_account_with_letters_beyond_ascii(lsconsole, session):
    session.execute(update(User).where(User.id == 2).values(email="ÖZGÜR@example.com"))
    session.commit()
    done = lsconsole("check", "--user", "özgür@example.com", "--format", "json")
    assert [item["subject"]["id"] for item in document(done)["findings"]] == ["2"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("check", "nonsense"), "'nonsense' is neither a check nor an area"),
        (("check", "--user", "nobody@example.com"), "No account has the e-mail nobody@example.com"),
        (("check", "--project", "0"), "There is no project 0."),
        (("check", "--project", "-1"), "There is no project -1."),
        (("check", "--project", "99999999999999999999"), "There is no project 99999999999999999999."),
        (("check", "--project", "two"), "not a valid integer"),
        (("check", "--storage", "s3:99"), "There is no storage s3:99."),
        (("check", "--storage", "ftp:1"), "names no storage"),
        (("check", "--storage", "s3:99999999999999999999"), "storage"),
        (("check", "--format", "xml"), "Invalid value for '--format'"),
        (("check", "--fail-on", "never"), "Invalid value for '--fail-on'"),
        (("check", "--nonsense"), "No such option"),
        (("nonsense",), "No such command"),
        (("explain", "auth.nonsense"), "There is no check 'auth.nonsense'"),
        (("runbook", "nonsense"), "There is no runbook 'nonsense'"),
        (("runbook", "cannot-sign-in"), "needs --user"),
        (("fix", "auth.nonsense"), "There is no check"),
        (("fix", "auth.mixed_case_email", "--fix", "nope"), "has no fix 'nope'"),
        (("fix", "auth.mixed_case_email", "--apply"), "--apply needs --reason"),
        (("fix", "auth.mixed_case_email", "--subject", "planet:1"), "names no subject"),
        (("fix", "auth.duplicate_by_case"), "has no fix"),
        (("undo", "7"), "There is no audit event 7."),
        (("undo", "seven"), "not a valid integer"),
        (("grant", "nobody@example.com", "admin"), "No account of this deployment has the e-mail"),
        (("grant", "alice@example.com", "king"), "Invalid value"),
        (("worker",), "needs LSCONSOLE_QUEUE_URL"),
        (("serve", "--bind", "0.0.0.0:0"), "LSCONSOLE_BIND"),
        (("serve", "--bind", "0.0.0.0:8091"), "LSCONSOLE_SECRET_KEY"),
        (("check", "--config", "/nowhere.toml"), "/nowhere.toml cannot be read"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_two(lsconsole, arguments, told):
    done = CliRunner(env=lsconsole.environment).invoke(main, arguments)  # in this process: there are many
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert told in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/ls", "sqlite:////nowhere/ls.sqlite3", "what is this",
        f"mysql://u:{SECRET}@h/d", f"postgresql://u:{SECRET}@h:port/d",
    ],
)  # fmt: skip
def test_what_cannot_be_attached_is_one_sentence(lsconsole, url):
    done = lsconsole("check", "--database-url", url, "--format", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lsconsole: ") and done.stderr.count("\n") == 1


def test_no_database_named(lsconsole):
    done = lsconsole("check", LSCONSOLE_DATABASE_URL=None)
    assert done.returncode == 2 and "No database is named" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LSCONSOLE_JOBS", "celery"), ("LSCONSOLE_CHECKS_AT_A_TIME", "0"), ("LSCONSOLE_THRESHOLDS", "pg.nope.x=1"),
     ("LSCONSOLE_COOKIE_SECURE", "maybe")],
)  # fmt: skip
def test_a_bad_setting_stops_the_start_and_is_named(lsconsole, variable, value):
    done = lsconsole("check", **{variable: value})
    assert (done.returncode, done.stdout) == (2, "") and variable in done.stderr


def test_label_studios_own_environment_is_enough(lsconsole, tmp_path):
    Path(lsconsole.settings.database_url.removeprefix("sqlite:///")).rename(tmp_path / "label_studio.sqlite3")
    done = lsconsole("check", "auth", LSCONSOLE_DATABASE_URL=None, LABEL_STUDIO_BASE_DATA_DIR=str(tmp_path))
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize("engine", ["postgresql"])
def test_label_studios_postgresql_environment_is_enough(lsconsole):
    host, port, name = re.match(r".*@(.*):(\d+)/(.*)", lsconsole.settings.database_url).groups()
    secret = lsconsole.settings.data_dir / "password"
    secret.write_text(SECRET)
    done = lsconsole("check", "auth", "--format", "json", LSCONSOLE_DATABASE_URL=None, DJANGO_DB="default", POSTGRE_HOST=host,
                     POSTGRE_PORT=port, POSTGRE_NAME=name, POSTGRE_USER="postgres", POSTGRE_PASSWORD_FILE=str(secret))  # fmt: skip
    assert document(done)["deployment"]["database"]["kind"] == "postgresql"


def test_a_state_store_that_cannot_be_opened_costs_the_memory_not_the_verdict(lsconsole):
    done = lsconsole("check", "--state-url", "sqlite:////proc/nowhere/state.sqlite3", "--format", "json")
    assert done.returncode == 1 and document(done)["findings"]
    assert "The run is not kept" in done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_reader_that_leaves_early_is_no_error(lsconsole, form):
    done = lsconsole("check", "--format", form, shell=" | head -1 >/dev/null")
    assert done.stderr == "" and done.returncode in {0, 1}
    done = lsconsole("explain", shell=" | true")
    assert done.stderr == "" and done.returncode == 0


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_taken_address_is_one_sentence(lsconsole, command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = lsconsole(command, "--bind", bind)
    assert (done.returncode, done.stderr) == (
        2, f"lsconsole: Cannot listen on {bind}: Address already in use. Give another address with --bind.\n",
    )  # fmt: skip


def test_a_demo_that_cannot_keep_its_files_is_one_sentence(lsconsole):
    done = lsconsole("demo", "--bind", "127.0.0.1:48391", "--directory", "/proc/nowhere")
    assert done.returncode == 2 and "Name a --directory." in done.stderr and done.stderr.count("\n") == 1


def test_a_long_value_is_wrapped_and_never_cut(lsconsole):
    shown = lsconsole("config", LSCONSOLE_LABEL_STUDIO_URL=f"https://{'annotate.' * 12}example.com").stdout
    assert "annotate" in shown and "…" not in shown


# --- fix, undo, audit


def test_a_fix_is_first_a_dry_run_then_applied_then_undone(lsconsole, deployment):
    dry = lsconsole(*MIXED)
    assert dry.returncode == 0
    assert "Dave.Capital@Example.com" in dry.stdout and "dave.capital@example.com" in dry.stdout
    assert "Nothing was written" in dry.stdout
    assert email(deployment) == "Dave.Capital@Example.com"
    assert "empty" in lsconsole("audit").stdout

    applied = lsconsole(*MIXED, "--apply", "--reason", "ticket 7")
    assert applied.returncode == 0 and "checked again, nothing found" in applied.stdout
    assert email(deployment) == "dave.capital@example.com"
    number = re.search(r"lsconsole undo (\d+)", applied.stdout)[1]
    again = lsconsole(*MIXED, "--apply", "--reason", "ticket 7")
    assert again.returncode == 0 and "nothing to repair" in again.stdout

    told = lsconsole("audit")
    assert "ticket 7" in told.stdout and "applied" in told.stdout
    events = document(lsconsole("audit", "--format", "json"))
    assert {"apply intended", "applied"} <= {event["what"] for event in events}
    assert lsconsole("audit", "verify").stdout.startswith("The chain holds")

    undone = lsconsole("undo", number, "--reason", "the wrong person")
    assert undone.returncode == 0 and "Undone: 1 change of" in undone.stdout
    assert email(deployment) == "Dave.Capital@Example.com"
    twice = lsconsole("undo", number)
    assert twice.returncode == 2 and "is undone" in twice.stderr


def test_fix_as_json_is_a_document(lsconsole):
    dry = document(lsconsole(*MIXED, "--format", "json"))
    assert dry["total"] == 1 and dry["reversible"] is True
    assert {"column": "email", "before": "Dave.Capital@Example.com"}.items() <= dry["changes"][0].items()
    applied = document(lsconsole(*MIXED, "--format", "json", "--apply", "--reason", "t"))
    assert (applied["total"], applied["status"], applied["rows"]) == (1, "applied", 1)
    assert applied["verified"]["outcome"] == "pass"
    nothing = lsconsole(*MIXED, "--format", "json")
    assert document(nothing) == {"code": "auth.mixed_case_email", "total": 0, "changes": []}
    assert lsconsole("undo", str(applied["audit_id"])).returncode == 0


def test_an_audit_log_that_was_tampered_with_exits_one(lsconsole):
    lsconsole(*MIXED, "--apply", "--reason", "ticket 7")
    state = sqlite3.connect(lsconsole.settings.data_dir / "state.sqlite3")
    state.execute("drop trigger audit_event_no_update")
    state.execute("update audit_event set reason = 'ticket 8' where seq = 1")
    state.commit()
    state.close()
    done = lsconsole("audit", "verify")
    assert done.returncode == 1 and "Event 1 was edited" in done.stdout


def test_many_wrong_rows_are_repaired_shard_by_shard(lsconsole, session, console):
    project_id, ids = tasks_of(console, session, 5_100)
    deployment = console.deployment
    task = deployment.schema.table("task")
    session.execute(update(task).where(task.c.project_id == project_id).values(total_annotations=3))
    session.commit()
    done = lsconsole("fix", "tasks.counters_drift", "--subject", f"project:{project_id}", "--apply", "--reason", "t")
    assert done.returncode == 0, done.stderr
    assert "Applied shard by shard: 5,100 rows" in done.stdout
    with deployment.read() as reading:
        assert set(reading.scalars(select(Task.total_annotations).where(Task.id.in_(ids[:10] + ids[-10:])))) == {0}


# --- the rest


def test_explain(lsconsole):
    assert "auth.mixed_case_email" in lsconsole("explain").stdout
    told = lsconsole("explain", "auth.mixed_case_email").stdout
    assert "Source:" in told and "Fix lower" in told and "lsconsole runbook" in told


def test_runbooks_are_listed_and_walked(lsconsole):
    assert "cannot-sign-in" in lsconsole("runbook").stdout
    done = lsconsole("runbook", "cannot-sign-in", "--user", "dave.capital@example.com")
    assert done.returncode == 1
    assert (
        "Dave.Capital@Example.com" in done.stdout
        and "lsconsole fix auth.mixed_case_email --subject user:4" in done.stdout
    )
    healthy = lsconsole("runbook", "cannot-sign-in", "--user", "alice@example.com")
    assert healthy.returncode == 0, healthy.stdout
    several = lsconsole("runbook", "export-never-ends", "--project", "e")
    assert several.returncode == 2 and "Several projects have 'e'" in several.stderr and "1 “" in several.stderr


def test_grant_and_take_away(lsconsole):
    assert "alice@example.com is admin here" in lsconsole("grant", "alice@example.com", "admin").stdout
    assert "no role from here" in lsconsole("grant", "alice@example.com", "none").stdout
    events = document(lsconsole("audit", "--format", "json"))
    assert [event["what"] for event in events] == ["granted", "granted"]


def test_config_shows_everything_and_no_secret(lsconsole):
    environment = {
        "LSCONSOLE_DATABASE_URL": f"postgresql://u:{SECRET}@h/d", "LSCONSOLE_SECRET_KEY": SECRET,
        "LSCONSOLE_REDIS_URL": f"redis://:{SECRET}@h/0", "LSCONSOLE_LABEL_STUDIO_TOKEN": SECRET,
    }  # fmt: skip
    assert "LSCONSOLE_DATABASE_URL" in lsconsole("config", **environment).stdout
    shown = document(lsconsole("config", "--format", "json", **environment))
    assert shown["LSCONSOLE_DATABASE_URL"].startswith("postgresql://u:") and shown["LSCONSOLE_CHECKS_AT_A_TIME"] == "4"


def test_help_and_version(lsconsole):
    assert "Looking changes nothing" in " ".join(lsconsole("--help").stdout.split())
    assert lsconsole("--version").stdout.startswith("lsconsole")


def test_check_loads_only_what_it_needs(lsconsole):
    """What is slow to import stays out of a run that does not use it."""
    code = (
        "import sys; from console.cli import main\n"
        "try: main(['check', 'auth', 'tasks'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'boto3', 'moto', 'alembic', 'flask', 'rq', 'gunicorn', 'signxml'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=lsconsole.environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr.strip() == "[]"


def email(deployment) -> str:
    with deployment.read() as session:
        return session.scalar(select(User.email).where(User.id == 4))
