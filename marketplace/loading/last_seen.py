"""Touching: what was observed again, unchanged, moves its times and nothing else."""

from typing import Any

from django.apps import apps
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.loading import staging
from marketplace.loading.preparation import SeenAgain
from marketplace.loading.targets import Plan, Target

TABLE = "stage_seen_again"

_COLUMNS = (("item", "integer"), ("content_hash", "bytea"), ("observed_at", "timestamptz"))


def definition() -> Composed:
    """Return the statement that makes the temporary table of touches."""
    return staging.definition(TABLE, _COLUMNS)


def stage(cursor: CursorWrapper, items: list[SeenAgain]) -> None:
    """Send what is to be touched to its temporary table."""
    rows = ((item.position, bytes.fromhex(item.content_hash), item.observed_at) for item in items)
    staging.copy(cursor, TABLE, [name for name, _ in _COLUMNS], rows)


def apply(cursor: CursorWrapper, alias: str, platform: str, plan: Plan) -> set[int]:
    """SeenAgain what is staged and still says the same; return its items' positions.

    Rows are locked parents first, as merging does. An item that is not returned has changed since
    it was recognized.
    """
    touched: set[int] = set()
    values: dict[str, Any] = {"platform": platform}
    for target in plan.hashed_targets:
        for parent in _parents(plan, target):
            cursor.execute(parent, values)
        # A statement of its own: the one after it must see what a loader that was waited for left.
        cursor.execute(_lock(target), values)
        values["locked"] = cursor.fetchone()[0] or []
        cursor.execute(_touch(alias, plan, target), values)
        touched |= set(cursor.fetchone()[0] or ())
    return touched


def _parents(plan: Plan, anchor: Target) -> list[Composed]:
    """Return the statements that touch what anchors, and what depends on them, refer to.

    As if it had been told again, which merging would do: the newest of its times counts, and what
    is above it, such as a category's parents, is told with it. What it was not told with the last
    time is left alone.
    """
    statements = []
    for parent in plan.targets:
        tellers = [(anchor, "anchors")] if _columns(anchor, parent) else []
        dependents = [
            (target, column)
            for target, column in _told_with(plan, anchor)
            if _columns(target, parent)
        ]
        tellers += [(target, f"of_{target.table}") for target, _ in dependents]
        if tellers and parent is not anchor:
            statements.append(_touch_parent(anchor, parent, dependents, tellers))
    return statements


def _touch_parent(
    anchor: Target,
    parent: Target,
    dependents: list[tuple[Target, str]],
    tellers: list[tuple[Target, str]],
) -> Composed:
    """Return the statement that touches the rows of one target.

    :param dependents: what is told with the anchor and refers to it, with the column
    :param tellers: what refers to the parent, with the name of the part that finds it
    """
    told = [
        SQL(
            "SELECT {column} AS id, last_seen_at AS was, observed_at AS at FROM {name} "
            "WHERE {column} IS NOT NULL"
        ).format(column=Identifier(column), name=Identifier(name))
        for target, name in tellers
        for column in _columns(target, parent)
    ]
    return SQL(
        "WITH RECURSIVE anchors AS (SELECT t.*, s.observed_at FROM stage_seen_again s "
        "JOIN {anchor} t ON t.content_hash = s.content_hash AND t.platform = %(platform)s "
        "WHERE t.last_seen_at < s.observed_at){dependents}, "
        "told AS (SELECT id, min(was) AS was, max(at) AS at FROM ({told}) AS each GROUP BY id), "
        "above AS (SELECT id, was, at FROM told{above}), "
        "locked AS (SELECT p.id, newest.at FROM {parent} p JOIN "
        "(SELECT id, min(was) AS was, max(at) AS at FROM above GROUP BY id) newest "
        "ON newest.id = p.id AND newest.was <= p.last_seen_at AND p.last_seen_at < newest.at "
        'ORDER BY p.external_id COLLATE "C" FOR UPDATE OF p) '
        "UPDATE {parent} p SET last_seen_at = locked.at FROM locked WHERE p.id = locked.id"
    ).format(
        anchor=Identifier(anchor.table),
        dependents=SQL("").join(
            SQL(
                # OFFSET: by the index, as in `recognition`.
                ", {name} AS (SELECT d.*, a.observed_at FROM anchors a CROSS JOIN LATERAL "
                "(SELECT * FROM {table} WHERE {column} = a.id AND last_seen_at = a.last_seen_at "
                "OFFSET 0) d)"
            ).format(
                name=Identifier(f"of_{target.table}"),
                table=Identifier(target.table),
                column=Identifier(column),
            )
            for target, column in dependents
        ),
        told=SQL(" UNION ALL ").join(told),
        above=SQL("").join(
            SQL(
                " UNION SELECT p.{column}, above.was, above.at FROM above "
                "JOIN {parent} p ON p.id = above.id WHERE p.{column} IS NOT NULL"
            ).format(column=Identifier(column), parent=Identifier(parent.table))
            for column in _columns(parent, parent)
        ),
        parent=Identifier(parent.table),
    )


def _columns(target: Target, parent: Target) -> list[str]:
    """Return the columns in which rows refer to those of another target."""
    return [
        reference.column
        for reference in target.references.values()
        if reference.record is parent.record
    ]


def _lock(anchor: Target) -> Composed:
    """Return the statement that locks the anchors that are to be touched, and tells their ids."""
    return SQL(
        "WITH locked AS (SELECT t.id FROM stage_seen_again s JOIN {anchor} t "
        "ON t.content_hash = s.content_hash AND t.platform = %(platform)s "
        "WHERE t.last_seen_at <= s.observed_at "
        'ORDER BY t.external_id COLLATE "C" FOR UPDATE OF t) SELECT array_agg(id) FROM locked'
    ).format(anchor=Identifier(anchor.table))


def _touch(alias: str, plan: Plan, anchor: Target) -> Composed:
    """Return the statement that touches anchors, what depends on them, and notes the payload_observation.

    What came to say the same after it was looked for is not locked, and therefore left alone.
    """
    return SQL(
        "WITH seen AS (SELECT t.id, t.external_id, t.content_hash, t.last_seen_at AS was, "
        "s.observed_at, s.item FROM stage_seen_again s JOIN {anchor} t "
        "ON t.content_hash = s.content_hash AND t.id = ANY(%(locked)s::bigint[]) "
        "WHERE t.last_seen_at <= s.observed_at), "
        "later AS (SELECT DISTINCT ON (id) * FROM seen WHERE was < observed_at), "
        "moved AS (UPDATE {anchor} t SET last_seen_at = later.observed_at "
        "FROM later WHERE t.id = later.id){others} SELECT array_agg(item) FROM seen"
    ).format(
        anchor=Identifier(anchor.table),
        others=SQL("").join([*_dependents(plan, anchor), *_payload_observations(alias)]),
    )


def _told_with(plan: Plan, anchor: Target) -> list[tuple[Target, str]]:
    """Return the targets whose rows are told with their anchor, and the column that refers to it.

    What is an anchor itself is told by items of its own.
    """
    return [
        (target, column)
        for target in plan.targets
        if not target.has_content_hash
        for column in _columns(target, anchor)
    ]


def _dependents(plan: Plan, anchor: Target) -> list[Composed]:
    """Return what touches the rows that were observed together with their anchor."""
    found = []
    for target, column in _told_with(plan, anchor):
        times = ("last_seen_at", *sorted(target.untracked))
        part = SQL(
            ", {name} AS (UPDATE {table} d SET {times} FROM later "
            "WHERE d.{column} = later.id AND d.last_seen_at = later.was)"
        ).format(
            name=Identifier(f"moved_{target.table}"),
            table=Identifier(target.table),
            times=SQL(", ").join(
                SQL("{} = later.observed_at").format(Identifier(name)) for name in times
            ),
            column=Identifier(column),
        )
        found.append(part)
    return found


def _payload_observations(alias: str) -> list[Composed]:
    """Return what notes the payload_observation of the payload; nothing where no payloads are kept."""
    models = apps.get_app_config(alias).models
    if "payloadobservation" not in models:
        return []
    statement = SQL(
        ", noted AS (INSERT INTO {payload_observations} AS n (payload_id, month, observed_times) "
        "SELECT p.id, date_trunc('month', later.observed_at AT TIME ZONE 'UTC')::date, "
        "ARRAY[later.observed_at] FROM later JOIN {payloads} p ON p.platform = %(platform)s "
        "AND p.external_id = later.external_id AND p.content_hash = later.content_hash "
        "ORDER BY p.id "
        "ON CONFLICT (payload_id, month) DO UPDATE SET observed_times = n.observed_times || EXCLUDED.observed_times)"
    ).format(
        payload_observations=Identifier(models["payloadobservation"]._meta.db_table),
        payloads=Identifier(models["rawpayload"]._meta.db_table),
    )
    return [statement]
