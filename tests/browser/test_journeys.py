"""The two tickets everybody knows, from symptom to undo, as a person walks them; and a sign-in that is refused."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, sign_in

RUN_MS = 60_000


def _start(page: Page, site: Site, symptom: str, field: str, subject: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Symptoms").click()
    page.get_by_role("link", name=symptom).first.click()
    page.get_by_label(field).fill(subject)
    page.get_by_role("button", name=re.compile(r"^Run \d+ checks?$")).click()
    page.wait_for_url(f"{site.url}/symptoms/runs/*")
    expect(page.get_by_role("button", name="Run again")).to_be_visible(timeout=RUN_MS)


def _apply_and_undo(page: Page, expected: tuple[str, str]) -> None:
    """On a plan page: the diff shows both values; apply, see it verified, undo, see the finding back."""
    before, after = expected
    diff = page.get_by_role("region", name="What would change")
    expect(diff.locator("del").first).to_contain_text(before)
    expect(diff.locator("ins").first).to_contain_text(after)
    page.get_by_label("Reason", exact=True).fill("Ticket 4812")
    page.get_by_role("button", name=re.compile(r"^Apply \d+ change")).click()
    expect(page.get_by_role("heading", name=re.compile("Applied: .*checked again, nothing found"))).to_be_visible(
        timeout=RUN_MS
    )
    page.get_by_label("Reason for an undo").fill("only trying")
    page.get_by_role("button", name=re.compile(r"^Undo \d+ change")).click()
    expect(page.get_by_role("heading", name=re.compile("Undone: "))).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_text("Checked again: the finding is back")).to_be_visible()


def test_i_cannot_sign_in_with_the_right_password(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    _start(page, site, "I can't sign in with the right password", "Who cannot?", "priya.raman@example.com")
    expect(page.locator("#verdict")).to_contain_text("Priya.Raman@example.com cannot sign in")
    expect(page.locator("li.step-finding").first).to_contain_text("auth.mixed_case_email")
    page.get_by_role("button", name="Review fix").first.click()
    page.wait_for_url(f"{site.url}/plans/*")
    _apply_and_undo(page, ("Priya.Raman@example.com", "priya.raman@example.com"))


def test_i_click_sync_and_see_nothing(page: Page, site: Site) -> None:
    sign_in(page, site, site.admin)
    _start(page, site, "I click Sync and see nothing", "Which project?", "Delivery notes, 2025")
    found = page.locator("li.step-finding", has_text="match")
    expect(found.first).to_be_visible()
    found.get_by_role("link", name="storage.regex_no_match").click()
    expect(page.get_by_role("table").first).to_contain_text("scans/2025/")
    page.get_by_role("button", name=re.compile("^Review fix|^Plan")).first.click()
    page.wait_for_url(f"{site.url}/plans/*")
    expect(page.locator("table.diff")).to_contain_text("regex_filter")
    before = page.locator("table.diff del").first.inner_text()
    after = page.locator("table.diff ins").first.inner_text()
    assert before != after
    _apply_and_undo(page, (before, after))


def test_a_wrong_password_is_refused_with_one_sentence(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("E-mail").fill(site.admin[0])
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match an active Label Studio account")


def test_an_account_without_a_role_is_told_so(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("E-mail").fill("ines.carvalho@example.com")
    page.get_by_label("Password").fill(site.admin[1])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("LSCONSOLE_SUPPORT")


def test_support_sees_the_plan_and_who_may_apply_it(page: Page, site: Site) -> None:
    sign_in(page, site, site.support)
    _start(page, site, "I can't sign in with the right password", "Who cannot?", "t.becker@example.com")
    page.get_by_role("button", name="Review fix").first.click()
    page.wait_for_url(f"{site.url}/plans/*")
    expect(page.get_by_role("heading", name="Your account may look, not change")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Apply"))).to_have_count(0)
