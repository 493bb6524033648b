"""Checks are found by where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from console import diagnostics
from console.diagnostics import registry
from console.errors import NotFound, Refused

FOLDER = Path(diagnostics.__file__).parent


def files() -> list[str]:
    return sorted(f"{path.parent.name}.{path.stem}" for path in FOLDER.glob("*/*.py") if not path.name.startswith("_"))


def test_every_check_file_is_a_check_named_after_it():
    codes = {check.code for check in registry.all_checks()}
    makers = {code for code in files() if "@check(" in (FOLDER / f"{code.replace('.', '/')}.py").read_text()}
    assert codes == makers


def test_areas_and_codes_select():
    assert registry.select(()) == registry.all_checks()
    auth = registry.select(["auth"])
    assert {check.area for check in auth} == {"auth"}
    assert registry.select(["auth", "auth.mixed_case_email"]) == auth
    assert [check.code for check in registry.select(["tasks.counters_drift"])] == ["tasks.counters_drift"]
    with pytest.raises(Refused, match=r"'nonsense' is neither a check nor an area. Areas: auth"):
        registry.select(["nonsense"])
    with pytest.raises(NotFound, match=r"no check 'auth\.nonsense'"):
        registry.get("auth.nonsense")


def test_areas_are_in_the_order_of_the_pages():
    assert next(iter(registry.by_area())) == "auth"
    assert registry.area_title("auth") == "Sign-in"
    assert registry.area_title("unheard") == "Unheard"


def test_a_fix_that_is_not_there():
    with pytest.raises(NotFound, match="has no fix 'nope'; it has: lower"):
        registry.get("auth.mixed_case_email").get_fix("nope")
