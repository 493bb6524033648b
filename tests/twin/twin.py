"""One request, two servers: Label Studio and the console, each on its own copy of the same database."""

from __future__ import annotations

import io
import json as json_text
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import Engine, text

from tests.servers import ROOT
from tests.twin.compare import Matcher
from tests.twin.rows import Rows, engine_of, primary_keys, read_rows, row_differences

#: Every deliberate difference has a row here; `differs=` names it.
DIFFERENCES = ROOT / "docs" / "api-differences.md"
COMPARED_HEADERS = ("Allow", "WWW-Authenticate", "Location", "Content-Disposition", "filename")
#: Options of a request that say how to compare; all others say what to send.
COMPARING = frozenset({"ignore", "sort", "differs", "expect"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Collect what differs and fail at the end, instead of at the first request: for working on an endpoint.
KEEP_GOING = bool(os.environ.get("LSCONSOLE_TWIN_KEEP_GOING"))
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Each:
    """A value that is not the same on both sides: a token, a file name, a UUID. Usable wherever a request takes one."""

    theirs: Any
    ours: Any


@dataclass(frozen=True)
class Pair:
    """Both answers to one request. `pair["id"]` is the value in both bodies, with an `Each` where they are not equal."""

    theirs: requests.Response
    ours: requests.Response

    @property
    def status(self) -> int:
        return self.theirs.status_code

    @property
    def json(self) -> Any:
        """Label Studio's body; the console's said the same."""
        return self.theirs.json()

    def __getitem__(self, key: str | int) -> Any:
        return _merged(self.theirs.json()[key], self.ours.json()[key])


@dataclass(frozen=True)
class Side:
    """One of the two servers: where it answers, the database under it, a cookie jar for `cookies=True`."""

    name: str
    url: str
    database: Engine
    jar: requests.Session


class Twin:
    """Sends every request to both servers and compares status, headers and body; `rows()` compares the databases.

    `as_user` is the part of the e-mail before `@` or `.` (`alice` … `grace`), or None for nobody; `fill` puts `Each`
    values into `{name}` of the path. A difference on purpose is named by its key in docs/api-differences.md: the answers
    must then really differ, and the test itself says what each of them has to be.
    """

    def __init__(self, label_studio: str, console: str, label_studio_database: str, console_database: str) -> None:
        self.sides = (
            Side("Label Studio", label_studio, engine_of(label_studio_database), requests.Session()),
            Side("the console", console, engine_of(console_database), requests.Session()),
        )
        self.matcher = Matcher()
        self.collected: list[str] = []
        self.unseen_changes: list[str] = []
        self._tables = primary_keys(self.sides[0].database)
        with self.sides[0].database.connect() as connection:
            rows = connection.execute(
                text("SELECT u.email, t.key FROM htx_user u JOIN authtoken_token t ON t.user_id = u.id")
            )
            self.tokens = {re.split("[@.]", email.lower())[0]: key for email, key in rows}

    def get(self, path: str, **options: Any) -> Pair:
        __tracebackhide__ = True
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Pair:
        __tracebackhide__ = True
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Pair:
        __tracebackhide__ = True
        return self.request("PATCH", path, **options)

    def put(self, path: str, **options: Any) -> Pair:
        __tracebackhide__ = True
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> Pair:
        __tracebackhide__ = True
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        as_user: str | None = "alice",
        headers: Mapping[str, Any] | None = None,
        cookies: bool = False,
        fill: Mapping[str, Any] | None = None,
        ignore: Iterable[str] = (),
        sort: str | None = None,
        differs: str | None = None,
        expect: int | None = None,
        **body: Any,
    ) -> Pair:
        """`body`: json, data, files or params, as of `requests`. `ignore`: keys or patterns of places in the body.

        `sort` names the key to sort a bare list by (lines are sorted too) where the order is nobody's promise; `expect` is the status that
        the test is about, so that two equal mistakes do not pass for success.
        """
        __tracebackhide__ = True
        pair = self._send(method, path, as_user=as_user, headers=headers, cookies=cookies, fill=fill, **body)
        self._judge(pair, method, path, ignore=ignore, sort=sort, differs=differs, expect=expect)
        return pair

    def cookie(self, name: str) -> Each:
        """A cookie that the servers set in answers to requests with `cookies=True`."""
        return Each(*(side.jar.cookies.get(name) for side in self.sides))

    def rows(self, *, ignore: Mapping[str, str] | None = None, differs: Mapping[str, str] | None = None) -> None:
        """Compare every table. `ignore`: table or `table.column` -> why; `differs`: the same -> key in the document."""
        __tracebackhide__ = True
        differs = differs or {}
        unknown = set(differs.values()) - known_differences()
        assert not unknown, f"{sorted(unknown)} have no row in {DIFFERENCES.relative_to(ROOT)}"
        self.unseen_changes.clear()
        left, right = (self._read(number) for number in range(2))
        self._report("rows", list(row_differences(left, right, self.matcher, {**(ignore or {}), **differs})))

    def probe(
        self,
        method: str,
        path: str,
        *,
        refused: str | None = None,
        traces: str | None = None,
        rows: bool = True,
        **options: Any,
    ) -> Pair:
        """One request and its rows, where Label Studio may fail or grant what the console refuses on purpose.

        Where it answers 500, or anything but 4xx when `refused` names a deliberate difference, the console has to answer
        4xx (or, for `refused`, that there is nothing) and leave every row as it was; for its page of "not found", 404.
        Otherwise both answers and all rows are equal. The last request of a test: after a failure of Label Studio's the
        databases are not the same any more; `rows=False` leaves rows out, for a walk over many that only read.
        `traces` names the difference that a request which Label Studio refuses leaves rows changed there, but not here.
        """
        __tracebackhide__ = True
        before = self.snapshot() if rows else {}
        pair = self._send(method, path, **{key: options.pop(key) for key in list(options) if key not in COMPARING})
        granted = refused is not None and not 400 <= pair.status < 500
        page = (
            pair.status == 404
            and "html" in pair.theirs.headers["Content-Type"]
            and not path.split("?")[0].endswith("/")
        )
        if pair.status != 500 and not granted and not page:
            self._judge(pair, method, path, **options)
            if rows and traces and 400 <= pair.status < 500:
                assert traces in known_differences(), f"{traces} has no row in {DIFFERENCES.relative_to(ROOT)}"
                self.unchanged_since(before)
            elif rows:
                self.rows()
            return pair
        key = "server-error" if pair.status == 500 else "html-404" if page else refused
        assert key in known_differences(), f"{key} has no row in {DIFFERENCES.relative_to(ROOT)}"
        self._report(f"{method} {path} ({key})", _not_refused(pair, page=page, or_empty=granted))
        if rows:
            self.unchanged_since(before)
        return pair

    def snapshot(self) -> Rows:
        """Every row of the console's database, for `unchanged_since`."""
        return self._read(1)

    def unchanged_since(self, before: Rows) -> None:
        """Fails when any row of the console's database is not what it was. Label Studio's is not looked at."""
        __tracebackhide__ = True
        self.unseen_changes.clear()
        changed = row_differences(before, self._read(1), Matcher(), {})
        self._report("rows before and after", [line.replace("Label Studio", "it before") for line in changed])

    def execute(self, statement: str, **values: Any) -> None:
        """Run one SQL statement on both databases: for what no request can bring about."""
        for side in self.sides:
            with side.database.begin() as connection:
                connection.execute(text(statement), values)

    def close(self) -> None:
        for side in self.sides:
            side.database.dispose()
            side.jar.close()

    def finish(self) -> None:
        """What every sequence ends with: differences collected on the way fail now, and no change went unseen."""
        assert not self.collected, "\n\n".join(self.collected)
        assert not self.unseen_changes, f"no twin.rows() after {', '.join(self.unseen_changes)}"

    def _send(
        self,
        method: str,
        path: str,
        *,
        as_user: str | None = "alice",
        headers: Mapping[str, Any] | None = None,
        cookies: bool = False,
        fill: Mapping[str, Any] | None = None,
        **body: Any,
    ) -> Pair:
        answers = []
        for number, side in enumerate(self.sides):
            sent = {name: _of(value, number) for name, value in body.items()}
            sent_headers = {name: _of(value, number) for name, value in (headers or {}).items()}
            if as_user is not None and not cookies:
                sent_headers.setdefault("Authorization", f"Token {self.tokens[as_user]}")
            target = path.format(**{name: _of(value, number) for name, value in (fill or {}).items()}) if fill else path
            send = side.jar.request if cookies else requests.request
            url = f"{side.url}{target}"
            answers.append(
                send(method, url, headers=sent_headers, allow_redirects=False, timeout=TIMEOUT_SECONDS, **sent)
            )
        if method not in SAFE_METHODS:
            self.unseen_changes.append(f"{method} {path}")
        return Pair(*answers)

    def _judge(
        self,
        pair: Pair,
        method: str,
        path: str,
        *,
        ignore: Iterable[str] = (),
        sort: str | None = None,
        differs: str | None = None,
        expect: int | None = None,
    ) -> None:
        __tracebackhide__ = True
        found = self._compare(pair, ignore=tuple(ignore), sort=sort)
        if differs is not None:
            assert differs in known_differences(), f"{differs} has no row in {DIFFERENCES.relative_to(ROOT)}"
            assert found, f"{method} {path}: nothing differs; take {differs} out of the test"
            return
        if expect is not None and pair.status != expect:
            found.append(f"status: {expect} was expected of both, Label Studio: {pair.status} {pair.theirs.text[:300]}")
        self._report(f"{method} {path}", found)

    def _read(self, side: int) -> Rows:
        return read_rows(self.sides[side].database, self._tables)

    def _compare(self, pair: Pair, *, ignore: tuple[str, ...], sort: str | None) -> list[str]:
        theirs, ours = pair.theirs, pair.ours
        if theirs.status_code != ours.status_code:
            return [
                f"status: {theirs.status_code} in Label Studio, {ours.status_code} in the console",
                f"  Label Studio: {theirs.text[:400]}",
                f"  the console:  {ours.text[:400]}",
            ]
        found = []
        left, right = (re.sub(r"\s", "", answer.headers.get("Content-Type", "")).lower() for answer in (theirs, ours))
        if left != right:
            found.append(f"header Content-Type: {left!r} in Label Studio, {right!r} in the console")
        for name in COMPARED_HEADERS:
            a, b = theirs.headers.get(name), ours.headers.get(name)
            if name == "Allow" and theirs.status_code != 405:
                continue  # Label Studio sends it with every answer
            if name == "Allow":  # OPTIONS is answered by Label Studio alone; HEAD goes with GET in any order
                a, b = (
                    ",".join(sorted({*re.split(r",\s*", value)} - {"OPTIONS", "HEAD"})) if value else None
                    for value in (a, b)
                )
            if name not in ignore and not self.matcher.same(_without_host(a, theirs), _without_host(b, ours)):
                found.append(f"header {name}: {a!r} in Label Studio, {b!r} in the console")
        return found + list(self.matcher.differences(_body(theirs, sort), _body(ours, sort), ignore=ignore))

    def _report(self, where: str, found: list[str]) -> None:
        __tracebackhide__ = True
        if not found:
            return
        rest = [f"… and {len(found) - 40} more"] if len(found) > 40 else []
        message = "\n  ".join([f"{where}: Label Studio and the console differ", *found[:40], *rest])
        if KEEP_GOING:
            self.collected.append(message)
            return
        self.unseen_changes.clear()
        raise AssertionError(message)


def known_differences() -> set[str]:
    """The keys of docs/api-differences.md: first column of its tables."""
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", DIFFERENCES.read_text(), re.MULTILINE))


def _not_refused(pair: Pair, *, page: bool, or_empty: bool) -> list[str]:
    """Why the console's answer is no refusal; `page`: it has to be 404, `or_empty`: an empty list is one too."""
    ours = pair.ours
    if or_empty and ours.status_code == 200 and ours.json() == []:
        return []
    if not 400 <= ours.status_code < 500 or (page and ours.status_code != 404):
        return [f"status: {pair.status} in Label Studio, {ours.status_code} in the console: {ours.text[:400]}"]
    if ours.headers["Content-Type"] != "application/json" or "detail" not in ours.json():
        return [f"the console's answer is not an error body: {ours.text[:400]}"]
    return []


def _merged(theirs: Any, ours: Any) -> Any:
    """One value for both, with an `Each` in the places where they are not equal."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        return {key: _merged(value, ours[key]) for key, value in theirs.items()}
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [_merged(left, right) for left, right in zip(theirs, ours, strict=True)]
    return theirs if theirs == ours else Each(theirs, ours)


def _of(value: Any, side: int) -> Any:
    """The value for one side, wherever an `Each` hides in it."""
    if isinstance(value, Each):
        return value.theirs if side == 0 else value.ours
    if isinstance(value, Mapping):
        return {key: _of(item, side) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_of(item, side) for item in value)
    return value


def _body(answer: requests.Response, sort: str | None) -> Any:
    """What is compared of a body: JSON as values, an archive as its files, other text as lines."""
    kind = answer.headers.get("Content-Type", "")
    content = answer.content
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {
                name: archive.read(name).decode("utf-8", "replace").splitlines() for name in sorted(archive.namelist())
            }
    if "json" in kind and content:
        try:
            value = json_text.loads(_without_host(content.decode(), answer) or "")
        except ValueError:
            return ["not JSON", *content.decode("utf-8", "replace").splitlines()]
        if sort and isinstance(value, list):
            value.sort(key=lambda item: str(item[sort]))
        return value
    lines = (_without_host(content.decode("utf-8", "replace"), answer) or "").splitlines()
    return sorted(lines) if sort else lines


def _without_host(value: str | None, answer: requests.Response) -> str | None:
    """Each server names its own address in links."""
    if value is None:
        return None
    host = re.match(r"https?://[^/]+", answer.url)
    return value.replace(host.group(), "http://host") if host else value
