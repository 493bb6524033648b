"""storage.base64_presign_off: whole files inside pages, on releases that know no other way."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import NotApplicable
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.base64_presign_off import base64_presign_off
from console.service import Console
from tests.diagnostics.storage.sources import make_links, make_source, narrowed, set_columns
from tests.round_trip import assert_round_trip

OLD = pytest.mark.parametrize("version", ["1.8.2.post1", "1.13.1"])


@pytest.mark.parametrize("version", ["1.18.0", "1.23.2"])
def test_newer_releases_pass_files_through(ctx: Context) -> None:
    with pytest.raises(NotApplicable, match="passes files through"):
        list(base64_presign_off.answers(ctx))


@OLD
def test_signed_links_are_healthy(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session))
    assert list(base64_presign_off.answers(ctx)) == []


@OLD
def test_no_signed_links(console: Console, ctx: Context, session: Session) -> None:
    storage = narrowed(ctx, make_source(session, presign=False))
    make_links(session, storage, ["1.jpg", "2.jpg"])
    [finding] = base64_presign_off.run(ctx)
    assert finding.summary == "Signed links are off: 2 tasks of it carry their files inside the page"
    assert_round_trip(console, ctx, base64_presign_off, "switch_on", finding)


@pytest.mark.parametrize("version", ["1.13.1"])
def test_other_providers(console: Console, ctx: Context, session: Session) -> None:
    set_columns(session, "io_storages_azureblobimportstorage", "azureblobstoragemixin_ptr_id", 1, presign=False)
    ctx.scope = Scope(storage="azure:1")
    [finding] = base64_presign_off.run(ctx)
    assert_round_trip(console, ctx, base64_presign_off, "switch_on", finding)
