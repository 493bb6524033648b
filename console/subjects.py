"""What a person types to name an object: an e-mail, an id, a title, an address from the browser, `s3:4`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from .deployment.models import Organization, Project, User
from .deployment.storages import KINDS, Storage, project_titles, storage, storages
from .diagnostics.check import Subject
from .errors import NotFound, Refused
from .service import Console, find_users

#: Objects offered when what was typed fits several.
MOST_CANDIDATES = 8
LONGEST = 500


@dataclass(frozen=True)
class Candidate:
    """An object that fits what was typed; `note` tells it from others that fit as well."""

    subject: str
    name: str
    note: str = ""


def candidates(console: Console, kind: str, typed: str) -> list[Candidate]:
    """Users, projects or storages that fit, the best first; empty when none does."""
    text = typed.replace("\x00", "").strip()[:LONGEST].removeprefix(f"{kind}:")
    if not text:
        return []
    with console.deployment.read() as session:
        if kind == "user":
            return _users(session, text)
        if kind == "project":
            return _projects(session, text)
        return _storages(console, session, text)


def one_project(console: Console, typed: str) -> int:
    """The project of a number or of words of its title. Raises NotFound for none, and Refused with the list for several:
    none is chosen for a person."""
    wanted = typed.strip()
    if wanted.isascii() and wanted.isdecimal():
        return int(wanted)
    shown, fitting = wanted[:100], candidates(console, "project", wanted)
    if not fitting:
        raise NotFound(f"No project has {shown!r} in its title. Its number stands in its address: /projects/12.")
    if len(fitting) > 1:
        named = ", ".join(f"{item.subject.partition(':')[2]} “{item.name}”" for item in fitting)
        most = " and maybe more" if len(fitting) == MOST_CANDIDATES else ""
        raise Refused(f"Several projects have {shown!r} in their title: {named}{most}. Give the number.")
    return int(fitting[0].subject.partition(":")[2])


def prefill(console: Console, kind: str, typed: str) -> str:
    """What a form shows for a subject of a link: the e-mail of `user:5`, else what follows the kind."""
    text = typed.strip()[:LONGEST].removeprefix(f"{kind}:")
    if kind == "user" and _number(text) is not None:
        with console.deployment.read() as session:
            return session.scalar(select(User.email).where(User.id == _number(text))) or text
    return text


def _number(text: str) -> int | None:
    """An id, or None for anything that no id can be."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _users(session: Session, text: str) -> list[Candidate]:
    columns = select(User.id, User.email, User.username, User.is_active)
    number = _number(text)
    if number is not None:
        found = _as_users(session, columns.where(User.id == number))
        if found:
            return found
    ids = find_users(session, text)
    if ids:
        found = _as_users(session, columns.where(User.id.in_(ids)))
        return sorted(found, key=lambda item: ids.index(int(item.subject.rpartition(":")[2])))
    near = or_(User.email.icontains(text, autoescape=True), func.lower(User.username) == text.lower())
    return _as_users(session, columns.where(near).order_by(User.email).limit(MOST_CANDIDATES))


def _as_users(session: Session, statement: Select[Any]) -> list[Candidate]:
    return [
        Candidate(f"user:{row.id}", row.email or row.username, f"user {row.id}{'' if row.is_active else ', inactive'}")
        for row in session.execute(statement)
    ]


def _projects(session: Session, text: str) -> list[Candidate]:
    in_address = re.search(r"/projects/(\d{1,9})(?!\d)", text)
    number = int(in_address[1]) if in_address else _number(text)
    columns = select(Project.id, Project.title)
    if number is not None:
        found = _as_projects(session, columns.where(Project.id == number))
        if found or in_address:
            return found
    equal = func.lower(Project.title) == text.lower()
    near = columns.where(Project.title.icontains(text, autoescape=True))
    return _as_projects(session, near.order_by(equal.desc(), Project.title, Project.id).limit(MOST_CANDIDATES))


def _as_projects(session: Session, statement: Select[Any]) -> list[Candidate]:
    return [
        Candidate(f"project:{row.id}", row.title or f"project {row.id}", f"project {row.id}")
        for row in session.execute(statement)
    ]


def _storages(console: Console, session: Session, text: str) -> list[Candidate]:
    schema = console.deployment.schema
    prefix, _, number = text.rpartition(":")
    if prefix in KINDS and _number(number) is not None:
        try:
            return _as_storages(session, iter([storage(session, schema, text)]))
        except NotFound:
            return []
    in_address = re.search(r"/projects/(\d{1,9})(?!\d)", text)
    if in_address:
        return _as_storages(session, storages(session, schema, targets=True, project_id=int(in_address[1])))
    wanted = text.lower()
    every = storages(session, schema, targets=True)
    return _as_storages(session, (item for item in every if wanted in f"{item.title}\n{item.place}".lower()))


def _as_storages(session: Session, found: Iterator[Storage]) -> list[Candidate]:
    kept = [item for _, item in zip(range(MOST_CANDIDATES), found, strict=False)]
    titles = project_titles(session, {item.row["project_id"] for item in kept if item.row.get("project_id")})
    return [
        Candidate(item.subject, item.title, f"{item.reference}, {titles.get(item.row.get('project_id') or 0, '')}")
        for item in kept
    ]


def facts(console: Console, subject: str) -> list[tuple[str, str]]:
    """What is known about a user, project or storage: (label, text) pairs; nothing when it is gone."""
    parsed = Subject.parse(subject)
    with console.deployment.read() as session:
        if parsed.kind == "storage":
            return _storage_facts(console, session, parsed.id)
        number = _number(parsed.id)
        if parsed.kind == "user" and number is not None:
            return _user_facts(session, number)
        if parsed.kind == "project" and number is not None:
            return _project_facts(session, number)
    return []


def _user_facts(session: Session, number: int) -> list[tuple[str, str]]:
    row = session.execute(
        select(User.email, User.is_active, User.last_login, Organization.title)
        .outerjoin(Organization, Organization.id == User.active_organization_id).where(User.id == number)
    ).first()  # fmt: skip
    if row is None:
        return []
    seen = f"{row.last_login:%Y-%m-%d %H:%M} UTC" if row.last_login else "never"
    return [("User", f"{row.email}"), ("Account", "active" if row.is_active else "deactivated"),
            ("Organization", row.title or "none"), ("Last sign-in", seen)]  # fmt: skip


def _project_facts(session: Session, number: int) -> list[tuple[str, str]]:
    row = session.execute(
        select(Project.title, Project.created_at, Organization.title.label("organization"))
        .outerjoin(Organization, Organization.id == Project.organization_id).where(Project.id == number)
    ).first()  # fmt: skip
    if row is None:
        return []
    made = f"{row.created_at:%Y-%m-%d}" if row.created_at else "unknown"
    return [
        ("Project", f"{number}, {row.title or 'untitled'}"),
        ("Organization", row.organization or "none"),
        ("Created", made),
    ]


def _storage_facts(console: Console, session: Session, reference: str) -> list[tuple[str, str]]:
    try:
        found = storage(session, console.deployment.schema, reference)
    except NotFound:
        return []
    project = found.row.get("project_id")
    title = project_titles(session, {project}).get(project, "") if project else ""
    return [("Storage", f"{reference}, {found.title}"), ("Place", found.place or "not set"),
            ("Project", f"{project}, {title}"), ("State", str(found.row.get("status") or "unknown"))]  # fmt: skip
