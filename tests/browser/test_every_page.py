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


def _reachable(page: Page, site: Site) -> list[str]:
    """Addresses found by following links, at most PER_KIND of each kind."""
    waiting, found = ["/"], ["/"]
    seen: dict[str, int] = {}
    while waiting:
        page.goto(site.url + waiting.pop(0))
        for link in page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))"):
            address = urljoin(page.url, link)
            path = address.removeprefix(site.url).split("#")[0] or "/"
            if not address.startswith(site.url) or path in found or path.endswith(".csv"):
                continue
            if seen.get(_kind(path), 0) < PER_KIND:
                seen[_kind(path)] = seen.get(_kind(path), 0) + 1
                found.append(path)
                waiting.append(path)
    return found


def _wide(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_axe_finds_nothing_and_nothing_overflows(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    paths = _reachable(page, site)
    assert {"", "/symptoms", "/findings", "/checks", "/jobs", "/audit"} <= {path.rstrip("/") for path in paths}, paths
    axe, problems = Axe(), []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for path in [*paths, "/nothing-here"]:
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(site.url + path)
            # Dark differs from light in its colours alone.
            rules = {"runOnly": ["color-contrast"]} if theme == "dark" else {}
            for violation in axe.run(page, options=rules).response["violations"]:
                where = violation["nodes"][0]["html"][:160]
                problems.append(f"{theme} {path}: {violation['id']} ({violation['help']}) {where}")
            page.set_viewport_size({"width": 375, "height": 800})
            if _wide(page) > 0:
                problems.append(f"{theme} {path}: {_wide(page)} px wider than a phone")
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
