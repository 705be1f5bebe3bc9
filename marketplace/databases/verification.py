"""Compare the tables of a database with the models of its apps."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import CheckConstraint, Model, UniqueConstraint
from django.db.models import Index as ModelIndex

from marketplace.databases.revisions import get_compatible_revision
from marketplace.postgresql.catalog import (
    Column,
    Constraint,
    Index,
    Table,
    describe_tables,
    table_names,
)
from marketplace.registry import ALIASES
from marketplace.rollups.definition import rollups_of
from marketplace.routers import database_of

#: Name of a type in Django → in PostgreSQL.
_TYPES = {"varchar": "character varying", "char": "character", "double": "double precision"}


class Verification(NamedTuple):
    """The result of comparing a database with its models."""

    #: Differences, such as "missing index ecommerce_products_title on ecommerce_products".
    drifts: tuple[str, ...]
    #: Numbers of existing tables, indexes and constraints, for the expected tables.
    tables: int
    indexes: int
    constraints: int


class _ExpectedIndex(NamedTuple):
    """An index that a model declares. None matches any value."""

    name: str | None
    columns: list[str] | None
    method: str | None = None
    is_unique: bool | None = None
    is_partial: bool | None = None


def verify(alias: str) -> Verification:
    """Compare the database with the models of its own apps.

    :raises OperationalError: if the database cannot be reached
    :raises MarketplaceError: if another version of the code migrated the database
    """
    models = {model._meta.db_table: model for model in _models() if _alias_of(model) == alias}
    others = {model._meta.db_table: model for model in _models() if _alias_of(model) != alias}
    present = table_names(alias, others)
    tables = describe_tables(alias, [name for name in models if name in present])
    drifts = [
        *_migration_drifts(alias),
        *_table_drifts(alias, models, others, present),
        *(drift for name, table in tables.items() for drift in _model_drifts(models[name], table)),
    ]
    return Verification(
        tuple(drifts),
        tables=len(tables),
        indexes=sum(not index.has_constraint for t in tables.values() for index in t.indexes),
        constraints=sum(len(table.constraints) for table in tables.values()),
    )


def _models() -> list[type[Model]]:
    """Return the models that have a table in some database."""
    models = apps.get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and not model._meta.proxy]


def _alias_of(model: type[Model]) -> str | None:
    return database_of(model._meta.app_label)


def _fields(model: type[Model]) -> list[Any]:
    """Return the fields that are columns, without types: the stubs lack many attributes."""
    return list(model._meta.local_concrete_fields)


def _migration_drifts(alias: str) -> Iterator[str]:
    revision = get_compatible_revision(alias)
    yield from (f"pending migration {name}" for name in revision.pending)
    yield from (f"unknown migration {name}" for name in revision.unknown)


def _table_drifts(
    alias: str,
    models: dict[str, type[Model]],
    others: dict[str, type[Model]],
    present: list[str],
) -> Iterator[str]:
    yield from (f"missing table {name}" for name in models if name not in present)
    rollups = {rollup.table for rollup in rollups_of(alias).values()} if alias in ALIASES else ()
    expected = {MigrationRecorder.Migration._meta.db_table, *models, *rollups}
    for name in present:
        if name in others:
            yield f"foreign table {name}, which belongs to {others[name]._meta.app_label}"
        elif name not in expected:
            yield f"unexpected table {name}"


def _model_drifts(model: type[Model], table: Table) -> Iterator[str]:
    yield from _column_drifts(model, table)
    yield from _primary_key_drifts(model, table)
    yield from _index_drifts(model, table)
    yield from _constraint_drifts(model, table)


def _column_drifts(model: type[Model], table: Table) -> Iterator[str]:
    name, connection = model._meta.db_table, connections[str(_alias_of(model))]
    fields = {field.column: field for field in _fields(model)}
    for column, field in fields.items():
        if column in table.columns:
            yield from _field_drifts(f"{name}.{column}", field, table.columns[column], connection)
        else:
            yield f"missing column {name}.{column}"
    for column in table.columns.keys() - fields.keys():
        yield f"unexpected column {name}.{column}"


def _field_drifts(
    name: str, field: Any, column: Column, connection: BaseDatabaseWrapper
) -> Iterator[str]:
    expected = str(field.db_parameters(connection)["type"])
    # Django's migrations create these tables with another type of key than its models declare.
    is_automatic = field.primary_key and field.model._meta.auto_created
    if not is_automatic and _normal(expected) != _normal(column.type):
        yield f"type of {name} is {column.type}, expected {expected}"
    # A generated column allows NULL regardless of its field.
    if not field.generated and field.null != column.is_nullable:
        yield f"{name} is {_nullability(column.is_nullable)}, expected {_nullability(field.null)}"
    if field.generated != column.is_generated:
        yield (
            f"{name} is a generated column, expected an ordinary one"
            if column.is_generated
            else f"{name} is not a generated column, expected one"
        )


def _normal(kind: str) -> str:
    """Return the type's name in PostgreSQL, without blanks after commas."""
    base, bracket, rest = kind.partition("(")
    return _TYPES.get(base, base) + bracket + rest.replace(", ", ",")


def _nullability(is_nullable: bool) -> str:
    return "nullable" if is_nullable else "NOT NULL"


def _index_drifts(model: type[Model], table: Table) -> Iterator[str]:
    name = model._meta.db_table
    unmatched = [index for index in table.indexes if not index.has_constraint]
    for index in unmatched:
        if not index.is_valid:
            yield f"invalid index {index.name} on {name}"
    for expected in _expected_indexes(model):
        match = next((index for index in unmatched if _is_match(index, expected)), None)
        if match is None:
            label = f"{expected.name} on {name}" if expected.name else _on(name, expected.columns)
            yield f"missing index {label}"
            continue
        unmatched.remove(match)
        if difference := _difference(match, expected):
            yield f"index {match.name} on {name} {difference}"
    # Django adds a second index to an indexed text column, for LIKE 'abc%'.
    for index in unmatched:
        if not index.name.endswith("_like"):
            yield f"unexpected index {index.name} on {name}"


def _expected_indexes(model: type[Model]) -> Iterator[_ExpectedIndex]:
    for index in model._meta.indexes:
        yield _expected_index(model, index)
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and _is_index(constraint):
            yield _ExpectedIndex(
                name=constraint.name,
                columns=_columns(model, constraint.fields) or None,
                is_unique=True,
                is_partial=constraint.condition is not None,
            )
    for field in _fields(model):
        # Django generates the names of these indexes, and they change between versions.
        if field.db_index and not field.unique:
            yield _ExpectedIndex(name=None, columns=[field.column])


def _expected_index(model: type[Model], index: ModelIndex) -> _ExpectedIndex:
    return _ExpectedIndex(
        name=index.name,
        columns=_columns(model, [name for name, _ in index.fields_orders]) or None,
        method="btree" if index.suffix == ModelIndex.suffix else index.suffix,
        is_unique=False,
        is_partial=index.condition is not None,
    )


def _is_index(constraint: Any) -> bool:
    """Return whether Django creates an index for the constraint, which SQL cannot express."""
    parts = (constraint.condition, constraint.include, constraint.opclasses, constraint.expressions)
    return any(parts)


def _columns(model: type[Model], names: Iterable[str]) -> list[str]:
    columns = {field.name: field.column for field in _fields(model)}
    return [columns[name] for name in names]


def _is_match(index: Index, expected: _ExpectedIndex) -> bool:
    if expected.name:
        return index.name == expected.name
    return index.columns == expected.columns and not index.is_partial


def _difference(index: Index, expected: _ExpectedIndex) -> str:
    """Return how the index differs from the expected one, or an empty string."""
    if expected.columns is not None and index.columns != expected.columns:
        actual, wanted = ", ".join(index.columns), ", ".join(expected.columns)
        return f"is on ({actual}), expected ({wanted})"
    if expected.method is not None and index.method != expected.method:
        return f"is of type {index.method}, expected {expected.method}"
    if expected.is_unique is not None and index.is_unique != expected.is_unique:
        return "is unique" if index.is_unique else "is not unique"
    if expected.is_partial is not None and index.is_partial != expected.is_partial:
        return "has a condition" if index.is_partial else "has no condition"
    return ""


def _on(table: str, columns: list[str] | None) -> str:
    return f"on {table} ({', '.join(columns or [])})"


def _primary_key_drifts(model: type[Model], table: Table) -> Iterator[str]:
    # The key of a partitioned table also includes the partition column.
    keys = [constraint for constraint in table.constraints if constraint.kind == "p"]
    if not any(key.columns[:1] == [model._meta.pk.column] for key in keys):
        yield f"missing primary key on {model._meta.db_table} ({model._meta.pk.column})"


def _constraint_drifts(model: type[Model], table: Table) -> Iterator[str]:
    name = model._meta.db_table
    unmatched = [constraint for constraint in table.constraints if constraint.kind != "p"]
    for item in unmatched:
        if not item.is_valid:
            yield f"constraint {item.name} on {name} is not validated"
    for expected in _expected_constraints(model):
        match = next((item for item in unmatched if _matches(item, expected)), None)
        if match is None:
            yield f"missing {_describe(expected)}"
        else:
            unmatched.remove(match)
    yield from (f"unexpected constraint {item.name} on {name}" for item in unmatched)


class _ExpectedConstraint(NamedTuple):
    """A constraint that a model declares. None matches any value."""

    table: str
    kind: str
    name: str | None = None
    columns: list[str] | None = None
    target: str = ""


def _expected_constraints(model: type[Model]) -> Iterator[_ExpectedConstraint]:
    table = model._meta.db_table
    for constraint in model._meta.constraints:
        if isinstance(constraint, CheckConstraint):
            yield _ExpectedConstraint(table, "c", constraint.name)
        elif isinstance(constraint, UniqueConstraint) and not _is_index(constraint):
            yield _ExpectedConstraint(
                table, "u", constraint.name, _columns(model, constraint.fields)
            )
    for names in model._meta.unique_together:
        yield _ExpectedConstraint(table, "u", columns=_columns(model, names))
    for field in _fields(model):
        yield from _field_constraints(table, field, connections[str(_alias_of(model))])


def _field_constraints(
    table: str, field: Any, connection: BaseDatabaseWrapper
) -> Iterator[_ExpectedConstraint]:
    if field.unique and not field.primary_key:
        yield _ExpectedConstraint(table, "u", columns=[field.column])
    if field.remote_field and getattr(field, "db_constraint", False):
        target = field.remote_field.model._meta.db_table
        yield _ExpectedConstraint(table, "f", columns=[field.column], target=target)
    if field.db_parameters(connection)["check"]:
        yield _ExpectedConstraint(table, "c", columns=[field.column])


def _matches(constraint: Constraint, expected: _ExpectedConstraint) -> bool:
    return (
        constraint.kind == expected.kind
        and expected.name in (None, constraint.name)
        and expected.columns in (None, constraint.columns)
        and constraint.target == expected.target
    )


def _describe(expected: _ExpectedConstraint) -> str:
    if expected.name:
        return f"constraint {expected.name} on {expected.table}"
    kinds = {"u": "unique constraint", "f": "foreign key", "c": "check constraint"}
    return f"{kinds[expected.kind]} {_on(expected.table, expected.columns)}"
