"""Update of last-seen times for items that were observed again with unchanged content.

The item rows, the rows that depend on them (such as offers) and the rows they refer to (such as
sellers) get a newer `last_seen_at`. No other tracked column changes.
"""

from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.loading.models import loading_models, table_of
from marketplace.loading.targets import Plan, Target

_LOCK = """
WITH locked AS (
    SELECT t.id FROM stage_seen_again s
    JOIN {table} t ON t.content_hash = s.content_hash AND t.platform = %(platform)s
    WHERE t.last_seen_at <= s.observed_at
    ORDER BY t.external_id COLLATE "C" FOR UPDATE OF t
)
SELECT array_agg(id) FROM locked
"""

_UPDATE = """
WITH seen AS (
    SELECT t.id, t.external_id, t.content_hash, t.last_seen_at AS was, s.observed_at, s.item
    FROM stage_seen_again s
    JOIN {table} t ON t.content_hash = s.content_hash AND t.id = ANY(%(locked)s::bigint[])
    WHERE t.last_seen_at <= s.observed_at
),
later AS (SELECT DISTINCT ON (id) * FROM seen WHERE was < observed_at),
updated AS (
    UPDATE {table} t SET last_seen_at = later.observed_at FROM later WHERE t.id = later.id
){further}
SELECT array_agg(item) FROM seen
"""

_UPDATE_DEPENDENTS = """, {name} AS (
    UPDATE {table} d SET {times} FROM later
    WHERE d.{column} = later.id AND d.last_seen_at = later.was
)"""

_NOTE_OBSERVATIONS = """, noted AS (
    INSERT INTO {payload_observations} AS n (payload_id, month, observed_times)
    SELECT p.id, date_trunc('month', later.observed_at AT TIME ZONE 'UTC')::date,
        ARRAY[later.observed_at]
    FROM later JOIN {payloads} p ON p.platform = %(platform)s
        AND p.external_id = later.external_id AND p.content_hash = later.content_hash
    ORDER BY p.id
    ON CONFLICT (payload_id, month)
        DO UPDATE SET observed_times = n.observed_times || EXCLUDED.observed_times
)"""

_UPDATE_PARENTS = """
WITH RECURSIVE seen AS (
    SELECT t.*, s.observed_at FROM stage_seen_again s
    JOIN {table} t ON t.content_hash = s.content_hash AND t.platform = %(platform)s
    WHERE t.last_seen_at < s.observed_at
){dependents},
referenced AS (
    SELECT id, min(was) AS was, max(at) AS at FROM ({references}) AS r GROUP BY id
),
ancestors AS (SELECT id, was, at FROM referenced{recursion}),
locked AS (
    SELECT p.id, newest.at FROM {parent} p
    JOIN (SELECT id, min(was) AS was, max(at) AS at FROM ancestors GROUP BY id) newest
        ON newest.id = p.id AND newest.was <= p.last_seen_at AND p.last_seen_at < newest.at
    ORDER BY p.external_id COLLATE "C" FOR UPDATE OF p
)
UPDATE {parent} p SET last_seen_at = locked.at FROM locked WHERE p.id = locked.id
"""

# OFFSET 0 makes the planner use the index, as in `deduplication`.
_DEPENDENTS = """, {name} AS (
    SELECT d.*, seen.observed_at FROM seen CROSS JOIN LATERAL (
        SELECT * FROM {table} WHERE {column} = seen.id AND last_seen_at = seen.last_seen_at
        OFFSET 0
    ) d
)"""

_REFERENCES = """
SELECT {column} AS id, last_seen_at AS was, observed_at AS at FROM {name}
WHERE {column} IS NOT NULL
"""

_RECURSION = """
    UNION SELECT p.{column}, ancestors.was, ancestors.at FROM ancestors
    JOIN {parent} p ON p.id = ancestors.id WHERE p.{column} IS NOT NULL"""


def update(cursor: CursorWrapper, alias: str, platform: str, plan: Plan) -> set[int]:
    """Update the staged items whose content is still the same; return their positions.

    An item whose position is not returned has changed since it was recognized. Rows are locked
    parents first, as in a merge.
    """
    updated: set[int] = set()
    values: dict[str, Any] = {"platform": platform}
    for target in plan.hashed_targets:
        for statement in _update_parents(plan, target):
            cursor.execute(statement, values)
        # Locking is a separate statement, so that the next one sees rows of concurrent loaders.
        cursor.execute(SQL(_LOCK).format(table=Identifier(target.table)), values)
        values["locked"] = cursor.fetchone()[0] or []
        cursor.execute(_update(alias, plan, target), values)
        updated |= set(cursor.fetchone()[0] or ())
    return updated


def _update_parents(plan: Plan, target: Target) -> list[Composed]:
    """Return the statements that update the rows which items and their dependents refer to.

    The result is the same as that of a merge: a parent gets the newest time of its items, and so do
    its own parents, such as those of a category. A parent that was not observed together with the
    item the last time is not updated.
    """
    statements = []
    for parent in plan.targets:
        sources = [(target, "seen")] if _columns(target, parent) else []
        dependents = [
            (dependent, column)
            for dependent, column in _dependents(plan, target)
            if _columns(dependent, parent)
        ]
        sources += [(dependent, f"of_{dependent.table}") for dependent, _ in dependents]
        if sources and parent is not target:
            statements.append(_update_parent(target, parent, dependents, sources))
    return statements


def _update_parent(
    target: Target,
    parent: Target,
    dependents: list[tuple[Target, str]],
    sources: list[tuple[Target, str]],
) -> Composed:
    """Return the statement that updates the parent rows in one table.

    :param dependents: targets that depend on the items, with the column that refers to the items
    :param sources: targets that refer to the parent, with the name of their common table expression
    """
    return SQL(_UPDATE_PARENTS).format(
        table=Identifier(target.table),
        parent=Identifier(parent.table),
        dependents=SQL("").join(
            SQL(_DEPENDENTS).format(
                name=Identifier(f"of_{dependent.table}"),
                table=Identifier(dependent.table),
                column=Identifier(column),
            )
            for dependent, column in dependents
        ),
        references=SQL(" UNION ALL ").join(
            SQL(_REFERENCES).format(column=Identifier(column), name=Identifier(name))
            for source, name in sources
            for column in _columns(source, parent)
        ),
        recursion=SQL("").join(
            SQL(_RECURSION).format(column=Identifier(column), parent=Identifier(parent.table))
            for column in _columns(parent, parent)
        ),
    )


def _columns(target: Target, parent: Target) -> list[str]:
    """Return the columns in which rows of a target refer to rows of another one."""
    return [
        reference.column
        for reference in target.references.values()
        if reference.record is parent.record
    ]


def _update(alias: str, plan: Plan, target: Target) -> Composed:
    """Return the statement that updates items and their dependents, and notes the observations.

    A row that got the same content after the lock statement is not locked, and so not updated.
    """
    return SQL(_UPDATE).format(
        table=Identifier(target.table),
        further=SQL("").join([*_update_dependents(plan, target), *_note_observations(alias)]),
    )


def _dependents(plan: Plan, target: Target) -> list[tuple[Target, str]]:
    """Return the targets whose rows depend on items, and the column that refers to the items.

    Targets with a content hash are not included: they have items of their own.
    """
    return [
        (dependent, column)
        for dependent in plan.targets
        if not dependent.has_content_hash
        for column in _columns(dependent, target)
    ]


def _update_dependents(plan: Plan, target: Target) -> list[Composed]:
    """Return the clauses that update the rows which were last observed together with the items."""
    clauses = []
    for dependent, column in _dependents(plan, target):
        times = ("last_seen_at", *sorted(dependent.untracked))
        clause = SQL(_UPDATE_DEPENDENTS).format(
            name=Identifier(f"updated_{dependent.table}"),
            table=Identifier(dependent.table),
            times=SQL(", ").join(
                SQL("{} = later.observed_at").format(Identifier(name)) for name in times
            ),
            column=Identifier(column),
        )
        clauses.append(clause)
    return clauses


def _note_observations(alias: str) -> list[Composed]:
    """Return the clause that notes when payloads were observed, if the database stores payloads."""
    models = loading_models(alias).payload_models
    if models is None:
        return []
    clause = SQL(_NOTE_OBSERVATIONS).format(
        payload_observations=table_of(models.observation),
        payloads=table_of(models.payload),
    )
    return [clause]
