"""Label Studio's rows and our own store side by side, and the workspace that a project is put into."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..app import the_console
from ..errors import Invalid, NotFound
from ..labeling import workspaces
from ..labeling.workspaces import Kept
from .fields import Id, Wrong
from .request import data, reading


@contextlib.contextmanager
def looking() -> Iterator[Kept]:
    """Both databases, for looking."""
    console = the_console()
    with reading() as db, console.store.read() as session:
        yield Kept(db, session, console.deployment.identity)


@contextlib.contextmanager
def keeping() -> Iterator[Kept]:
    """One writing transaction on our own store, beside one that looks at Label Studio's rows."""
    console = the_console()
    with reading() as db, console.store.session() as session:
        yield Kept(db, session, console.deployment.identity)


def wanted_workspace() -> int | None:
    """The `workspace` that the body of a project names; 0 is none, as in the migration guide. Raises Invalid."""
    body = data()
    named = body.get("workspace") if isinstance(body, dict) else None
    if named in (None, "", 0, "0"):
        return None
    try:
        workspace_id = Id().parse(named)
        with looking() as kept:
            workspaces.row(kept, workspace_id)
    except Wrong as wrong:
        raise Invalid({"workspace": wrong.messages}) from None
    except NotFound:
        raise Invalid({"workspace": [f'Invalid pk "{named}" - object does not exist.']}) from None
    return workspace_id


def place(workspace_id: int, project_id: int) -> None:
    """Put a project into its workspace."""
    with keeping() as kept:
        workspaces.put_project(kept, workspace_id, project_id)
