"""Touching: what was observed again, unchanged, moves its times and nothing else."""

from django.apps import apps
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.loading import staging
from marketplace.loading.preparation import Touch
from marketplace.loading.targets import Plan, Target

TABLE = "stage_touches"

_COLUMNS = (("item", "integer"), ("content_hash", "bytea"), ("observed_at", "timestamptz"))


def definition() -> Composed:
    """Return the statement that makes the temporary table of touches."""
    return staging.definition(TABLE, _COLUMNS)


def stage(cursor: CursorWrapper, touches: list[Touch]) -> None:
    """Send what is to be touched to its temporary table."""
    rows = (
        (touch.entrant, bytes.fromhex(touch.content_hash), touch.observed_at) for touch in touches
    )
    staging.copy(cursor, TABLE, [name for name, _ in _COLUMNS], rows)


def apply(cursor: CursorWrapper, alias: str, platform: str, plan: Plan) -> set[int]:
    """Touch what is staged and still says the same; return its items' positions.

    Rows are locked parents first, as merging does. An item that is not returned has changed since
    it was recognized.
    """
    touched: set[int] = set()
    values = {"platform": platform}
    for target in plan.anchors:
        for parent in _parents(plan, target):
            cursor.execute(parent, values)
        cursor.execute(_touch(alias, plan, target), values)
        touched |= set(cursor.fetchone()[0] or ())
    return touched


def _parents(plan: Plan, anchor: Target) -> list[Composed]:
    """Return the statements that touch the rows that the anchors refer to."""
    tables = {target.record: target.table for target in plan.targets}
    return [
        SQL(
            "WITH seen AS (SELECT t.{column} AS id, t.last_seen_at AS was, "
            "max(s.observed_at) AS at "
            "FROM stage_touches s JOIN {anchor} t ON t.content_hash = s.content_hash "
            "AND t.platform = %(platform)s WHERE t.{column} IS NOT NULL GROUP BY 1, 2), "
            # What another thing told of it since is not confirmed by this one.
            "locked AS (SELECT p.id, seen.at FROM {parent} p JOIN seen "
            "ON seen.id = p.id AND seen.was = p.last_seen_at "
            'WHERE p.last_seen_at < seen.at ORDER BY p.external_id COLLATE "C" FOR UPDATE OF p) '
            "UPDATE {parent} p SET last_seen_at = locked.at FROM locked WHERE p.id = locked.id"
        ).format(
            column=Identifier(reference.column),
            anchor=Identifier(anchor.table),
            parent=Identifier(tables[reference.record]),
        )
        for reference in anchor.references.values()
        if reference.record is not anchor.record
    ]


def _touch(alias: str, plan: Plan, anchor: Target) -> Composed:
    """Return the statement that touches anchors, what depends on them, and notes the sighting."""
    return SQL(
        "WITH seen AS (SELECT t.id, t.external_id, t.content_hash, t.last_seen_at AS was, "
        "s.observed_at, s.item FROM stage_touches s JOIN {anchor} t "
        "ON t.content_hash = s.content_hash AND t.platform = %(platform)s "
        "WHERE t.last_seen_at <= s.observed_at "
        'ORDER BY t.external_id COLLATE "C" FOR UPDATE OF t), '
        "later AS (SELECT DISTINCT ON (id) * FROM seen WHERE was < observed_at), "
        "moved AS (UPDATE {anchor} t SET last_seen_at = later.observed_at "
        "FROM later WHERE t.id = later.id){others} SELECT array_agg(item) FROM seen"
    ).format(
        anchor=Identifier(anchor.table),
        others=SQL("").join([*_dependents(plan, anchor), *_sightings(alias)]),
    )


def _dependents(plan: Plan, anchor: Target) -> list[Composed]:
    """Return what touches the rows that were observed together with their anchor."""
    found = []
    for target in plan.targets:
        for reference in target.references.values():
            if reference.record is anchor.record and target is not anchor and not target.is_anchor:
                times = ("last_seen_at", *sorted(target.silent))
                part = SQL(
                    ", {name} AS (UPDATE {table} d SET {times} FROM later "
                    "WHERE d.{column} = later.id AND d.last_seen_at = later.was)"
                ).format(
                    name=Identifier(f"moved_{target.table}"),
                    table=Identifier(target.table),
                    times=SQL(", ").join(
                        SQL("{} = later.observed_at").format(Identifier(name)) for name in times
                    ),
                    column=Identifier(reference.column),
                )
                found.append(part)
    return found


def _sightings(alias: str) -> list[Composed]:
    """Return what notes the sighting of the payload; nothing where no payloads are kept."""
    models = apps.get_app_config(alias).models
    if "sighting" not in models:
        return []
    statement = SQL(
        ", noted AS (INSERT INTO {sightings} AS n (payload_id, month, times) "
        "SELECT p.id, date_trunc('month', later.observed_at AT TIME ZONE 'UTC')::date, "
        "ARRAY[later.observed_at] FROM later JOIN {payloads} p ON p.platform = %(platform)s "
        "AND p.external_id = later.external_id AND p.content_hash = later.content_hash "
        "ORDER BY p.id "
        "ON CONFLICT (payload_id, month) DO UPDATE SET times = n.times || EXCLUDED.times)"
    ).format(
        sightings=Identifier(models["sighting"]._meta.db_table),
        payloads=Identifier(models["rawpayload"]._meta.db_table),
    )
    return [statement]
