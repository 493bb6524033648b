"""Find things of the deployment by what a ticket says: an id, a part of an e-mail or a title. Two statements at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, func, literal, null, or_, select, text, union_all
from sqlalchemy.orm import Session

from ..masking import mask_text
from .models import Annotation, Organization, Project, Task, User
from .schema import Schema

#: Hits shown of each kind; one more is asked for, to know whether there are more.
HITS = 8
#: A search gives up after this long rather than keep people waiting.
SECONDS = 3
BY_ID = {"user": User, "organization": Organization, "project": Project, "task": Task, "annotation": Annotation}


@dataclass(frozen=True)
class Hit:
    """One object found. `exact`: it is what was asked for, not something like it."""

    kind: str
    id: int
    title: str
    note: str
    exact: bool = False


def limit_time(session: Session) -> None:
    """Let the statements of this transaction run for `SECONDS` at most; SQLite has its own clock."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("select set_config('statement_timeout', :limit, true)"), {"limit": str(SECONDS * 1000)})


def by_id(session: Session, schema: Schema, number: int, kinds: Sequence[str] = tuple(BY_ID)) -> list[Hit]:
    """Whatever has this id, in the order of `kinds`."""
    parts = [_by_id(kind, number) for kind in kinds]
    found = {row.kind: row for row in session.execute(union_all(*parts))}
    return [
        Hit(kind, number, _title(kind, number, found[kind].title), _note(found[kind].note), True)
        for kind in kinds
        if kind in found
    ]


def _by_id(kind: str, number: int) -> Any:
    model: Any = BY_ID[kind]
    notes: dict[str, Any] = {"task": Task.project_id, "annotation": Annotation.task_id}
    titles: dict[str, Any] = {"user": User.email, "organization": Organization.title, "project": Project.title}
    lead = {"task": "project ", "annotation": "task "}.get(kind, "")
    note = literal(lead) + cast(notes[kind], Text) if kind in notes else null()
    return select(
        literal(kind).label("kind"), cast(titles.get(kind, null()), Text).label("title"), cast(note, Text).label("note")
    ).where(model.id == number)  # fmt: skip


def by_words(session: Session, words: str) -> list[Hit]:
    """Users by e-mail and name, projects and organizations by title; capitals do not matter. At most HITS + 1 each."""
    people = or_(
        User.email.icontains(words, autoescape=True), User.username.icontains(words, autoescape=True),
        (func.coalesce(User.first_name, "") + " " + func.coalesce(User.last_name, "")).icontains(words, autoescape=True),
    )  # fmt: skip
    parts = [
        _some("user", User, User.email, func.coalesce(User.first_name, "") + " " + func.coalesce(User.last_name, ""), people, words),
        _some("project", Project, Project.title, null(), Project.title.icontains(words, autoescape=True), words),
        _some("organization", Organization, Organization.title, null(), Organization.title.icontains(words, autoescape=True), words),
    ]  # fmt: skip
    hits = []
    for row in session.execute(union_all(*parts)):
        exact = (row.title or "").strip().lower() == words.lower()
        hits.append(Hit(row.kind, row.id, _title(row.kind, row.id, row.title), _note(row.note), exact))
    return sorted(hits, key=lambda hit: (not hit.exact, hit.title.lower()))


def _some(kind: str, model: Any, title: Any, note: Any, condition: Any, words: str) -> Any:
    whole = func.lower(title) == words.lower()
    chosen = (
        select(literal(kind).label("kind"), model.id.label("id"), cast(title, Text).label("title"), cast(note, Text).label("note"))
        .where(condition).order_by(whole.desc(), model.id).limit(HITS + 1).subquery()
    )  # fmt: skip
    return select(chosen)


def _title(kind: str, number: int, name: str | None) -> str:
    return mask_text(name)[:200] if name else f"{kind} {number}"


def _note(note: str | None) -> str:
    return mask_text((note or "").strip())[:200]
