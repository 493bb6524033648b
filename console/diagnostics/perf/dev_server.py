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

from ... import egress
from .. import Context, Finding, NotApplicable, Severity, Unknown, check

SECONDS = 5
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
    base = ctx.settings.label_studio_url
    if not base:
        raise NotApplicable("The address of Label Studio is not set (LSCONSOLE_LABEL_STUDIO_URL)")
    url = base.rstrip("/") + "/health"
    try:
        with egress.request("GET", url, egress.Rules(protected=False), seconds=SECONDS) as answer:
            server = answer.headers.get("Server", "")
    except egress.CannotFetch as error:
        raise Unknown(f"Label Studio did not answer: {error}") from None
    except (egress.Blocked, egress.TooMuch) as error:
        raise Unknown(f"Label Studio was not asked: {error}") from None
    if DEVELOPMENT not in server:
        return
    yield Finding(
        subject="deployment:label-studio", name="Label Studio",
        summary=f"The server calls itself {server[:80]}: Django's development server",
        evidence=ctx.evidence(f"GET {url}", [{"address": url, "server": server[:200]}]),
    )  # fmt: skip
