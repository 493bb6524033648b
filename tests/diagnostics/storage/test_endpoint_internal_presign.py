"""storage.endpoint_internal_presign: signed links that a browser cannot follow."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics.check import Context
from console.diagnostics.storage.endpoint_internal_presign import endpoint_internal_presign
from console.service import Console
from tests.diagnostics.storage.sources import make_source, narrowed
from tests.round_trip import assert_round_trip

PUBLIC = ["", None, "https://s3.eu-west-1.amazonaws.com", "https://minio.example.com", "http://minio.example.com:9000"]
INTERNAL = [
    "http://minio:9000", "http://10.0.0.5", "https://10.0.0.5:9000", "http://minio.storage.svc:9000", "minio:9000",
    "http://minio.storage.svc.cluster.local", "http://minio.local", "http://192.168.1.5", "http://[fd00::1]:9000",
    "http://172.17.0.1:9000", "http://host.docker.internal:9000",
]  # fmt: skip


@pytest.mark.parametrize("endpoint", PUBLIC)
def test_public_endpoints_are_healthy(ctx: Context, session: Session, endpoint: str | None) -> None:
    narrowed(ctx, make_source(session, s3_endpoint=endpoint))
    assert list(endpoint_internal_presign.answers(ctx)) == []


@pytest.mark.parametrize("endpoint", INTERNAL)
def test_names_and_addresses_of_the_inside(ctx: Context, session: Session, endpoint: str) -> None:
    storage = narrowed(ctx, make_source(session, s3_endpoint=endpoint))
    [finding] = endpoint_internal_presign.run(ctx)
    assert finding.subject == storage.subject and finding.fixes == ("switch_off",)
    assert finding.summary.endswith("only the server's own network knows this address")


def test_the_repair(console: Console, ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, s3_endpoint="http://minio:9000"))
    [finding] = endpoint_internal_presign.run(ctx)
    assert_round_trip(console, ctx, endpoint_internal_presign, "switch_off", finding)


@pytest.mark.parametrize("version", ["1.13.1"])
def test_an_old_release_cannot_pass_files_through(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, s3_endpoint="http://minio:9000"))
    [finding] = endpoint_internal_presign.run(ctx)
    assert finding.fixes == () and "cannot pass files through" in finding.cause


def test_without_signed_links_it_is_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, s3_endpoint="http://minio:9000", presign=False))
    assert list(endpoint_internal_presign.answers(ctx)) == []


class TestWithAnAddressOfLabelStudio:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(label_studio_url="https://annotate.example.com", bucket_endpoints=("localhost:9000",))

    @pytest.mark.parametrize("endpoint", ["https://127.0.0.1:9000", "http://localhost", "http://localhost:9001/"])
    def test_this_machine_is_not_the_annotators(self, ctx: Context, session: Session, endpoint: str) -> None:
        narrowed(ctx, make_source(session, s3_endpoint=endpoint))
        found = endpoint_internal_presign.run(ctx)
        assert len(found) == (0 if "localhost" in endpoint else 1)

    def test_http_below_https(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, s3_endpoint="http://minio.example.com:9000"))
        assert "a page on https refuses that" in endpoint_internal_presign.run(ctx)[0].summary


class TestTheEnvironment:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(bucket_environment={"S3_ENDPOINT": "http://minio:9000"})

    def test_its_endpoint_counts_where_the_row_has_none(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, s3_endpoint=""))
        assert endpoint_internal_presign.run(ctx)[0].evidence.rows[0]["from"] == "S3_ENDPOINT"
