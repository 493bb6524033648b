"""The page about the API says what the API does, and needs no account to be read."""

from __future__ import annotations

import re

from flask import Flask

from console.api import resources
from console.api.openapi import document, openapi_path
from tests.views.conftest import Browser


def test_every_route_is_on_the_page_with_a_summary(app: Flask) -> None:
    page = app.test_client().get("/docs/api").get_data(as_text=True)
    shown = set(re.findall(r"<code>(/[^<]*)</code> <span class=\"muted\">([^<]+)", page))
    declared = {openapi_path(route.rules[0]) for one in resources().values() for route in one.routes}
    assert {path for path, _ in shown} == declared
    assert all(summary.strip() for _, summary in shown)


def test_the_search_narrows_and_says_when_nothing_fits(admin: Browser) -> None:
    assert "<code>/api/schema/</code>" in admin.text("/docs/api?q=openapi")
    assert "/annotations/</code>" not in admin.text("/docs/api?q=openapi")
    assert "No operation has “&lt;b&gt;" in admin.text("/docs/api?q=<b>")


def test_the_document_is_served_and_every_reference_in_it_leads_somewhere(app: Flask) -> None:
    schema = app.test_client().get("/api/schema").get_json()
    assert schema["openapi"].startswith("3.1")
    text = str(schema)
    for kind, name in set(re.findall(r"#/components/(\w+)/(\w+)", text)):
        assert name in schema["components"][kind], (kind, name)


def test_operations_have_names_of_their_own() -> None:
    names = [one["operationId"] for path in document()["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def test_a_body_without_fields_is_told_and_its_example_can_be_sent(app: Flask) -> None:
    page = app.test_client().get("/docs/api").get_data(as_text=True)
    assert "<h4>Body</h4><p>object or list of object</p>" in page
    assert "To be or not to be" in page and "-F &#39;file=@FILE&#39;" in page


def test_what_can_be_pasted_is_set_as_code(app: Flask) -> None:
    page = app.test_client().get("/docs/api").get_data(as_text=True)
    assert "`" not in page and "poll <code>status</code>" in page
