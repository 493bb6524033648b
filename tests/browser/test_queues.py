"""An export that hangs, and failed jobs that are put back: from the ticket to the repair, and back again."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, sign_in

RUN_MS = 60_000
#: The page of the queues asks for its numbers again so often.
REFRESH_MS = 10_000


def _axe(page: Page) -> list[str]:
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found += [
            f"{theme} {page.url} {one['id']}: {one['nodes'][0]['html'][:120]}"
            for one in Axe().run(page).response["violations"]
        ]
    page.emulate_media(color_scheme="light")
    return found


def test_the_reason_an_export_hangs_is_found_and_mended(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    page.get_by_role("searchbox").fill("Tunnels, spring")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile("Tunnels, spring inspection")).first.click()
    page.get_by_role("link", name="Why do its exports and imports not end?").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Exports and imports of project")
    lost = page.get_by_role("row", name=re.compile("export 21"))
    expect(lost).to_contain_text("Mark it failed and start it again")
    assert _axe(page) == []
    why = page.url
    lost.get_by_role("button", name="Review fix").click()
    page.wait_for_url(f"{site.url}/plans/*")
    expect(page.locator("table.diff")).to_contain_text("in_progress")
    page.get_by_label("Reason", exact=True).fill("Ticket 4820")
    page.get_by_role("button", name=re.compile("^Apply ")).click()
    expect(page.get_by_role("heading", name=re.compile("checked again, nothing found"))).to_be_visible(timeout=RUN_MS)
    plan = page.url
    page.goto(why)
    expect(page.get_by_role("row", name=re.compile("export 21"))).to_contain_text("marked failed here by")
    page.goto(plan)
    page.get_by_label("Reason for an undo").fill("only trying")
    page.get_by_role("button", name=re.compile("^Undo ")).click()
    expect(page.get_by_role("heading", name=re.compile("Undone: "))).to_be_visible(timeout=RUN_MS)


def test_a_selection_outlives_the_refresh_and_a_group_is_requeued_and_taken_back(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Queues").click()
    group = page.get_by_role("row", name=re.compile("AccessDenied"))
    group.get_by_role("checkbox").check()
    expect(page.get_by_role("button", name="Plan requeue of 4")).to_be_enabled()
    assert _axe(page) == []
    with page.expect_response(lambda answer: answer.url.endswith("/queues/live"), timeout=3 * REFRESH_MS) as told:
        pass
    assert told.value.ok
    page.wait_for_timeout(300)  # what came is put in place
    expect(group.get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("group", name="Chosen groups")).to_contain_text("1 group, 4 jobs chosen")
    page.get_by_role("button", name="Plan requeue of 4").click()
    page.wait_for_url(f"{site.url}/plans/*")
    expect(page.get_by_role("heading", name="Before you run them again")).to_be_visible()
    expect(page.locator("table.diff del").first).to_have_text("failed")
    expect(page.locator("table.diff ins").first).to_have_text("queued")
    assert _axe(page) == []
    page.get_by_label("Reason", exact=True).fill("Ticket 4821")
    page.get_by_role("button", name="Apply 4 changes").click()
    expect(page.get_by_role("heading", name=re.compile("^Applied: 4 changes"))).to_be_visible(timeout=RUN_MS)
    page.get_by_label("Reason for an undo").fill("only trying")
    page.get_by_role("button", name="Undo 4 changes").click()
    expect(page.get_by_role("heading", name=re.compile("^Undone: 4 changes"))).to_be_visible(timeout=RUN_MS)
    page.goto(f"{site.url}/queues/")
    expect(page.get_by_role("row", name=re.compile("AccessDenied"))).to_be_visible()


def test_jobs_of_every_state_and_one_job_are_for_everybody(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    for state in ("queued", "started", "failed", "deferred", "scheduled", "finished", "canceled"):
        page.goto(f"{site.url}/queues/jobs?queue=default&state={state}")
        assert _axe(page) == []
    page.goto(f"{site.url}/queues/jobs?queue=low&state=queued")
    boxes = page.locator("[data-pick]")
    boxes.nth(0).check()
    boxes.nth(2).check()
    expect(page.get_by_role("button", name="Plan delete of 2")).to_be_enabled()
    page.get_by_label(re.compile("^all .* that are waiting")).check()
    total = int(page.locator("[data-pick-every]").get_attribute("data-pick-every") or 0)
    expect(page.get_by_role("button", name=f"Plan delete of {total}")).to_be_enabled()
    boxes.nth(0).uncheck()
    expect(page.get_by_role("button", name="Plan delete of 1")).to_be_enabled()
    page.get_by_role("link", name="Last activity of users").first.click()
    expect(page.get_by_role("heading", name="Called with")).to_be_visible()
    assert _axe(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert _axe(page) == []


def test_support_finds_the_reason_too_and_is_offered_no_plan_about_jobs(page: Page, site: Site) -> None:
    sign_in(page, site, site.support)
    page.goto(f"{site.url}/queues/")
    expect(page.get_by_role("heading", name="Failed jobs")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Plan|^Test|^Try a real"))).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
