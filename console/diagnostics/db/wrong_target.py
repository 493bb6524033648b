"""Label Studio talks to another database than before, and that one is empty.

People sign in (or cannot any more) and find no project. In nearly all cases nothing is lost: a variable such as DJANGO_DB,
POSTGRE_HOST or LABEL_STUDIO_BASE_DATA_DIR did not reach the new container, so Label Studio made itself a fresh SQLite file
or uses another database of the same server; or the volume with the data is not mounted. Do not sign up anew, and do not
import again: two halves are hard to put together.

Compare what the container was started with before and now, and put the volume and the variables back:

    docker inspect CONTAINER --format '{{json .Config.Env}} {{json .Mounts}}'

The console remembers what its earlier runs saw. Reported is a database with no tasks and at most one project if the
console saw one with tasks within `within_days` days, and not since; if another SQLite file of Label Studio's lies where
this one lies, or where Label Studio puts it, and holds tasks; or if the environment says DJANGO_DB=sqlite and describes a
PostgreSQL that holds tasks. A console that looks after several deployments in turn with
one store is not fooled: they go on being seen.

Source: how Label Studio chooses its database (DJANGO_DB, POSTGRE_*, DATABASE_NAME) and where it makes a SQLite file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import exc, func, literal, select

from ...amounts import counted
from ...deployment import database
from ...deployment.models import Project, Task
from ...deployment.sqlite_files import others_beside
from ...state.earlier import Seen, seen
from .. import Context, Finding, Severity, check
from ..memory import remembered

#: Other files that are looked into.
MOST_FILES = 5
DEFAULT_NAME = "label_studio.sqlite3"


@check(
    title="This is the database Label Studio has always used",
    severity=Severity.ERROR,
    impact="All projects seem to be gone, and what is done now goes to the wrong place",
    cause="Settings of the database, or the volume it lies on, did not reach the new container.",
)
def wrong_target(ctx: Context, within_days: int = 60) -> Iterator[Finding]:
    """One finding for the database. Rows: what is attached now, what was seen before, other files with their contents."""
    projects = ctx.read.scalar(select(func.count()).select_from(Project)) or 0
    tasks = (
        ctx.read.scalar(select(func.count()).select_from(select(literal(1)).select_from(Task).limit(1).subquery())) or 0
    )
    if tasks or projects > 1:
        return
    ctx.close()
    rows: list[dict[str, Any]] = [
        {"database": f"attached now ({ctx.deployment.kind})", "seen": ctx.now, "projects": projects, "tasks": 0}
    ]
    told = []
    before = _before(ctx, within_days)
    if before is not None:
        same = before.deployment == ctx.deployment.identity
        which = "this database" if same else f"another {before.kind} database"
        rows.append({"database": which, "seen": before.at, "projects": before.projects, "tasks": before.tasks})
        told.append(f"on {before.at:%Y-%m-%d %H:%M} UTC {which} held {_held(before.projects, before.tasks)}")
    for name, held in (*_other_files(ctx), *_unused_postgresql(ctx)):
        rows.append({"database": name, "seen": ctx.now} | held)
        told.append(f"{name} holds {_held(held['projects'], held['tasks'])}")
    if not told:
        return
    yield Finding(
        subject="deployment:database", name="Database",
        summary=f"The database holds {counted(projects, 'project')} and no task, while {'; '.join(told)}",
        evidence=ctx.evidence("project, task, and what earlier runs of the console saw", rows),
    )  # fmt: skip


def _held(projects: int, tasks: int) -> str:
    return f"{counted(projects, 'project')} and {counted(tasks, 'task')}"


def _before(ctx: Context, within_days: int) -> Seen | None:
    """The newest run that saw tasks, unless its database was seen again after this one came."""
    runs = remembered(ctx, seen) or []
    mine = ctx.deployment.identity
    empty = [run.number for run in runs if run.deployment == mine and not run.tasks]
    came = min(empty, default=None)
    filled = next((run for run in runs if run.tasks), None)
    if filled is None or filled.at < ctx.now - timedelta(days=within_days):
        return None
    return None if filled.deployment != mine and came is not None and filled.number > came else filled


def _other_files(ctx: Context) -> Iterator[tuple[str, dict[str, int]]]:
    """SQLite files of Label Studio's, in its usual places, that hold tasks."""
    usual = ctx.settings.base_data_dir / DEFAULT_NAME
    places = [usual] if usual.is_file() else []
    if ctx.deployment.kind == "sqlite":
        mine = Path(ctx.deployment.engine.url.database or "").absolute()
        places = [place for place in places if place.resolve() != mine.resolve()] + others_beside(mine)
    for path in list(dict.fromkeys(place.resolve() for place in places))[:MOST_FILES]:
        held = _contents(f"sqlite:///{path}")
        if held and held["tasks"]:
            yield str(path), held


def _unused_postgresql(ctx: Context) -> Iterator[tuple[str, dict[str, int]]]:
    """The PostgreSQL that the environment describes while DJANGO_DB says sqlite, when it holds tasks."""
    url = ctx.settings.unused_postgresql_url
    held = _contents(url) if url and ctx.deployment.kind == "sqlite" else None
    if url and held and held["tasks"]:
        parsed = database.parse_url(url)
        yield f"PostgreSQL database {parsed.database} on {parsed.host} (passed over, as DJANGO_DB is sqlite)", held


def _contents(url: str) -> dict[str, int] | None:
    """Projects and tasks of another database; None when it cannot be reached or is none of Label Studio's."""
    engine = database.read_engine(url, statement_timeout_seconds=2)
    try:
        with database.read_session(engine) as session:
            return {"projects": session.scalar(select(func.count()).select_from(Project)) or 0,
                    "tasks": session.scalar(select(func.count()).select_from(Task)) or 0}  # fmt: skip
    except exc.SQLAlchemyError:
        return None
    finally:
        engine.dispose()
