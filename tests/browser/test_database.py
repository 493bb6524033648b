"""Vacuum the worst table and watch it: from the list over the plan to the history, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, sign_in


def test_vacuum_the_worst_table_and_watch_it(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Database").click()
    page.get_by_role("link", name="Dead rows", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Dead rows")
    worst = page.get_by_role("group", name="Tables, sizes and dead rows").locator("tbody tr").first
    name = worst.locator("th a").inner_text()
    assert int(re.sub(r"\D.*", "", worst.locator("td").nth(5).inner_text().replace(",", ""))) > 0

    expect(page.get_by_role("button", name="Plan VACUUM")).to_be_disabled()
    worst.get_by_role("checkbox").check()
    expect(page.get_by_text("1 table chosen")).to_be_visible()
    page.get_by_role("button", name="Plan VACUUM").click()
    page.wait_for_url(re.compile("/plans/"))
    expect(page.get_by_role("heading", name=f"VACUUM (ANALYZE) of {name}").first).to_be_visible()
    expect(page.get_by_text("Reading and writing go on").first).to_be_visible()

    page.get_by_label("Reason").fill("T-4815")
    page.get_by_role("button", name="Apply 1 change").click()
    # The bar moves in place, and the page is loaded again when the job has ended.
    expect(page.get_by_role("heading", name="Done: 1 step")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile(r"dead rows [\d,]+ before, [\d,]+ after")).first).to_be_visible()

    page.goto(f"{site.url}/database/")
    history = page.get_by_role("group", name="Maintenance done").locator("tbody tr").first
    expect(history).to_contain_text(f"VACUUM (ANALYZE) of {name}")
    expect(history).to_contain_text("Done")


def test_what_refreshes_disturbs_no_choice(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    page.goto(f"{site.url}/database/")
    first = page.get_by_role("group", name="Tables, sizes and dead rows").locator("tbody tr").first
    first.get_by_role("checkbox").check()
    with page.expect_response(re.compile("/database/live"), timeout=20_000):
        pass
    expect(first.get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_text("1 table chosen")).to_be_visible()
    page.get_by_role("link", name="Pause refresh").click()
    expect(page.get_by_text("not refreshed")).to_be_visible()
