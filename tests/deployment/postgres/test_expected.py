"""Indexes that the attached release should have."""

import pytest

from console.deployment import database
from console.deployment.postgres import expected, indexes
from console.deployment.schema import Schema
from tests.servers import dump_versions


def missing(url, read):
    engine = database.read_engine(url)
    with engine.connect() as connection:
        schema = Schema.read(connection)
    engine.dispose()
    with read() as session:
        return expected.missing(schema, indexes.read(session))


@pytest.mark.parametrize("version", dump_versions())
def test_a_whole_release_misses_none(url, read):
    assert missing(url, read) == []


def test_an_absent_and_an_invalid_one_are_told_with_the_statement(admin, url, read):
    admin(
        "drop index task_proj_octlen_idx",
        "update pg_index set indisvalid = false where indexrelid = 'project_deleted_at_idx'::regclass",
    )
    found = {item.expected.name: item for item in missing(url, read)}
    assert set(found) == {"task_proj_octlen_idx", "project_deleted_at_idx"}
    assert found["task_proj_octlen_idx"].found is None
    assert found["project_deleted_at_idx"].found.valid is False
    admin(found["task_proj_octlen_idx"].expected.statement)
    assert [item.expected.name for item in missing(url, read)] == ["project_deleted_at_idx"]


def test_every_statement_builds_what_label_studio_built(admin, read):
    with read() as session:
        before = {index.name: index.definition for index in indexes.read(session)}
    for item in expected.EXPECTED:
        if item.name in before:
            admin(f"drop index {item.name}", item.statement)
    with read() as session:
        assert {index.name: index.definition for index in indexes.read(session)} == before


def test_the_same_index_under_another_name_is_not_missed(admin, url, read):
    admin(
        "alter index task_completion_id_updated_at_idx rename to by_hand",
        "alter index tasks_predictions_result_proj_gin rename to by_hand_too",
    )
    assert missing(url, read) == []


def test_without_the_migrations_nobody_knows(admin, url, read, lowly):
    admin('revoke select on django_migrations from "Only Looks"')
    assert missing(url.replace("postgres@", "Only%20Looks@"), lowly) is None
