"""Programs get no local files with a token that works for everything else.

An ML backend fetches media with a token. `/data/local-files?d=…` without the slash before the question mark is
redirected, and clients drop the token on the way, above all when the redirect changes the host or the scheme; a sub-path
or a proxy that adds its own redirect does the same. Uploaded files (`/data/upload/…`) have no such redirect, so they
work. Or the account of the token may not see the project that covers the folder: then the answer is 404.

Label Studio itself is asked for one local file, once with the slash and once without (to show where
that leads), and for whom the token belongs to.

Source: `localfiles_data` in Label Studio's io_storages/localfiles/views.py, Django's APPEND_SLASH.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from .asking import SERVING_IS_OFF, authorization, get, need_asking
from .disk import local_storages, need_local_files, reader, tasks_naming_files


@check(
    title="Programs read local files with their token",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="ML backends and scripts get 403, 404 or a page instead of the file",
    cause="A redirect on the way loses the token, or the token's account may not see the file.",
)
def token_403(ctx: Context) -> Iterator[Finding]:
    """One finding. Rows: what was asked for, and the status that came back."""
    need_local_files(ctx)
    address = _sample(ctx)
    if address is None:
        raise NotApplicable("No task names a local file" + (" in scope" if ctx.scope.words else ""))
    need_asking(ctx)
    header = authorization(ctx)
    asked = ["/api/current-user/whoami", address, address.replace("/?d=", "?d=", 1)]
    replies = {path: get(ctx, path, header) for path in asked}
    who, file = replies[asked[0]], replies[address]
    if who.status != 200:
        raise Unknown(f"Label Studio does not accept LSCONSOLE_LABEL_STUDIO_TOKEN ({who.status}).")
    if SERVING_IS_OFF in file.body:
        return  # what local.serving_off reports
    rows = [
        {"asked": path, "status": reply.status, "redirected": bool(reply.location)} for path, reply in replies.items()
    ]
    if file.status in {200, 206}:
        return
    why = "a redirect" if file.location else str(file.status)
    yield Finding(
        subject="deployment:local-files", name="Local files",
        summary=f"The token is good, and {urlsplit(address).path}?d=… answers {why}",
        cause="A proxy redirects, and the token is lost on the way: name the address people really open."
        if file.location else "The token's account sees no project whose storage covers the folder, or the file is gone."
        if file.status == 404 else "",
        evidence=ctx.evidence("GET of Label Studio with the token", rows),
    )  # fmt: skip


def _sample(ctx: Context) -> str | None:
    """The address of one local file that a task names, as Label Studio serves it."""
    read = reader(ctx, local_storages(ctx), seen=False)
    for row in tasks_naming_files(ctx):
        for found in read.values(row.data):
            if found.wanted:
                return found.wanted.removeprefix(found.host)
    return None
