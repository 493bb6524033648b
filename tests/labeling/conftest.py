"""One transaction on a copy of a real database, in the name of alice of organization 1."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from console.deployment import Deployment
from console.labeling.db import Caller, Db

Writing = Callable[..., contextlib.AbstractContextManager[Db]]


@pytest.fixture
def writing(deployment: Deployment) -> Writing:
    """`with writing() as db:` commits at its end; `writing(user_id=3)` in the name of somebody else."""

    @contextlib.contextmanager
    def begin(user_id: int = 1, organization_id: int | None = 1) -> Iterator[Db]:
        with deployment.write() as session:
            yield Db(session, deployment.schema, Caller(user_id, "alice@example.com", organization_id))

    return begin
