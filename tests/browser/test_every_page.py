"""Every page a person can reach by its links: axe finds nothing, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Site, sign_in

#: Objects of one kind look alike; one of each is enough.
PER_KIND = 1


def _kind(path: str) -> str:
    """`/findings/12` and `/findings/13` are pages of one kind."""
    parts = urlsplit(path)
    return re.sub(r"/(?=[^/]*\d)[^/]+", "/N", parts.path) + ("?" if parts.query else "")


def _links(page: Page, site: Site) -> list[str]:
    """Paths of this console that the page links to."""
    links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
    addresses = [urljoin(page.url, link).split("#")[0] for link in links]
    return [address.removeprefix(site.url) or "/" for address in addresses if address.startswith(site.url)]


def _look(page: Page, path: str, axe: Axe, rules: dict[str, list[str]]) -> list[str]:
    """What axe and a phone's width say about the page that is open."""
    found = [
        f"{path}: {violation['id']} ({violation['help']}) {violation['nodes'][0]['html'][:160]}"
        for violation in axe.run(page, options=rules).response["violations"]
    ]
    page.set_viewport_size({"width": 375, "height": 800})
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.set_viewport_size({"width": 1440, "height": 900})
    return [*found, f"{path}: {too_wide} px wider than a phone"] if too_wide > 0 else found


def test_axe_finds_nothing_and_nothing_overflows(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    axe, problems, waiting, seen = Axe(), [], ["/", "/nothing-here"], {"/", "/nothing-here"}
    kinds: dict[str, int] = {}
    page.emulate_media(color_scheme="light")
    while waiting:
        path = waiting.pop(0)
        page.goto(site.url + path)
        problems += _look(page, f"light {path}", axe, {})
        for link in _links(page, site):
            if (
                link not in seen
                and not link.endswith((".csv", "/api/schema/"))
                and kinds.get(_kind(link), 0) < PER_KIND
            ):
                kinds[_kind(link)] = kinds.get(_kind(link), 0) + 1
                seen.add(link)
                waiting.append(link)
    assert {"", "/symptoms", "/findings", "/checks", "/jobs", "/audit"} <= {path.rstrip("/") for path in seen}
    page.emulate_media(color_scheme="dark")
    for path in sorted(seen):
        page.goto(site.url + path)
        # Dark differs from light in its colours alone.
        problems += _look(page, f"dark {path}", axe, {"runOnly": ["color-contrast"]})
    assert problems == []


def test_axe_finds_nothing_on_the_sign_in_page(page: Page, site: Site) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(f"{site.url}/sign-in")
        assert Axe().run(page).response["violations"] == []


def test_the_keyboard_reaches_search_and_content(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("dave.okafor")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/search|/records/user"))
    assert "Dave.Okafor@Example.com" in page.content()
