"""Promises about the tree itself: every check has a source, a test and a runbook; every setting is told."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from console import runbooks
from console.config import Settings
from console.diagnostics import Check, registry
from tests.servers import ROOT

#: Checks that no symptom leads to, and why.
WITHOUT_RUNBOOK: dict[str, str] = {}
PACKAGE = ROOT / "console"
CHECKS = pytest.mark.parametrize("check", registry.all_checks(), ids=lambda check: check.code)


@CHECKS
def test_a_check_tells_its_source(check: Check):
    assert "Source:" in check.doc, f"{check.code}: the module docstring names no source"
    assert len(check.doc.split("Source:")[0]) > 150, f"{check.code}: the docstring explains too little"
    assert check.title and not check.title.endswith(".")
    assert check.impact
    assert check.scopes <= {"user", "project", "storage"}


@CHECKS
def test_a_check_has_a_test(check: Check):
    area, slug = check.code.split(".")
    assert (ROOT / "tests" / "diagnostics" / area / f"test_{slug}.py").is_file()


@CHECKS
def test_a_check_has_a_runbook_or_a_reason(check: Check):
    told = bool(runbooks.for_check(check.code))
    assert told or check.code in WITHOUT_RUNBOOK, f"{check.code}: no runbook asks it"


@CHECKS
def test_a_fix_says_what_it_does(check: Check):
    for fix in check.fixes.values():
        assert fix.title and fix.doc, f"{check.code}.{fix.id}"


def test_every_runbook_step_exists():
    books = runbooks.all_runbooks()
    assert books
    for book in books:  # parsing already refuses a code or a fix that is not there
        assert book.title and book.summary and book.area in registry.AREA_TITLES, book.slug
        assert book.codes, book.slug
        for step in book.steps:
            assert step.content, book.slug
        for position, step in enumerate(book.steps):
            if step.kind == "fix":
                asked = [other.content for other in book.steps[:position] if other.kind == "check"]
                assert step.content.rpartition(".")[0] in asked, f"{book.slug}: {step.content} before its check"


def test_a_runbook_reads_well_without_the_console():
    for book in runbooks.all_runbooks():
        prose = " ".join(step.content for step in book.steps if step.kind == "text")
        assert len(prose) > 300, book.slug


def test_the_readme_lists_every_setting():
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("|")]
    for item in fields(Settings):
        if item.metadata:
            assert any(f"`{item.metadata['env']}`" in row for row in rows), (
                f"{item.metadata['env']} is not in the README"
            )


def python_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "_runbooks" not in path.parts)


def test_only_config_reads_the_environment():
    """Starting other programs may hand the environment on; deciding by it is for `config` alone."""
    allowed = {"config.py", "server.py"}
    for path in python_files():
        if path.name in allowed or "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            assert not reads, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_only_the_edges_print():
    for path in python_files():
        if path.name in {"cli.py", "terminal.py", "server.py"} or "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not prints, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_files_stay_short_and_have_a_docstring():
    for path in python_files():
        source = path.read_text()
        assert len(source.splitlines()) <= 420, f"{path.relative_to(ROOT)} is long"
        if source.strip():
            assert ast.get_docstring(ast.parse(source)), f"{path.relative_to(ROOT)} has no docstring"


def test_nothing_is_called_utils_and_nothing_is_left_to_do():
    for path in python_files():
        assert path.stem not in {"utils", "helpers", "common"}
        assert "TO" + "DO" not in path.read_text(), path


def test_the_schema_of_the_report_ships():
    assert (PACKAGE / "diagnostics" / "report.schema.json").is_file()
