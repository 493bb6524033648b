"""Label Studio runs on Django's development server.

Started as `label-studio start`, without the container's entry point, Label Studio serves its pages with the server that
Django brings for developers. It has no worker processes and no limits: a big export or an import holds the
interpreter for everybody, one long request after the other piles up, and it dies without a word when memory runs out.
It is meant for one person on one machine.

For a team run the published container image, which puts uWSGI and nginx in front (`docker compose up`, or
`APP_WEBSERVER=uwsgi` with the image), or another WSGI server such as gunicorn on `core.wsgi:application`.

Told from the `Server` header of the address of Label Studio, when one is set; a proxy in front may hide it, and then
nothing is said.

Source: `label_studio start` and the entry point of Label Studio's image; Django's documentation of `runserver`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import Context, Finding, Severity, check
from .front_door import ask

#: What wsgiref calls itself.
DEVELOPMENT = "WSGIServer"


@check(
    title="Label Studio runs on a server made for many people",
    severity=Severity.INFO,
    impact="One slow request makes everybody wait, and the server dies when memory runs out",
    cause="It was started with the command for a single person.",
)
def dev_server(ctx: Context) -> Iterator[Finding]:
    """One finding for the deployment. Row: the address that was asked, and the server's name."""
    answer = ask(ctx)
    if DEVELOPMENT not in answer.server:
        return
    yield Finding(
        subject="deployment:label-studio", name="Label Studio",
        summary=f"The server calls itself {answer.server[:80]}: Django's development server",
        evidence=ctx.evidence(f"GET {answer.url}", [{"address": answer.url, "server": answer.server[:200]}]),
    )  # fmt: skip
