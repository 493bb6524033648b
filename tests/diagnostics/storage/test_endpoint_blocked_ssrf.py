"""storage.endpoint_blocked_ssrf: what Label Studio refuses to connect to, and what nobody should."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Severity, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage import endpoint_blocked_ssrf as module
from console.diagnostics.storage.endpoint_blocked_ssrf import endpoint_blocked_ssrf
from tests.diagnostics.storage.sources import make_source, narrowed, set_columns

METADATA = ["http://169.254.169.254", "http://169.254.169.254:80/latest", "http://metadata.google.internal",
            "http://100.100.100.200", "http://[fd00:ec2::254]"]  # fmt: skip
PRIVATE = ["http://10.0.0.5", "https://10.0.0.5:9000", "http://192.168.1.5:9000", "https://172.16.3.4", "http://[::1]:9000",
           "http://100.64.1.1", "10.0.0.5:9000", "http://2886729729"]  # fmt: skip


@pytest.mark.parametrize("endpoint", ["", None, "https://s3.eu-west-1.amazonaws.com", "https://8.8.8.8:9000"])
def test_public_addresses_are_healthy(ctx: Context, session: Session, endpoint: str | None) -> None:
    narrowed(ctx, make_source(session, s3_endpoint=endpoint))
    assert list(endpoint_blocked_ssrf.answers(ctx)) == []


@pytest.mark.parametrize("endpoint", PRIVATE)
def test_private_networks(ctx: Context, session: Session, endpoint: str) -> None:
    storage = narrowed(ctx, make_source(session, s3_endpoint=endpoint))
    [finding] = endpoint_blocked_ssrf.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert "is in a network that Label Studio refuses" in finding.summary


@pytest.mark.parametrize("endpoint", ["http://minio-of-nobody:9000", "http://minio.storage.svc.cluster.local"])
def test_names_of_the_inside_that_do_not_resolve_here(ctx: Context, session: Session, endpoint: str) -> None:
    narrowed(ctx, make_source(session, s3_endpoint=endpoint))
    [finding] = endpoint_blocked_ssrf.run(ctx)
    assert finding.severity == Severity.WARNING and "a name of the inside" in finding.summary


def test_a_public_name_that_does_not_resolve_is_unknown(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, s3_endpoint="https://store.does-not-exist.invalid"))
    [answer] = list(endpoint_blocked_ssrf.answers(ctx))
    assert isinstance(answer, Unknown) and "does not resolve here" in str(answer)


def test_a_name_server_that_never_answers_takes_no_time(
    ctx: Context, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(module, "_look_up", lambda host: module.threading.Event().wait(5))
    narrowed(ctx, make_source(session, s3_endpoint="https://store.example.com"))
    assert isinstance(next(iter(endpoint_blocked_ssrf.answers(ctx))), Unknown)


@pytest.mark.parametrize("endpoint", METADATA)
def test_a_metadata_service_is_critical(ctx: Context, session: Session, endpoint: str) -> None:
    narrowed(ctx, make_source(session, s3_endpoint=endpoint, table="io_storages_s3exportstorage"))
    [finding] = endpoint_blocked_ssrf.run(ctx)
    assert finding.severity == Severity.CRITICAL and "metadata service" in finding.summary


def test_switching_it_off_hides_a_metadata_service_from_nobody(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, s3_endpoint=METADATA[0], synchronizable=False))
    assert len(endpoint_blocked_ssrf.run(ctx)) == 1
    narrowed(ctx, make_source(session, s3_endpoint="http://10.0.0.5", synchronizable=False))
    assert list(endpoint_blocked_ssrf.answers(ctx)) == []


class TestWithoutProtection:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(ssrf_protection=False, bucket_endpoints=("169.254.169.254",))

    def test_private_networks_are_healthy(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, s3_endpoint="http://10.0.0.5"))
        assert list(endpoint_blocked_ssrf.answers(ctx)) == []

    def test_a_metadata_service_is_critical_all_the_same(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, s3_endpoint=METADATA[0]))
        assert [finding.severity for finding in endpoint_blocked_ssrf.run(ctx)] == [Severity.CRITICAL]


@pytest.mark.parametrize("version", ["1.18.0"])
class TestAnOldRelease:
    def test_it_refuses_nothing(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, s3_endpoint="http://10.0.0.5"))
        assert list(endpoint_blocked_ssrf.answers(ctx)) == []
        narrowed(ctx, make_source(session, s3_endpoint=METADATA[0]))
        assert len(endpoint_blocked_ssrf.run(ctx)) == 1


def test_what_has_synced_under_this_release_is_a_warning(ctx: Context, session: Session) -> None:
    columns = {"s3_endpoint": "http://10.0.0.5", "status": "completed", "last_sync": datetime.now(UTC)}
    narrowed(ctx, make_source(session, **columns))
    [finding] = endpoint_blocked_ssrf.run(ctx)
    assert finding.severity == Severity.WARNING and "seem to let it through" in finding.cause


def test_redis(ctx: Context, session: Session) -> None:
    set_columns(session, "io_storages_redisstoragemixin", "id", 1, host="10.0.0.7")
    set_columns(session, "io_storages_redisimportstorage", "redisstoragemixin_ptr_id", 1, last_sync=None)
    ctx.scope = Scope(storage="redis:1")
    [finding] = endpoint_blocked_ssrf.run(ctx)
    assert (finding.subject, finding.severity) == ("storage:redis:1", Severity.ERROR)


class TestWhatTheOperatorSays:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(bucket_endpoints=("10.0.0.5:9000",))

    def test_a_host_of_ours_is_healthy(self, ctx: Context, session: Session) -> None:
        narrowed(ctx, make_source(session, s3_endpoint="http://10.0.0.5:9000"))
        assert list(endpoint_blocked_ssrf.answers(ctx)) == []

    def test_unless_the_protection_was_switched_on_by_somebody(self, ctx: Context, session: Session) -> None:
        ctx.deployment.settings = ctx.settings.with_(told=frozenset({"ssrf_protection"}))
        narrowed(ctx, make_source(session, s3_endpoint="http://10.0.0.5:9000"))
        assert len(endpoint_blocked_ssrf.run(ctx)) == 1
