"""What pages, command and API share: attaching, and looking at what is there now."""

from __future__ import annotations

import pytest

from console import service
from console.deployment import Deployment
from console.errors import CannotAttach
from console.service import Console


def test_a_failed_attach_is_remembered_for_a_moment(settings, monkeypatch):
    tried = []

    def refuse(settings):
        tried.append(settings)
        raise CannotAttach("Nothing listens there.")

    monkeypatch.setattr(Deployment, "attach", refuse)
    console = Console(settings)
    for _ in range(3):
        with pytest.raises(CannotAttach, match="Nothing listens there"):
            _ = console.deployment
    assert len(tried) == 1
    monkeypatch.setattr(service, "FAILURE_SECONDS", 0.0)
    with pytest.raises(CannotAttach):
        _ = console.deployment
    assert len(tried) == 2


def test_a_run_of_everything_sees_a_table_that_went_meanwhile(console, session, monkeypatch):
    assert console.deployment.schema.has_table("core_asyncmigrationstatus")
    session.connection().exec_driver_sql("alter table core_asyncmigrationstatus rename to gone")
    session.commit()
    assert console.check(["pg.async_migration"], by="test").results[0].outcome == "not_applicable"
    assert console.deployment.schema.has_table("core_asyncmigrationstatus")
    monkeypatch.setattr(service, "CATALOGUE_SECONDS", 0.0)
    console.check(by="test")
    assert not console.deployment.schema.has_table("core_asyncmigrationstatus")
