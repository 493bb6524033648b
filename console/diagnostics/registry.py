"""Finds the check files: every module below an area folder of this package that makes a Check."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ..errors import BadSetting, NotFound, Refused
from .check import Check

#: Areas as the pages call them, in the order of the pages. A folder without an entry is called by its own name.
AREA_TITLES = {
    "auth": "Sign-in", "org": "Organizations", "sso": "SSO", "storage": "Storage", "gcs": "Google Cloud Storage",
    "azure": "Azure Blob", "local": "Local files", "redisstore": "Redis storage", "jobs": "Jobs", "import": "Import",
    "tasks": "Tasks", "pred": "Predictions", "export": "Export", "config": "Labeling config", "pg": "Database",
    "sqlite": "SQLite", "db": "Database care", "perf": "Speed", "net": "Network",
}  # fmt: skip


@cache
def _checks() -> dict[str, Check]:
    found: dict[str, Check] = {}
    root = Path(__file__).parent
    for area in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("_")):
        for module in pkgutil.iter_modules([str(area)]):
            loaded = importlib.import_module(f"{__package__}.{area.name}.{module.name}")
            for value in vars(loaded).values():
                if isinstance(value, Check) and value.body.__module__ == loaded.__name__:
                    found[value.code] = value
    order = list(AREA_TITLES)
    return dict(
        sorted(found.items(), key=lambda item: (order.index(item[1].area) if item[1].area in order else 99, item[0]))
    )


def all_checks() -> list[Check]:
    """Every check, by area in the order of the pages, then by code."""
    return list(_checks().values())


def get(code: str) -> Check:
    """The check of a code. Raises NotFound."""
    if code not in _checks():
        raise NotFound(f"There is no check {code!r}. `lsconsole explain` lists them.")
    return _checks()[code]


def find(code: str) -> Check | None:
    """The check of a code, or None: the store may remember a check of another version."""
    return _checks().get(code)


def by_area() -> dict[str, list[Check]]:
    """Checks per area, areas in the order of the pages."""
    areas: dict[str, list[Check]] = {}
    for check in all_checks():
        areas.setdefault(check.area, []).append(check)
    return areas


def area_title(area: str) -> str:
    return AREA_TITLES.get(area, area.capitalize())


def need_limits(names: Iterable[str]) -> None:
    """Raise BadSetting for an operator's limit that no check has."""
    for name in names:
        code, _, limit = name.rpartition(".")
        if code not in _checks():
            raise BadSetting(f"LSCONSOLE_THRESHOLDS names {name}, but there is no check {code}.")
        if limit not in _checks()[code].thresholds:
            accepted = ", ".join(_checks()[code].thresholds) or "none"
            raise BadSetting(f"LSCONSOLE_THRESHOLDS names {name}, but {code} has no such limit; accepted: {accepted}.")


def select(names: list[str] | tuple[str, ...]) -> list[Check]:
    """Checks named by code or area; all of them when nothing is named. Raises Refused for a name that is neither."""
    if not names:
        return all_checks()
    areas = by_area()
    chosen: dict[str, Check] = {}
    for name in names:
        if name in areas:
            chosen |= {check.code: check for check in areas[name]}
        elif name in _checks():
            chosen[name] = _checks()[name]
        else:
            raise Refused(
                f"{name!r} is neither a check nor an area. Areas: {', '.join(areas)}. `lsconsole explain` lists the checks."
            )
    return list(chosen.values())
