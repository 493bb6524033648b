"""Which Label Studio release wrote a database, told from its `django_migrations` rows.

`releases.json` holds what the published packages ship: for each migration the first release that has it
(`since`), the last one if it went away later (`until`), the migrations it squashes (`replaces`) and the Label
Studio migrations it depends on (`after`, as far as all releases agree on them).

Source: the migration files of every Label Studio release from 1.0 on; Django's rules for squashed migrations.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Row = tuple[str, str]
#: The release that began to count the people who annotated a task instead of their annotations.
PEOPLE_COUNT_SINCE = "1.22.0"


@dataclass(frozen=True)
class Release:
    """What the applied migrations say about the release.

    `version` is the newest release that is fully there; when not even the oldest is, the one being installed.
    `reached` is the newest release any row belongs to: later than `version` after a half-run upgrade.
    `alike` names the other releases with the very same migrations as `version`; rows cannot tell these apart.
    `at_least` is true when rows newer than the newest release known here exist.
    `pending` holds missing migrations as "app.name", oldest first; empty on a healthy database.
    `unknown_rows` counts rows of no known application or release, as Label Studio Enterprise has them.
    """

    version: str
    at_least: bool
    pending: tuple[str, ...]
    unknown_rows: int
    reached: str
    alike: tuple[str, ...]


@dataclass(frozen=True)
class Migration:
    """One migration and the positions, in the list of releases, of the first and the last release with it."""

    row: Row
    first: int
    last: int
    replaces: tuple[Row, ...]
    after: tuple[Row, ...]


@dataclass(frozen=True)
class Catalogue:
    """The content of `releases.json`; `releases` runs from the oldest to the newest."""

    releases: tuple[str, ...]
    other_apps: frozenset[str]
    migrations: dict[Row, Migration]
    squashed_into: dict[Row, Row]
    newest_number: dict[str, int]

    def shipped(self, position: int) -> list[Migration]:
        return [migration for migration in self.migrations.values() if migration.first <= position <= migration.last]


def detect(applied: set[Row]) -> Release:
    """Tell the release from (app, name) rows of `django_migrations`. ValueError: none is Label Studio's."""
    facts = catalogue()
    satisfied = {row for row in facts.migrations if _is_satisfied(row, applied, facts)}
    # Other Django projects have a "core" or "users" application too; the squashed migrations are Label Studio's alone.
    if not any(facts.migrations[row].replaces for row in satisfied):
        raise ValueError("No migration of Label Studio is applied: this is not Label Studio's database.")
    unknown = {row for row in applied if row[0] not in facts.other_apps and not _is_known(row, facts)}
    newer = {row for row in unknown if _number(row) > facts.newest_number.get(row[0], 10_000)}
    # Somebody who adds applications of their own builds from between two releases, so that of the newest
    # release begun only a part may rightly be there.
    own_build = any(row[0] not in facts.newest_number for row in unknown)

    last = len(facts.releases) - 1
    level = last + 1 if newer else max(facts.migrations[row].first for row in satisfied)
    reached = max(at for at in range(last + 1) if all(item.first <= level for item in facts.shipped(at)))
    implied = satisfied | _ancestors(satisfied, facts)
    complete = [at for at in range(reached + 1) if all(item.row in implied for item in facts.shipped(at))]

    missing = {
        item.row: item.first
        for item in facts.shipped(reached)
        if item.row not in satisfied and (item.first < level or not own_build or item.row in implied)
    }
    version = max(complete, default=reached)
    same = {item.row for item in facts.shipped(version)}
    alike = [
        name
        for at, name in enumerate(facts.releases)
        if at != version and {item.row for item in facts.shipped(at)} == same
    ]
    return Release(
        version=facts.releases[version],
        at_least=bool(newer),
        pending=tuple(".".join(row) for row in sorted(missing, key=lambda row: (missing[row], row))),
        unknown_rows=len(unknown),
        reached=facts.releases[reached],
        alike=tuple(alike),
    )


@cache
def catalogue() -> Catalogue:
    """Read `releases.json`, once."""
    content = json.loads(files(__package__).joinpath("releases.json").read_text(encoding="utf-8"))
    releases = tuple(content["releases"])
    position = {name: at for at, name in enumerate(releases)}
    migrations = {
        _row(name): Migration(
            row=_row(name),
            first=position[facts["since"]],
            last=position[facts.get("until", releases[-1])],
            replaces=tuple(_row(other) for other in facts.get("replaces", ())),
            after=tuple(_row(other) for other in facts.get("after", ())),
        )
        for name, facts in content["migrations"].items()
    }
    numbers: dict[str, int] = {}
    for row in migrations:
        numbers[row[0]] = max(_number(row), numbers.get(row[0], 0))
    return Catalogue(
        releases=releases,
        other_apps=frozenset(content["other_apps"]),
        migrations=migrations,
        squashed_into={old: item.row for item in migrations.values() for old in item.replaces},
        newest_number=numbers,
    )


def is_since(version: str, first: str) -> bool:
    """Whether a release is `first` or a later one, by the order of the list. False for a release that is not in it."""
    releases = catalogue().releases
    return version in releases and releases.index(version) >= releases.index(first)


def counts_people(version: str) -> bool:
    """Whether a task of this release is labeled by enough people; before 1.22 it took enough annotations, by anybody."""
    return version not in catalogue().releases or is_since(version, PEOPLE_COUNT_SINCE)


def release_of(migration: str) -> str:
    """The first release that ships a migration named as in `Release.pending`."""
    facts = catalogue()
    return facts.releases[facts.migrations[_row(migration)].first]


def _is_satisfied(row: Row, applied: set[Row], facts: Catalogue) -> bool:
    """A row is there itself, or its squash is, or (for a squash) all that it replaces are, as Django sees it."""
    if row in applied or facts.squashed_into.get(row) in applied:
        return True
    replaces = facts.migrations[row].replaces
    return bool(replaces) and all(old in applied for old in replaces)


def _is_known(row: Row, facts: Catalogue) -> bool:
    return row in facts.migrations or row in facts.squashed_into


def _ancestors(rows: set[Row], facts: Catalogue) -> set[Row]:
    """Every migration that the given ones depend on, directly or not."""
    found: set[Row] = set()
    queue = list(rows)
    while queue:
        for row in facts.migrations[queue.pop()].after:
            if row not in found:
                found.add(row)
                queue.append(row)
    return found


def _row(name: str) -> Row:
    app, _, migration = name.partition(".")
    return app, migration


def _number(row: Row) -> int:
    """The leading number of a migration's name; 0 without one."""
    digits = row[1].partition("_")[0]
    return int(digits) if digits.isdecimal() else 0
