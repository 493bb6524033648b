"""local.token_403: a good token, and local files that do not come."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.local.token_403 import token_403
from tests.diagnostics.local.answering import label_studio
from tests.diagnostics.local.rows import make_naming
from tests.factories import make_project

WHO = "/api/current-user/whoami"
FILE = "/data/local-files/"


@pytest.fixture(autouse=True)
def project(session: Session, ctx: Context, root: Path) -> SimpleNamespace:
    project = make_project(session)
    make_naming(session, project.id, [f"{root}/set/1.jpg"])
    ctx.scope = Scope(project_id=project.id)
    return project


def test_files_that_come_are_healthy(ctx: Context) -> None:
    answers = {WHO: (200, "{}"), FILE: (206, "x"), "/data/local-files": (301, "/data/local-files/")}
    with label_studio(ctx, answers) as asked:
        assert list(token_403.answers(ctx)) == []
    assert [path for path, _ in asked] == [WHO, f"{FILE}?d=set/1.jpg", "/data/local-files?d=set/1.jpg"]
    assert {header for _, header in asked} == {"Token its-token"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [((403, ""), "answers 403"), ((404, ""), "answers 404"), ((302, "https://elsewhere/"), "answers a redirect")],
)
def test_a_good_token_gets_no_file(ctx: Context, answer: tuple[int, str], told: str) -> None:
    with label_studio(ctx, {WHO: (200, "{}"), FILE: answer}):
        [finding] = token_403.run(ctx)
    assert told in finding.summary and len(finding.evidence) == 3
    assert "its-token" not in str(finding)


def test_files_that_are_not_served_are_another_checks_matter(ctx: Context) -> None:
    with label_studio(ctx, {WHO: (200, "{}"), FILE: (403, "Serving local files can be dangerous, so")}):
        assert list(token_403.answers(ctx)) == []


def test_a_bad_token_decides_nothing(ctx: Context) -> None:
    with label_studio(ctx, {WHO: (401, "")}), pytest.raises(Unknown, match="does not accept"):
        list(token_403.answers(ctx))


def test_a_personal_token_is_exchanged_first(ctx: Context) -> None:
    answers = {"/api/token/refresh": (200, '{"access": "short-lived"}'), WHO: (200, "{}"), FILE: (200, "x")}
    with label_studio(ctx, answers, token="head.body.tail") as asked:
        assert list(token_403.answers(ctx)) == []
    assert asked[1][1] == "Bearer short-lived"


def test_without_address_and_token_nothing_is_known(ctx: Context) -> None:
    with pytest.raises(Unknown, match="LSCONSOLE_LABEL_STUDIO_TOKEN"):
        list(token_403.answers(ctx))


def test_without_local_files_there_is_nothing_to_look_at(ctx: Context, session: Session) -> None:
    ctx.scope = Scope(project_id=make_project(session).id)
    with pytest.raises(NotApplicable):
        list(token_403.answers(ctx))
