"""A console that looks at PostgreSQL with a role of few rights, and a browser on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg2
from psycopg2 import sql
from sqlalchemy import make_url

from console.app import build
from console.config import Settings
from console.service import Console
from console.views import frame
from tests.views.conftest import Browser, signed_in


@contextmanager
def browser_as(settings: Settings, grants: Sequence[str], email: str, *, fixing: bool = False) -> Iterator[Browser]:
    """A browser on a console whose role has these rights; `{}` in a grant is the role. `fixing`: the owner still fixes."""
    name = f"looker_{secrets.token_hex(4)}"
    owner = psycopg2.connect(settings.database_url)
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(name)))
        for grant in grants:
            cursor.execute(sql.SQL(grant).format(sql.Identifier(name)))
    url = make_url(settings.database_url or "").set(username=name, password="x").render_as_string(hide_password=False)
    fix_url = settings.database_url if fixing else None
    console = Console(replace(settings, database_url=url, fix_database_url=fix_url))
    frame._attached.clear()
    try:
        app = build(console=console)
        app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
        app.test_client_class = Browser
        yield signed_in(app, console, email)
    finally:
        console.close()
        with owner.cursor() as cursor:
            cursor.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
        owner.close()
