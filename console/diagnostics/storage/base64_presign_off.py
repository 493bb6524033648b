"""Files are put into the pages themselves, because signed links are off and the release is an old one.

With "Use pre-signed URLs" off (`presign` false), releases before 1.18 read the whole file on the server and put it into
the answer as a `data:` address, a third larger than it is. A list of tasks then weighs hundreds of megabytes, exports
carry every picture, and players of audio and video fail. From 1.18 on the server passes the bytes through instead.

Switch signed links on (the browser then has to reach the bucket), or upgrade.

Source: `resolve_uri` and `generate_http_url` of Label Studio's storages before 1.18; `proxy_api` since.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from ...deployment.releases import is_since
from .. import Change, Context, Finding, NotApplicable, Severity, check
from ..sources import in_use, storage_update

#: The release that began to pass bytes through.
STREAMS_SINCE = "1.18.0"


@check(
    title="No storage puts whole files into pages",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Pages and exports carry every file in them; audio and video do not play",
    cause="Signed links are off, and this release knows no other way to deliver a file than inside the answer.",
)
def base64_presign_off(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Row: the toggle, and how many tasks show a file of it."""
    release = ctx.schema.label_studio_version
    if is_since(release, STREAMS_SINCE):
        raise NotApplicable(f"Label Studio {release} passes files through when signed links are off")
    for item in in_use(ctx, prefixes=["s3", "gcs", "azure"]):
        if item.get("presign") is None or item.get("presign"):
            continue
        link = ctx.schema.table(item.kind.link_name)
        with ctx.transaction() as session:
            tasks = session.scalar(select(func.count()).select_from(link).where(link.c.storage_id == item.id)) or 0
        row = {"presign": False, "tasks": tasks, "release": release}
        yield Finding(
            subject=item.subject, name=item.title, evidence=ctx.evidence(f"{item.kind.table_name}.presign", [row]),
            summary=f"Signed links are off: {tasks:,} tasks of it carry their files inside the page",
        )  # fmt: skip


@base64_presign_off.fix(title="Send the browser to the bucket")
def switch_on(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch signed links on; the browser has to reach the bucket then."""
    yield storage_update(ctx, finding, "presign", False, True)
