"""Attaching works or says in one sentence why not; a missing right is named with the GRANT that cures it."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

from console.config import Settings
from console.deployment import Deployment
from console.deployment.database import grant_for
from console.diagnostics import registry
from console.diagnostics.runner import run_checks
from console.errors import CannotAttach, ConsoleError

Role = Callable[..., str]
SECRET = "hunter2secret"


def attach(url: str, **changes) -> Deployment:
    return Deployment.attach(Settings.load({}, database_url=url, **changes))


def why_not(url: str) -> str:
    """The one sentence; attaching must fail, and hide the password."""
    with pytest.raises(ConsoleError) as caught:
        attach(url).close()
    told = str(caught.value)
    assert isinstance(caught.value, CannotAttach), told
    assert SECRET not in told and "Traceback" not in told and "\n" not in told
    return told


# --- what cannot be attached


@pytest.fixture
def postgresql(dump_url) -> str:
    return dump_url("postgresql", "1.23.2")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda url: url.replace("postgres@", f"nobody_here:{SECRET}@"), "has no user nobody_here. Check POSTGRE_USER"),
        (lambda url: re.sub("/[^/]*$", "/nothing_here", url), "has no database nothing_here. Check POSTGRE_NAME"),
        (lambda url: re.sub(r":\d+/", ":1/", url), "Nothing listens at 127.0.0.1:1. Check that PostgreSQL runs"),
        (
            lambda url: url.replace("127.0.0.1", "no-such-host.invalid"),
            "The host name no-such-host.invalid is not known",
        ),
        (
            lambda url: re.sub("/[^/]*$", "/postgres", url),
            "not Label Studio's database: it has no table htx_user, project, task",
        ),
        (lambda url: url.replace("postgresql://", "mysql://"), "mysql is no database of Label Studio's"),
        (lambda url: "postgresql://u:" + SECRET + "@host:port/db", "cannot be read"),
        (lambda url: "what is this", "cannot be read"),
        (lambda url: "sqlite://", "names no SQLite file"),
    ],
)
def test_a_wrong_address_is_one_sentence(postgresql, change, told):
    assert told in why_not(change(postgresql))


def test_no_database_at_all_is_told_with_the_ways_to_name_one():
    with pytest.raises(CannotAttach, match=r"--database-url or LSCONSOLE_DATABASE_URL"):
        Deployment.attach(Settings.load({}))


def test_a_server_that_never_answers_is_given_up():
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        started = time.monotonic()
        told = why_not(f"postgresql://u:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/db")
    assert time.monotonic() - started < 15 and "did not answer within 5 s" in told


def test_a_refused_password(postgres, postgresql, role):
    url = role("passworded", password=SECRET)
    # The test cluster trusts everybody; a rule for this one role asks for its password.
    path = Path(_ask(postgres, "show hba_file"))
    before = path.read_text()
    path.write_text("host all passworded 127.0.0.1/32 scram-sha-256\n" + before)
    _do(postgres, "select pg_reload_conf()")
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                attach(url.replace(SECRET, "wrong-" + SECRET)).close()
            except CannotAttach as error:
                told = str(error)
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "refused the password of user passworded. Check POSTGRE_PASSWORD" in told and SECRET not in told
        attach(url).close()
        odd = "p@ss/w:rd?#%25 ü+&"
        _do(postgresql, f"alter role passworded password '{odd}'")
        attach(url.replace(SECRET, quote(odd, safe=""))).close()
        parts = re.match(r".*@(.*):(\d+)/(.*)", url)
        environment = {
            "DJANGO_DB": "default", "POSTGRE_HOST": parts[1], "POSTGRE_PORT": parts[2], "POSTGRE_NAME": parts[3],
            "POSTGRE_USER": "passworded", "POSTGRE_PASSWORD": odd,
        }  # fmt: skip
        Deployment.attach(Settings.load(environment)).close()
    finally:
        path.write_text(before)
        _do(postgres, "select pg_reload_conf()")


# --- SQLite files


@pytest.fixture
def file(dump_url) -> Path:
    return Path(dump_url("sqlite", "1.23.2").removeprefix("sqlite:///"))


def test_a_missing_file(tmp_path):
    assert "There is no SQLite file" in why_not(f"sqlite:///{tmp_path}/missing.sqlite3")
    assert not (tmp_path / "missing.sqlite3").exists()
    assert "There is no SQLite file" in why_not(f"sqlite:///{tmp_path}")


def test_a_path_alone_is_a_url(file):
    deployment = attach(str(file))
    assert deployment.kind == "sqlite" and deployment.counts()["tasks"] == 267
    deployment.close()


@pytest.mark.parametrize("content", [b"no database at all " * 100, b"\x00" * 8192, b""])
def test_a_file_that_is_no_database(tmp_path, content):
    path = tmp_path / "odd.sqlite3"
    path.write_bytes(content)
    told = why_not(f"sqlite:///{path}")
    assert "no SQLite file" in told or "not Label Studio's database" in told
    assert path.read_bytes() == content


def test_a_damaged_file_is_no_traceback(file):
    content = bytearray(file.read_bytes())
    for at in range(4096 * 3, len(content), 4096 * 2):
        content[at : at + 512] = b"\xff" * 512
    file.write_bytes(content)
    try:
        deployment = attach(str(file))
    except CannotAttach as error:
        assert "damaged" in str(error)
        return
    report = run_checks(deployment, registry.all_checks())
    assert not [result for result in report.results if result.outcome == "crashed"], report.results
    assert any("damaged" in result.reason for result in report.results)
    deployment.close()


def test_a_locked_file_is_waited_for_and_then_said_so(file):
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    holder.execute("begin exclusive")
    started = time.monotonic()
    told = why_not(str(file))
    assert 4 < time.monotonic() - started < 12
    assert "locked by another process; waited 5 s" in told
    threading.Timer(1.0, lambda: holder.execute("rollback")).start()
    attach(str(file)).close()
    holder.close()


def test_a_file_in_wal_mode_whose_server_runs(file):
    writer = sqlite3.connect(file, isolation_level=None)
    assert writer.execute("pragma journal_mode = wal").fetchone() == ("wal",)
    writer.execute("begin immediate")
    writer.execute("update htx_user set first_name = 'In progress' where id = 1")
    deployment = attach(str(file))
    assert deployment.counts()["users"] == 7
    writer.execute("commit")
    writer.close()
    deployment.close()


def test_a_file_in_wal_mode_at_rest_stays_as_it_is(file):
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("pragma journal_mode = wal")
    writer.close()
    before = file.read_bytes()
    deployment = attach(str(file))
    run_checks(deployment, registry.all_checks())
    deployment.close()
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.glob(f"{file.name}*")] == [file.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("wal", [False, True])
def test_a_file_and_directory_that_may_only_be_read(file, tmp_path_factory, wal):
    place = tmp_path_factory.mktemp("shut")
    shut = place / file.name
    shut.write_bytes(file.read_bytes())
    if wal:
        writer = sqlite3.connect(shut, isolation_level=None)
        writer.execute("pragma journal_mode = wal")
        writer.close()
    for parent in (place, *place.parents):
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    shut.chmod(0o444)
    child = os.fork()
    if child == 0:
        code = 9
        try:
            os.setgid(65534)
            os.setuid(65534)
            deployment = attach(str(shut))
            code = 0 if deployment.counts()["tasks"] == 267 and not deployment.can_fix else 8
        except BaseException as error:
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [path.name for path in place.iterdir()] == [shut.name]


# --- rights on PostgreSQL


@pytest.fixture
def role(postgres: str, postgresql: str) -> Iterator[Role]:
    """`role(name)` makes a role that may connect and read nothing; its URL."""
    made: list[str] = []

    def make(name: str, password: str = SECRET) -> str:
        _do(postgres, f"drop role if exists {name}", f"create role {name} login password '{password}'")
        made.append(name)
        return postgresql.replace("postgres@", f"{name}:{password}@")

    yield make
    for name in made:
        _do(postgresql, f"drop owned by {name}")
        _do(postgres, f"drop role {name}")


def outcomes(url: str) -> dict[str, tuple[str, str]]:
    deployment = attach(url)
    report = run_checks(deployment, registry.all_checks())
    deployment.close()
    return {result.code: (result.outcome, result.reason) for result in report.results}


def test_a_role_that_may_only_look_decides_all_a_superuser_does(postgresql, role):
    url = role("looker")
    _do(
        postgresql, "grant select on all tables in schema public to looker",
        "grant select on all sequences in schema public to looker", "grant pg_monitor to looker",
    )  # fmt: skip
    as_superuser, as_looker = outcomes(postgresql), outcomes(url)
    assert {code: told[0] for code, told in as_looker.items()} == {code: told[0] for code, told in as_superuser.items()}


@pytest.mark.parametrize(
    "table", ["htx_user", "task_completion", "io_storages_s3importstorage", "core_asyncmigrationstatus"]
)
def test_a_missing_grant_is_unknown_with_exactly_the_grant_that_cures(postgresql, role, table):
    url = role("partly")
    _do(postgresql, "grant select on all tables in schema public to partly", f"revoke select on {table} from partly")
    before = outcomes(url)
    grant = f"GRANT SELECT ON {table} TO partly;"
    undecided = {code: reason for code, (outcome, reason) in before.items() if outcome == "unknown" and grant in reason}
    assert undecided, before
    assert "crashed" not in {outcome for outcome, _ in before.values()}
    _do(postgresql, grant)
    after = outcomes(url)
    assert not [code for code in undecided if "GRANT" in after[code][1]], after


def test_a_role_without_any_right_is_told_grants_until_it_can_look(postgresql, role):
    """Following the printed GRANTs one by one leads to a full run."""
    url = role("beginner")
    for _ in range(80):
        needed = {match for _, reason in outcomes(url).values() for match in re.findall(r"GRANT [^;]+;", reason)}
        if not needed:
            break
        _do(postgresql, *needed)
    told = outcomes(url)
    assert {outcome for outcome, _ in told.values()} <= {"pass", "findings", "not_applicable", "unknown"}
    assert told["auth.mixed_case_email"][0] == "findings"


def test_a_schema_that_may_not_be_entered_is_told_its_grant(postgresql, role):
    url = role("outside")
    _do(postgresql, "revoke usage on schema public from public")
    told = why_not(url)
    assert "GRANT USAGE ON SCHEMA public TO outside;" in told
    _do(postgresql, "grant usage on schema public to outside", "grant select on all tables in schema public to outside")
    assert outcomes(url)["auth.mixed_case_email"][0] == "findings"


def test_tables_in_another_schema_are_told_with_the_way_in(postgresql):
    _do(postgresql, "alter schema public rename to ls", "create schema public")
    told = why_not(postgresql)
    assert "schema ls" in told and "options=-csearch_path=ls" in told
    attach(f"{postgresql}{'&' if '?' in postgresql else '?'}options=-csearch_path=ls").close()


def test_a_database_is_the_same_by_whatever_address(postgresql):
    here, there = attach(postgresql), attach(postgresql.replace("127.0.0.1", "localhost"))
    assert here.identity == there.identity
    here.close()
    there.close()


def test_without_the_right_to_read_migrations_it_attaches_all_the_same(postgresql, role):
    url = role("unversioned")
    _do(postgresql, "grant select on all tables in schema public to unversioned",
        "revoke select on django_migrations from unversioned")  # fmt: skip
    deployment = attach(url)
    assert deployment.schema.label_studio_version == "unknown"
    report = run_checks(deployment, registry.all_checks())
    told = {result.code: result for result in report.results}
    assert told["auth.mixed_case_email"].outcome == "findings"
    assert told["pg.pending_migrations"].outcome == "unknown"
    assert re.search(r'GRANT SELECT ON django_migrations TO "?unversioned"?;', told["pg.pending_migrations"].reason)
    deployment.close()


def test_tables_that_may_not_be_counted_are_left_out(postgresql, role):
    url = role("uncounted")
    _do(postgresql, "grant select on all tables in schema public to uncounted", "revoke select on task from uncounted")
    deployment = attach(url)
    counts = deployment.counts()
    assert "tasks" not in counts and counts["users"] == 7
    deployment.close()


def test_sessions_are_read_only_bounded_and_named(postgresql):
    deployment = attach(postgresql, statement_timeout_seconds=7)
    with deployment.read() as session:
        shown = {
            name: session.connection().exec_driver_sql(f"show {name}").scalar()
            for name in ("transaction_read_only", "statement_timeout", "lock_timeout", "application_name")
        }
    assert shown == {
        "transaction_read_only": "on", "statement_timeout": "7s", "lock_timeout": "5s", "application_name": "lsconsole",
    }  # fmt: skip
    deployment.close()


def test_the_identity_names_the_database_and_not_who_looks(postgresql):
    one, other = attach(postgresql), attach(postgresql.replace("postgres@", f"postgres:{SECRET}@"))
    assert one.identity == other.identity and len(one.identity) == 16
    one.close()
    other.close()


def test_grants_quote_odd_roles():
    assert grant_for("permission denied for table task", "ls-ro") == 'GRANT SELECT ON task TO "ls-ro";'
    assert grant_for("permission denied for schema ls", "ro") == "GRANT USAGE ON SCHEMA ls TO ro;"
    assert grant_for("something else", "") == "GRANT SELECT ON ALL TABLES IN SCHEMA public TO the_role;"


def _do(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def _ask(url: str, statement: str) -> str:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        answer = cursor.fetchone()[0]
    connection.close()
    return answer
