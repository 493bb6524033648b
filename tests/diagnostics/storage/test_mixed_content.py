"""storage.mixed_content: files on http below a page on https."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.mixed_content import mixed_content
from console.repair import repair_in_shards
from console.service import Console
from tests.diagnostics.storage.sources import make_source, narrowed
from tests.factories import BOTH_ENGINES, make_project, make_task
from tests.round_trip import assert_round_trip

CONFIG = (
    '<View><Image name="i" value="$image"/><Text name="t" value="$text"/><HyperText name="h" value="$html"/></View>'
)


@pytest.fixture
def address() -> str | None:
    return "https://annotate.example.com"


@pytest.fixture
def settings(settings: Settings, address: str | None) -> Settings:
    return settings.with_(label_studio_url=address)


@pytest.fixture
def project(session: Session, ctx: Context) -> SimpleNamespace:
    made = make_project(session, label_config=CONFIG)
    ctx.scope = Scope(project_id=made.id)
    return made


@pytest.mark.parametrize(
    "data",
    [
        {"image": "https://x.example.com/1.jpg"}, {"image": "http://localhost:8080/1.jpg"}, {"image": "http://127.0.0.1/1.jpg"},
        {"text": "http://x.example.com/1.jpg"}, {"origin": "http://x.example.com/1.jpg"}, {"image": "see http://x/1.jpg"},
        {"html": '<svg xmlns="http://www.w3.org/2000/svg"/>'}, {"html": '<a href="http://x.example.com/">x</a>'},
    ],
)  # fmt: skip
def test_what_is_not_loaded_from_http_is_healthy(
    ctx: Context, session: Session, project: SimpleNamespace, data: dict[str, Any]
) -> None:
    make_task(session, project=project, data=data)
    assert list(mixed_content.answers(ctx)) == []


@pytest.mark.parametrize(
    "data",
    [
        {"image": "http://x.example.com/1.jpg", "origin": "http://x.example.com"}, {"image": ["http://x.example.com/1.jpg"]},
        {"html": "<p><img src='http://x.example.com/1.jpg'></p>"}, {"$undefined$": "http://10.0.0.5/1.jpg"},
    ],
)  # fmt: skip
def test_files_on_http(
    console: Console, ctx: Context, session: Session, project: SimpleNamespace, data: dict[str, Any]
) -> None:
    make_task(session, project=project, data=data)
    [finding] = mixed_content.run(ctx)
    assert finding.subject == f"project:{project.id}"
    assert finding.summary == "1 task shows a file on http, and Label Studio is on https"
    plan = console.plan(finding, "use_https", by="test")
    after = str(plan.changes[0]["after"])
    assert "http://x.example.com/1.jpg" not in after and after.count("http://") == ("origin" in data)
    if "origin" in data:
        assert_round_trip(console, ctx, mixed_content, "use_https", finding)


@BOTH_ENGINES
def test_an_endpoint_on_http(console: Console, ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session, s3_endpoint="http://minio.example.com:9000"))
    [finding] = mixed_content.run(ctx)
    assert (finding.subject, finding.fixes) == (storage.subject, ("pass_through",))
    assert_round_trip(console, ctx, mixed_content, "pass_through", finding)


@pytest.mark.parametrize(
    "columns", [{"presign": False}, {"s3_endpoint": "https://minio.example.com"}, {"s3_endpoint": None}]
)
def test_an_endpoint_that_browsers_accept(ctx: Context, session: Session, columns: dict[str, Any]) -> None:
    narrowed(ctx, make_source(session, **{"s3_endpoint": "http://minio.example.com"} | columns))
    assert list(mixed_content.answers(ctx)) == []


def test_a_repair_in_shards_takes_tasks_alone(
    console: Console, ctx: Context, session: Session, project: SimpleNamespace
) -> None:
    make_source(session, project_id=project.id, s3_endpoint="http://minio.example.com")
    for number in range(3):
        make_task(session, project=project, data={"image": f"http://x.example.com/{number}.jpg"})
    ctx.close()
    done = repair_in_shards(
        console, mixed_content, "use_https", subject=f"project:{project.id}", by="t", reason="r", job_id="j",
        progress=lambda done, total, label: None, cancelled=lambda: False,
    )  # fmt: skip
    assert done["rows"] == 3
    assert [finding.subject.split(":")[0] for finding in mixed_content.run(ctx)] == ["storage"]


class TestLabelStudioOnHttp:
    @pytest.fixture
    def address(self) -> str | None:
        return "http://annotate.example.com"

    def test_it_is_not_applicable(self, ctx: Context) -> None:
        with pytest.raises(NotApplicable, match="on http"):
            list(mixed_content.answers(ctx))


class TestNobodyKnowsTheAddress:
    @pytest.fixture
    def address(self) -> str | None:
        return None

    def test_it_is_unknown_where_it_would_matter(
        self, ctx: Context, session: Session, project: SimpleNamespace
    ) -> None:
        assert list(mixed_content.answers(ctx)) == []
        make_task(session, project=project, data={"image": "http://x.example.com/1.jpg"})
        [answer] = list(mixed_content.answers(ctx))
        assert isinstance(answer, Unknown) and "LSCONSOLE_LABEL_STUDIO_URL" in str(answer)
