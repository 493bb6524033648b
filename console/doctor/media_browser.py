"""An address as the browser of the deployment's pages sees it: redirects, status, type, length, parts, CORS.

Requests carry no credentials of ours, read headers and little of a body, and go where the network rules let them.
"""

from __future__ import annotations

import contextlib
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from .. import egress
from ..deployment.buckets import BucketBlocked
from ..deployment.hosts import is_address, is_internal, is_loopback
from ..errors import ConsoleError
from ..masking import mask_text, mask_url
from .links import BODY_BYTES, Reply, refusal
from .media_cors import shared_with
from .media_signed import signed
from .media_steps import Story
from .origin import origin_of

#: Redirects that are followed, and seconds that one request may take.
MOST_REDIRECTS = 5
REQUEST_SECONDS = 6.0
#: Clocks may differ by this much before signatures are refused; beyond the first it is told.
SKEW_TOLD_SECONDS, SKEW_REFUSED_SECONDS = 60, 900
ARCHIVED = re.compile(r"(?i)glacier(?!_ir)|deep_archive|archive")
PLAYED = ("audio/", "video/")

TITLES = {
    "mixed": "Nothing mixes https and http",
    "inside": "Browsers can reach the host",
    "expiry": "The signed address is still good",
    "get": "The file is sent",
    "redirects": "No redirect gets in the way",
    "type": "The content type fits the file",
    "length": "The file has content",
    "encoding": "Audio and video are sent as they are",
    "class": "The object is in a storage class that can be read at once",
    "clock": "The clocks agree",
    "range": "Parts of the file are sent when asked for",
}


@dataclass(frozen=True)
class View:
    """How one address is looked at. `rules` gives the network rules for an address, `name` what the file is called in the
    link (its extension is what it ought to be); `login` is sent to the first host alone and shown nowhere."""

    url: str
    origin: str | None
    rules: Callable[[str], egress.Rules]
    name: str
    in_data: bool = False
    login: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def expected(self) -> str:
        """Media type by the name, empty for an unknown extension."""
        return mimetypes.guess_type(unquote(urlsplit(self.name).path or self.name))[0] or ""

    @property
    def is_played(self) -> bool:
        return self.expected.startswith(PLAYED)


def look(story: Story, view: View, *, direct: bool = True) -> Reply | None:
    """Add the steps of an address; the answer to its GET, None when there was none.

    Not `direct`: Label Studio asks and passes the file on, so where a browser may go and CORS do not matter.
    """
    if direct:
        _place(story, view)
    _expiry(story, view)
    found = _opened(story, view)
    if found is None:
        return None
    reply, url = found
    if reply.status >= 400 or reply.status in egress.REDIRECTS:
        return reply
    _content(story, view, reply)
    _range(story, view, url)
    if direct:
        shared_with(story, view.origin, url, reply, lambda method, headers: ask(story, view, url, method, headers))
    return reply


def ask(story: Story, view: View, url: str, method: str, headers: Mapping[str, str]) -> Reply:
    """One request; a redirect is an answer. Raises Blocked, BucketBlocked, CannotFetch."""
    seconds = min(REQUEST_SECONDS, story.left)
    if seconds <= 0.2:
        raise egress.CannotFetch("The time for looking is over.")
    same = urlsplit(url).netloc == urlsplit(view.url).netloc
    with egress.request(method, url, view.rules(url), headers=headers, seconds=seconds, follow=False,
                        login=view.login if same else None) as answer:  # fmt: skip
        body = b""
        if answer.status >= 300 and method != "HEAD":
            with contextlib.suppress(egress.CannotFetch):
                for chunk in answer.chunks():
                    body += chunk
                    if len(body) >= BODY_BYTES:
                        break
        return Reply(answer.status, answer.headers, *refusal(answer.headers, body[:BODY_BYTES]))


def _place(story: Story, view: View) -> None:
    parts = urlsplit(view.url)
    host = (parts.hostname or "").rstrip(".").lower()
    if view.origin is None:
        pass
    elif parts.scheme == "http" and view.origin.startswith("https:") and not _is_this_machine(host):
        told = (f"Label Studio is opened at {view.origin} and the file at http://{host}: browsers refuse such a file, or ask for it "
                "over https, where nobody may answer.")  # fmt: skip
        story.add("failed", TITLES["mixed"], told, check="storage.mixed_content")
    else:
        story.add(
            "ok", TITLES["mixed"], f"{parts.scheme}:// for the file, {view.origin.partition(':')[0]}:// for the page."
        )
    theirs = (urlsplit(view.origin or "").hostname or "").lower()
    if host == theirs:
        return
    kind = inside(host)
    if kind == "name" and not theirs:
        told = f"{host} is a name of the inside; whether browsers know it depends on where they are."
        story.add("info", TITLES["inside"], told, check="storage.endpoint_internal_presign", host=host)
    elif kind == "name" and inside(theirs) != "name":
        told = f"{host} is a name of the inside (a container, a cluster, one machine): syncs work, and browsers do not know it."
        story.add("failed", TITLES["inside"], told, check="storage.endpoint_internal_presign", host=host)
    elif kind == "address":
        told = f"{host} is an address of a private network: only browsers in that network reach it."
        story.add("info", TITLES["inside"], told, check="storage.endpoint_internal_presign", host=host)
    else:
        told = f"{host} is of the inside, as {theirs} is." if kind else f"{host} is no name of the inside."
        story.add("ok", TITLES["inside"], told, host=host)


def inside(host: str) -> str:
    """`name` for a host that only machines of the inside know, `address` for a private one, empty for any other."""
    if not is_internal(host):
        return ""
    return "address" if is_address(host) and not is_loopback(host) else "name"


def _is_this_machine(host: str) -> bool:
    """Browsers take http from the very machine for safe."""
    return host in {"localhost", "127.0.0.1", "[::1]", "::1"} or host.endswith(".localhost")


def _expiry(story: Story, view: View) -> None:
    about = signed(view.url)
    if about is None:
        return
    now = datetime.now(UTC)
    facts = {"signed": _when(about.made), "ends": _when(about.ends), "signed for": about.kind}
    ends = about.ends
    if view.in_data:
        over = "it ended" if ends and ends < now else "it will end"
        at = f" at {_when(ends)}" if ends else ""
        told = f"The task's data holds a signed address itself, which nobody renews: {over}{at}. Store s3:// or gs:// links."
        story.add("failed", "Task data holds lasting links", told, check="storage.presigned_in_data", **facts)
    elif ends is None:
        story.add("unknown", TITLES["expiry"], "The address is signed, and does not tell until when.", **facts)
    elif ends < now:
        story.add("failed", TITLES["expiry"], f"It ended {_long(now - ends)} ago, at {_when(ends)}. A page that is loaded again asks anew.",
                  check="storage.presign_403", **facts)  # fmt: skip
    else:
        short = view.is_played and (ends - now).total_seconds() < 600
        told = f"It lasts {_long(ends - now)} more."
        told += (
            " Players ask for parts as long as they play: with a longer recording they are refused later."
            if short
            else ""
        )
        told += " It was made with temporary credentials and ends with them at the latest." if about.temporary else ""
        story.add(
            "info" if short else "ok", TITLES["expiry"], told, check="storage.presign_403" if short else "", **facts
        )


def _opened(story: Story, view: View) -> tuple[Reply, str] | None:
    """GET with the page's origin, redirect by redirect."""
    url, hops = view.url, []
    headers = {"Origin": view.origin} if view.origin else {}
    try:
        for _ in range(MOST_REDIRECTS + 1):
            reply = ask(story, view, url, "GET", headers)
            target = reply.headers.get("location")
            if reply.status not in egress.REDIRECTS or not target:
                break
            hops.append(f"{reply.status} from {urlsplit(url).hostname}")
            url = egress.redirected(url, target)
            if view.origin and origin_of(url) != origin_of(view.url):
                headers = {"Origin": "null"}  # a second site is not told who asks
        else:
            told = f"There are more than {MOST_REDIRECTS} redirects."
            story.add("failed", TITLES["redirects"], told, hops=", ".join(hops))
            return None
    except ConsoleError as error:
        _redirected(story, view, url, hops)
        refused = isinstance(error, egress.Blocked | BucketBlocked)
        told = (
            f"{str(error).rstrip('.')}. So the console does not ask; a browser may come to another result."
            if refused
            else str(error)
        )
        story.add("unknown" if refused else "failed", TITLES["get"], told, address=mask_url(url))
        return None
    _redirected(story, view, url, hops)
    _judge(story, view, reply, url)
    return reply, url


def _redirected(story: Story, view: View, url: str, hops: list[str]) -> None:
    if not hops:
        return
    region = signed(view.url) is not None
    told = f"{len(hops)} redirect{'s' if len(hops) > 1 else ''}, to {urlsplit(url).hostname}."
    if region:
        told += " A signed address that is redirected is for another region or endpoint: set the region of the storage."
    elif origin_of(url) != origin_of(view.url):
        told += " After it the browser says that its origin is null, so only CORS rules for * let a page read the file."
    story.add("failed" if region else "info", TITLES["redirects"], told, check="storage.s3_region" if region else "",
              hops=", ".join(hops), address=mask_url(url))  # fmt: skip


def _judge(story: Story, view: View, reply: Reply, url: str) -> None:
    facts = {"status": reply.word, "address": mask_url(url), "server": reply.headers.get("server", "")[:80]}
    if 200 <= reply.status < 300:
        _clock(story, reply)
        story.add("ok", TITLES["get"], f"The host answers {reply.status} to a plain GET.", **facts)
        return
    told, check = reason(reply)
    _clock(story, reply)
    story.add("failed", TITLES["get"], told, check=check, **facts, said=reply.said)


_REGION = "set the region of the storage"
_PRESIGN, _GONE, _NO_BUCKET = "storage.presign_403", "storage.object_gone", "storage.uri_unresolvable"
_ARCHIVE = "storage.archived_class"
#: Provider's code -> what it means, and the check that goes on from it.
_REASONS = {
    "ExpiredToken": ("The session token that signed the address has expired", "storage.sts_expired"),
    "InvalidToken": ("The session token that signed the address is not valid", "storage.sts_expired"),
    "InvalidAccessKeyId": ("The access key that signed the address does not exist there", _PRESIGN),
    "SignatureDoesNotMatch": (
        "The signature does not fit: a wrong secret key, or the address was changed on its way",
        _PRESIGN,
    ),
    "AuthenticationFailed": ("The signature is refused: a wrong account key, or the signed time is over", _PRESIGN),
    "RequestTimeTooSkewed": ("The clocks of Label Studio and the bucket differ by more than 15 minutes", _PRESIGN),
    "InvalidObjectState": ("The object lies in an archive and has to be restored before it can be read", _ARCHIVE),
    "BlobArchived": ("The blob lies in an archive and has to be brought back before it can be read", _ARCHIVE),
    "NoSuchKey": ("There is no object of this name", _GONE),
    "BlobNotFound": ("There is no blob of this name", _GONE),
    "NoSuchBucket": ("There is no such bucket", _NO_BUCKET),
    "ContainerNotFound": ("There is no such container", _NO_BUCKET),
    "AuthorizationHeaderMalformed": (
        f"The address is signed for another region than the bucket's: {_REGION}",
        "storage.s3_region",
    ),
    "AuthorizationQueryParametersError": (
        f"The address is signed for another region, or for over seven days: {_REGION}",
        "storage.s3_region",
    ),
    "PermanentRedirect": (f"The bucket is in another region: {_REGION}", "storage.s3_region"),
    "ExpiredRequest": ("The signed time is over", _PRESIGN),
}


def reason(reply: Reply) -> tuple[str, str]:
    """Why an answer is no file, in words, and the check to go on with."""
    told, check = _REASONS.get(reply.code, ("", ""))
    if "expired" in reply.said.lower() and reply.code in {"AccessDenied", "AuthenticationFailed", ""}:
        told, check = "The signed time is over", "storage.presign_403"
    elif reply.code == "AccessDenied":
        told, check = (
            "The key that signed the address may not GET the object, by its own policy or the bucket's",
            _PRESIGN,
        )
    elif not told and reply.status == 404:
        told, check = "There is nothing at this address", "storage.object_gone"
    elif not told and reply.status in {401, 403}:
        told, check = "The host refuses the file to a browser without a sign-in", "storage.presign_403"
    elif not told:
        told = "The host answers with an error of its own" if reply.status >= 500 else "The host refuses the request"
    return f"{told} ({reply.word}).", check


def _clock(story: Story, reply: Reply) -> None:
    with contextlib.suppress(ValueError, TypeError):
        there = parsedate_to_datetime(reply.headers.get("date", ""))
        skew = abs((datetime.now(UTC) - there.astimezone(UTC)).total_seconds())
        if skew >= SKEW_TOLD_SECONDS:
            far = skew >= SKEW_REFUSED_SECONDS
            told = f"The clock over there differs from the console's by {round(skew)} s."
            told += " Signatures are refused beyond 15 minutes: set the time of Label Studio's machine." if far else ""
            story.add("failed" if far else "info", TITLES["clock"], told, check="storage.presign_403" if far else "")


def _content(story: Story, view: View, reply: Reply) -> None:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    expected = view.expected
    if not expected:
        story.add(
            "info",
            TITLES["type"],
            f"It is sent as {mask_text(kind[:100]) or 'nothing'}; the name has no extension to compare it with.",
        )
    elif kind == expected or kind.partition("/")[0] == expected.partition("/")[0] or kind.endswith(("+xml", "+json")):
        story.add("ok", TITLES["type"], f"It is sent as {kind}.")
    elif kind == "text/html":
        told = f"A page (text/html) is sent where {expected} was expected: a sign-in page, or an error page with status {reply.status}."
        story.add("failed", TITLES["type"], told, check="storage.content_type")
    else:
        sent = mask_text(kind[:100]) or "nothing"
        told = (
            f"It is sent as {sent}, and by its name it is {expected}: browsers may download it instead of showing it."
        )
        story.add("failed", TITLES["type"], told, check="storage.content_type")
    length = reply.headers.get("content-length", "")
    if length == "0":
        story.add("failed", TITLES["length"], "The file is empty: 0 bytes.")
    elif length.isdigit():
        story.add("ok", TITLES["length"], f"{int(length):,} bytes.")
    coding = reply.headers.get("content-encoding", "").lower()
    if coding and coding != "identity" and (view.is_played or kind.startswith(PLAYED)):
        told = f"It is sent with content-encoding {mask_text(coding[:40])}: players cannot seek in it, and some do not start."
        story.add("failed", TITLES["encoding"], told, check="storage.content_type")
    stored = (
        reply.headers.get("x-amz-storage-class")
        or reply.headers.get("x-goog-storage-class")
        or reply.headers.get("x-ms-access-tier")
    )
    if stored:
        cold = bool(ARCHIVED.search(stored))
        told = f"It lies in {mask_text(stored[:40])}{', from where it is not read at once' if cold else ''}."
        story.add("info" if cold else "ok", TITLES["class"], told, check="storage.archived_class" if cold else "")


def _range(story: Story, view: View, url: str) -> None:
    try:
        reply = ask(story, view, url, "GET", {"Range": "bytes=0-1"})
    except ConsoleError as error:
        story.add("unknown", TITLES["range"], str(error))
        return
    if reply.status == 206:
        story.add("ok", TITLES["range"], f"Parts are sent ({mask_text(reply.headers.get('content-range', '')[:60])}).")
        return
    played = view.is_played
    told = f"The host answers {reply.status} to a request for two bytes: "
    told += (
        "seeking does not work and playing starts late."
        if played
        else "fine for pictures and texts; audio and video would not seek."
    )
    story.add("failed" if played else "info", TITLES["range"], told, check="storage.cors_head_range" if played else "")


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _long(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
