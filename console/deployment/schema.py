"""What the attached database really has: its release, its tables and columns.

No table of Label Studio holds the version number; `releases.detect` reads it from the rows of `django_migrations`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Integer, MetaData, Table, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute
from sqlalchemy.types import NullType

from ..errors import CannotAttach, NotApplicable, NotFound
from .models import Json, LabelStudio, Migration, UtcDateTime
from .releases import Release, detect

#: Without these three a database is not Label Studio's.
ESSENTIAL = ("htx_user", "project", "task")


@dataclass(frozen=True)
class RealColumn:
    """One column as the catalogue describes it."""

    name: str
    type_name: str
    nullable: bool
    has_default: bool
    generated: bool
    primary: bool = False


@dataclass
class Schema:
    """The catalogue of one attached database, read once at attach time."""

    dialect: str
    release: Release
    columns: dict[str, dict[str, RealColumn]]
    _tables: dict[str, Table] = field(default_factory=dict, repr=False)
    _statements: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, connection: Connection) -> Schema:
        """Read the catalogue. Raises CannotAttach when this is not Label Studio's database."""
        dialect = connection.dialect.name
        columns = _postgresql_columns(connection) if dialect == "postgresql" else _sqlite_columns(connection)
        missing = [name for name in ESSENTIAL if name not in columns]
        if missing or "django_migrations" not in columns:
            missing = missing or ["django_migrations"]
            if dialect == "postgresql":
                _need_usage(connection)
                _need_search_path(connection)
            raise CannotAttach(
                "This is not Label Studio's database: it has no table "
                f"{', '.join(missing)} ({len(columns)} other tables). Check the database name in the URL."
            )
        return cls(dialect=dialect, release=_release(connection), columns=columns)

    @property
    def label_studio_version(self) -> str:
        return self.release.version

    @property
    def version_note(self) -> str:
        """What has to be said beside the version, if anything: rows of migrations do not tell everything."""
        release = self.release
        if release.pending and release.reached != release.version:
            return f"upgraded in part to {release.reached}"
        if release.at_least:
            return "or newer: it has migrations that are not known here"
        return f"or {', '.join(release.alike)}: same migrations" if release.alike else ""

    def has_table(self, name: str) -> bool:
        return name in self.columns

    def has(self, attribute: Any) -> bool:
        """Whether the release has this mapped column, or any table of this mapped class."""
        if isinstance(attribute, type) and issubclass(attribute, DeclarativeBase):
            return self.has_table(attribute.__tablename__)
        column = inspect(attribute).property.columns[0]
        return column.name in self.columns.get(column.table.name, {})

    def need(self, *attributes: Any) -> None:
        """Raise NotApplicable naming the first mapped table or column that this release lacks."""
        for attribute in attributes:
            if not self.has(attribute):
                raise NotApplicable(f"Label Studio {self.label_studio_version} has no {_title(attribute)}")

    def present(self, model: type[LabelStudio]) -> list[InstrumentedAttribute[Any]]:
        """The mapped columns of a class that the release has, for selecting all of them."""
        attributes = [getattr(model, item.key) for item in inspect(model).column_attrs]
        return [attribute for attribute in attributes if self.has(attribute)]

    def table(self, name: str) -> Table:
        """A table as it really is, every column included, ours to know or not. Raises NotFound."""
        if name in self._tables:
            return self._tables[name]
        if name not in self.columns:
            raise NotFound(f"Label Studio {self.label_studio_version} has no table {name}.")
        mapped = LabelStudio.metadata.tables.get(name)
        built = []
        for real in self.columns[name].values():
            known = mapped.c.get(real.name) if mapped is not None else None
            built.append(
                Column(real.name, known.type if known is not None else _type_of(real), primary_key=real.primary)
            )
        # A collection of its own: in a shared one, another thread would find the table half made.
        return self._tables.setdefault(name, Table(name, MetaData(), *built))

    def once(self, name: str, build: Callable[[], Any]) -> Any:
        """A statement over these tables, built at its first use: building one takes longer than running it.

        Its values are bound parameters. What `build` makes may depend on the schema and the name alone.
        """
        if name not in self._statements:
            self._statements[name] = build()
        return self._statements[name]

    def required(self, name: str) -> list[RealColumn]:
        """Columns an INSERT has to name: NOT NULL, without a default, not generated."""
        return [
            column for column in self.columns[name].values()
            if not column.nullable and not column.has_default and not column.generated
        ]  # fmt: skip

    @cached_property
    def fitted(self) -> dict[str, type]:
        """Mapped classes with just the columns this database has, by class name; for whole-row reading."""
        base = type("Fitted", (DeclarativeBase,), {"metadata": MetaData()})
        classes: dict[str, type] = {}
        for mapper in LabelStudio.registry.mappers:
            model = mapper.class_
            if not self.has_table(model.__tablename__):
                continue
            kept = [column._copy() for column in mapper.columns if column.name in self.columns[model.__tablename__]]
            table = Table(model.__tablename__, base.metadata, *kept)  # type: ignore[attr-defined]
            classes[model.__name__] = type(model.__name__, (base,), {"__table__": table, "__doc__": model.__doc__})
        return classes


#: The release of a database whose `django_migrations` we may not read.
UNTOLD = Release("unknown", False, (), 0, "unknown", ())


def _release(connection: Connection) -> Release:
    try:
        with connection.begin_nested():
            rows = connection.execute(select(Migration.app, Migration.name)).all()
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) == "42501":
            return UNTOLD
        raise
    try:
        return detect({(row.app, row.name) for row in rows})
    except ValueError as error:
        raise CannotAttach(str(error)) from None


def _title(attribute: Any) -> str:
    if isinstance(attribute, type):
        return f"table {attribute.__tablename__}"  # type: ignore[attr-defined]
    column = attribute.property.columns[0]
    return f"column {column.table.name}.{column.name}"


def _type_of(column: RealColumn) -> Any:
    name = column.type_name.lower()
    if name.startswith("timestamp") or name == "datetime":
        return UtcDateTime()
    if name.startswith(("bool",)):
        return Boolean()
    if name in {"jsonb", "json"}:
        return Json()
    if "int" in name and name not in {"interval", "point"}:
        return Integer()
    if name in {"real", "double precision", "float8"}:
        return Float()
    return NullType()


_PG_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull,
       (a.atthasdef or a.attidentity <> ''), a.attgenerated <> '',
       exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and a.attnum = any (i.indkey))
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p', 'v') and n.nspname = any (current_schemas(false))
order by c.relname, a.attnum
"""


def _postgresql_columns(connection: Connection) -> dict[str, dict[str, RealColumn]]:
    found: dict[str, dict[str, RealColumn]] = {}
    # Generated columns came with PostgreSQL 12; Label Studio ran on 11 for years.
    known = (connection.dialect.server_version_info or (12,)) >= (12,)
    statement = _PG_COLUMNS if known else _PG_COLUMNS.replace("a.attgenerated <> ''", "false")
    for table, name, type_name, nullable, default, generated, primary in connection.exec_driver_sql(statement):
        # A generated column carries its expression as a default.
        column = RealColumn(name, type_name, nullable, default and not generated, generated, primary)
        found.setdefault(table, {})[name] = column
    return found


def _need_usage(connection: Connection) -> None:
    """Raise CannotAttach with the GRANT when Label Studio's tables stand in a schema we may not enter."""
    shut: Any = connection.exec_driver_sql(
        "select n.nspname, current_user from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relname = 'htx_user' and not has_schema_privilege(n.oid, 'USAGE')"
    ).first()
    if shut:
        schema, role = shut
        raise CannotAttach(
            f"User {role} may not look into schema {schema}. Needs: GRANT USAGE ON SCHEMA {schema} TO {role};"
        )


def _need_search_path(connection: Connection) -> None:
    """Raise CannotAttach with the way in when the tables stand in a schema outside the search path."""
    schema = connection.exec_driver_sql(
        "select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relname = 'htx_user'"
        " and c.relkind in ('r', 'p') and not n.nspname = any (current_schemas(true)) order by 1 limit 1"
    ).scalar()
    if schema:
        raise CannotAttach(
            f"Label Studio's tables are in the schema {schema}, which this role does not look in. "
            f"Add ?options=-csearch_path={schema} to the URL, or ALTER ROLE … SET search_path = {schema};"
        )


def _sqlite_columns(connection: Connection) -> dict[str, dict[str, RealColumn]]:
    found: dict[str, dict[str, RealColumn]] = {}
    names = connection.exec_driver_sql("select name, sql from sqlite_master where type in ('table', 'view')").all()
    for table, sql in names:
        if table.startswith("sqlite_"):
            continue
        quoted = table.replace('"', '""')
        for row in connection.exec_driver_sql(f'pragma table_xinfo("{quoted}")'):
            _, name, type_name, not_null, default, primary, hidden = row
            if f'"{name}" text' in (sql or "") and f'JSON_VALID("{name}")' in sql:
                type_name = "json"
            # Only an `integer primary key` is given by SQLite itself.
            counted = bool(primary) and type_name.lower() == "integer"
            found.setdefault(table, {})[name] = RealColumn(
                name, type_name, not not_null and not primary, default is not None or counted, hidden in (2, 3),
                bool(primary),
            )  # fmt: skip
    return found
