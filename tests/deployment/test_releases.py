import gzip
import os
import re
import sqlite3
from pathlib import Path

import pytest

from console.deployment.releases import Row, catalogue, detect, is_since, release_of

RELEASES = catalogue().releases
DJANGO = {("auth", "0001_initial"), ("contenttypes", "0001_initial"), ("sessions", "0001_initial")}
DUMPS = Path(os.environ.get("LSCONSOLE_TEST_DEPLOYMENTS", Path(__file__).parents[3] / "shared" / "deployments"))


def shipped(version: str) -> set[Row]:
    """What a fresh installation of a release records: its migrations, and each one that they squash."""
    items = catalogue().shipped(RELEASES.index(version))
    return {item.row for item in items} | {old for item in items for old in item.replaces} | DJANGO


def in_run_order(rows: set[Row]) -> list[Row]:
    """The order of `migrate`: by application and name, what a migration depends on before it."""
    ordered: list[Row] = []

    def visit(row: Row) -> None:
        if row in rows and row not in ordered:
            for needed in catalogue().migrations[row].after:
                visit(needed)
            ordered.append(row)

    for row in sorted(rows):
        visit(row)
    return ordered


@pytest.mark.parametrize("version", RELEASES)
def test_a_fresh_installation_is_named_and_complete(version):
    release = detect(shipped(version))
    assert version in (release.version, *release.alike)
    assert (release.pending, release.at_least, release.unknown_rows) == ((), False, 0)
    assert release.reached == release.version


def test_of_releases_with_the_same_migrations_the_newest_is_named_and_the_others_listed():
    assert detect(shipped("1.17.0")).version == "1.18.0"
    assert detect(shipped("1.17.0")).alike == ("1.17.0",)


@pytest.mark.parametrize("version", ["1.4.1.post1", "1.8.2.post1", "1.13.1"])
def test_rows_left_by_earlier_releases_do_not_disturb(version):
    release = detect(shipped(version) | shipped("1.23.2"))
    assert (release.version, release.pending, release.unknown_rows) == ("1.23.2", (), 0)


def test_pruned_rows_of_squashed_migrations_are_not_missed():
    squashed = set(catalogue().squashed_into)
    assert detect(shipped("1.23.2") - squashed).pending == ()


def test_a_squash_counts_when_all_that_it_replaces_is_there():
    squashes = {row for row, item in catalogue().migrations.items() if item.replaces}
    assert detect(shipped("1.23.2") - squashes).pending == ()


def test_a_missing_row_in_the_middle_is_pending_and_the_release_keeps_its_name():
    row = ("tasks", "0047_merge_20240318_2210")
    assert row in shipped("1.23.2")
    release = detect(shipped("1.23.2") - {row})
    assert (release.version, release.pending) == ("1.23.2", ("tasks.0047_merge_20240318_2210",))


@pytest.mark.parametrize("done", [0.25, 0.5, 0.75])
def test_a_half_run_upgrade_names_the_older_release_and_what_the_newer_lacks(done):
    new = in_run_order(shipped("1.23.2") - shipped("1.20.0"))
    ran = new[: int(len(new) * done)]
    release = detect(shipped("1.20.0") | set(ran))
    missing = {".".join(row) for row in set(new) - set(ran)}
    assert release.version == "1.20.0"
    assert RELEASES.index(release.reached) > RELEASES.index("1.20.0")
    assert release.pending and set(release.pending) <= missing
    if release.reached == "1.23.2":
        assert set(release.pending) == missing


def test_an_upgrade_that_died_in_its_last_release_is_half_run_too():
    new = in_run_order(shipped("1.21.0") - shipped("1.20.0"))
    release = detect(shipped("1.20.0") | set(new[:4]))
    assert (release.version, release.reached) == ("1.20.0", "1.21.0")
    assert set(release.pending) == {".".join(row) for row in new[4:]}


def test_a_first_installation_that_died_is_named_by_what_was_being_installed():
    ran = in_run_order({item.row for item in catalogue().shipped(len(RELEASES) - 1)})[:60]
    release = detect(set(ran) | DJANGO)
    assert release.version == release.reached
    assert len(release.pending) > 50


def test_rows_newer_than_every_known_release():
    release = detect(shipped("1.23.2") | {("tasks", "9000_from_the_future")})
    assert (release.version, release.at_least, release.unknown_rows, release.pending) == ("1.23.2", True, 1, ())


def test_a_build_of_ones_own_from_between_two_releases_has_nothing_pending():
    new = in_run_order(shipped("1.21.0") - shipped("1.20.0"))
    enterprise = {("lse_projects", "0001_initial"), ("lse_tasks", "0002_more")}
    release = detect(shipped("1.20.0") | set(new[:4]) | enterprise)
    assert (release.version, release.at_least, release.unknown_rows) == ("1.20.0", False, 2)
    assert release.pending == ()


def test_a_hole_is_found_in_such_a_build_too():
    rows = shipped("1.20.0") - {("projects", "0020_labelstreamhistory_unique_history")}
    hole = shipped("1.20.0") - rows
    release = detect(rows | {("lse_projects", "0001_initial")})
    assert set(release.pending) == {".".join(row) for row in hole}


@pytest.mark.parametrize("rows", [set(), DJANGO, DJANGO | {("core", "0001_initial"), ("users", "0001_initial")}])
def test_another_database_is_refused(rows):
    with pytest.raises(ValueError, match="not Label Studio"):
        detect(rows)


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.13.1", "1.18.0", "1.23.2"])
@pytest.mark.parametrize("engine", ["sqlite3", "pg.sql"])
def test_databases_made_by_label_studio_itself(version, engine, tmp_path):
    dump = DUMPS / f"label-studio-{version}.{engine}.gz"
    if not dump.exists():
        pytest.skip(f"no {dump}: set LSCONSOLE_TEST_DEPLOYMENTS to the folder with the databases")
    content = gzip.decompress(dump.read_bytes())
    release = detect(sqlite_rows(content, tmp_path) if engine == "sqlite3" else dump_rows(content))
    assert (release.version, release.pending) == (version, ())
    assert (release.at_least, release.unknown_rows) == (False, 0)


def sqlite_rows(content: bytes, folder: Path) -> set[Row]:
    (folder / "deployment.sqlite3").write_bytes(content)
    connection = sqlite3.connect(folder / "deployment.sqlite3")
    try:
        return set(connection.execute("SELECT app, name FROM django_migrations"))
    finally:
        connection.close()


def dump_rows(content: bytes) -> set[Row]:
    """Read the rows out of the text of the dump: (id, 'app', 'name', 'applied')."""
    inserts = re.findall(r"^INSERT INTO public\.django_migrations VALUES$(.*?);$", content.decode(), re.M | re.S)
    return set(re.findall(r"\(\d+, '(\w+)', '([^']+)',", "".join(inserts)))


def test_releases_compare_by_their_order_and_not_as_text():
    assert is_since("1.22.0", "1.22.0")
    assert is_since("1.23.2", "1.22.0")
    assert not is_since("1.8.2.post1", "1.22.0")
    assert not is_since("unknown", "1.0.0.post3")


def test_every_migration_has_a_first_release():
    for row in shipped("1.23.2") & set(catalogue().migrations):
        assert release_of(".".join(row)) in RELEASES
