"""The catalogue of each release, as it really is."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from console.deployment.models import LabelStudio, Prediction, Project, Task, User
from console.deployment.schema import _postgresql_columns
from console.deployment.storages import KINDS, count_by_kind, storage, storages
from console.errors import NotApplicable, NotFound
from tests.factories import BOTH_ENGINES
from tests.servers import dump_versions

RELEASES = pytest.mark.parametrize("version", dump_versions())


@BOTH_ENGINES
@RELEASES
def test_every_table_can_be_read_whole_in_every_release(deployment, engine, version):
    with deployment.read() as session:
        for name in deployment.schema.columns:
            session.execute(select(deployment.schema.table(name)).limit(3)).all()
        for model in deployment.schema.fitted.values():
            session.scalars(select(model).limit(3)).all()
        for model in LabelStudio.__subclasses__():
            if deployment.schema.has(model):
                present = deployment.schema.present(model)
                assert present
                session.execute(select(*present).limit(3)).all()


@BOTH_ENGINES
@RELEASES
def test_every_table_has_its_key(deployment, engine, version):
    for name in deployment.schema.columns:
        assert deployment.schema.table(name).primary_key.columns.keys(), name


@RELEASES
def test_what_a_release_lacks_is_not_applicable(deployment, version):
    schema = deployment.schema
    assert schema.has(User.email) and schema.has(Task)
    schema.need(User.email, Project, Prediction.score)
    if version == "1.8.2.post1":
        from console.deployment.models import OrganizationMember

        with pytest.raises(
            NotApplicable, match=r"1\.8\.2\.post1 has no column organizations_organizationmember\.deleted_at"
        ):
            schema.need(OrganizationMember.deleted_at)
    with pytest.raises(NotFound, match="has no table nonsense"):
        schema.table("nonsense")


@BOTH_ENGINES
@RELEASES
def test_storages_are_one_row_each_in_every_release(deployment, engine, version):
    with deployment.read() as session:
        found = list(storages(session, deployment.schema, targets=True))
        references = [item.reference for item in found]
        assert len(found) == 8 and len(set(references)) == 8
        assert sum(count_by_kind(session, deployment.schema).values()) == 8
        s3 = storage(session, deployment.schema, "s3:1")
        assert (s3.title, s3.get("bucket"), s3.subject) == ("S3 review JSON", "ls-demo-tasks", "storage:s3:1")
        for item in found:
            assert item.place and item.title and item.get("project_id") in range(1, 6)
            again = storage(session, deployment.schema, item.reference)
            assert again.row == item.row
        for wrong in ("s3:99", "s3:", "s3", "ftp:1", "s3:x", f"s3:{10**17}", "s3:-1", "gcs-export:1"):
            with pytest.raises(NotFound):
                storage(session, deployment.schema, wrong)
        assert {item.reference for item in storages(session, deployment.schema, project_id=1)} == {"s3:1"}
    assert set(KINDS) >= {"s3", "gcs", "azure", "redis", "localfiles", "s3-export"}


@BOTH_ENGINES
def test_counting_is_exact_for_small_deployments(deployment, engine):
    counted = deployment.counts()
    with deployment.read() as session:
        assert counted["tasks"] == session.scalar(select(func.count()).select_from(Task))


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_postgresql_without_generated_columns_is_read_too(deployment):
    """PostgreSQL 11 has no pg_attribute.attgenerated; the catalogue is asked without it."""
    with deployment.engine.connect() as connection:
        whole = _postgresql_columns(connection)
        connection.dialect.server_version_info = (11, 22)
        old = _postgresql_columns(connection)
    assert set(old) == set(whole)
    assert whole["project"]["search_vector"].generated and not old["project"]["search_vector"].generated
