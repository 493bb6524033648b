"""A storage's whole story on one page, and what a sync would do, as a support engineer walks them on the demo."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, sign_in

JOB_MS = 60_000


def _open(page: Page, site: Site, title: str) -> None:
    """From the list of storages to the one of this title."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Storages").click()
    page.get_by_label("Title, bucket or id").fill(title)
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("row", name=re.compile(title)).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(title)


def _no_complaints(page: Page) -> None:
    """axe finds nothing in either theme, and nothing is wider than a phone."""
    for details in page.locator("main details").all():
        details.evaluate("element => { element.open = true }")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = Axe().run(page).response["violations"]
        assert [(item["id"], item["nodes"][0]["html"][:160]) for item in found] == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.set_viewport_size({"width": 1440, "height": 900})


def test_the_access_of_a_storage(page: Page, site: Site) -> None:
    """Ticket texts: the key may list and not read."""
    sign_in(page, site, site.admin)
    _open(page, site, "Ticket texts")
    page.get_by_role("button", name="Look now").click()
    expect(page.get_by_role("group", name="Access matrix")).to_be_visible(timeout=JOB_MS)
    expect(page.locator(".panel.run")).to_have_count(0, timeout=JOB_MS)
    matrix = page.locator(".matrix-one")
    expect(matrix.get_by_role("row", name=re.compile("^LIST")).locator(".cell")).to_have_text("Works")
    get = matrix.get_by_role("row", name=re.compile("^GET"))
    expect(get.locator(".cell")).to_have_text("Fails")
    expect(get).to_contain_text("AccessDenied")
    expect(get.locator(".code-line")).to_contain_text('"Action": "s3:GetObject"')
    expect(matrix.get_by_role("row", name=re.compile("^PUT")).locator(".cell")).to_have_text("Not tried")
    answer = page.locator(".answer")
    expect(answer).to_contain_text("GET is missing")
    policy = page.locator("details", has_text="IAM policy of a source")
    policy.locator("summary").click()
    expect(policy.locator("pre").first).to_contain_text('"s3:ListBucket"')
    expect(policy.get_by_role("button", name="Copy").first).to_be_visible()
    _no_complaints(page)


def test_what_would_sync_do(page: Page, site: Site) -> None:
    """Delivery scans: the filter is matched from the start of the whole key, and takes none."""
    sign_in(page, site, site.admin)
    _open(page, site, "Delivery scans")
    page.get_by_role("button", name="Look now").click()
    expect(page.get_by_role("heading", name="Try a filter on the real keys")).to_be_visible(timeout=JOB_MS)
    page.get_by_role("button", name="Dry run", exact=True).click()
    stages = page.get_by_role("group", name="Stages of a sync")
    expect(stages).to_be_visible(timeout=JOB_MS)
    expect(stages.get_by_role("row", name=re.compile("^Match the filter")).get_by_role("cell").last).to_have_text("0")
    tried = page.locator("#tried")
    expect(tried).to_contain_text(re.compile(r"0 of \d+ keys match"))
    field = page.get_by_role("form", name="Filter tester").get_by_label("File filter")
    field.fill(r".*\.jpg$")
    expect(tried.locator("mark").first).to_be_visible()
    expect(field).to_be_focused()
    field.fill("[")
    expect(tried).to_contain_text("not a valid regular expression")
    page.get_by_text("What if: other settings").click()
    form = page.get_by_role("form", name="Dry run with other settings")
    form.get_by_label("File filter").fill(r".*\.jpg$")
    form.get_by_role("button", name="Dry run with these").click()
    expect(page.get_by_text("With other settings than stored")).to_be_visible(timeout=JOB_MS)
    expect(
        stages.get_by_role("row", name=re.compile("^Tasks that would be made")).get_by_role("cell").last
    ).not_to_have_text("0")
    _no_complaints(page)


def test_all_storages_at_once(page: Page, site: Site) -> None:
    sign_in(page, site, site.support)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Storages").click()
    page.get_by_role("button", name=re.compile(r"^Look at all \d+")).click()
    row = page.get_by_role("row", name=re.compile("Ticket texts"))
    expect(row.get_by_text("Fails").first).to_be_attached(timeout=JOB_MS)
    expect(page.locator(".panel.run")).to_have_count(0, timeout=JOB_MS)
    _no_complaints(page)


def test_who_may_only_look_is_offered_no_writing(page: Page, site: Site) -> None:
    sign_in(page, site, site.support)
    _open(page, site, "Ticket texts")
    expect(page.get_by_role("button", name="Look now")).to_be_visible()
    expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
    expect(page.get_by_label("Write and remove a marker object too")).to_have_count(0)
