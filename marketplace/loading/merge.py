"""The statements that bring staged rows into a table. They are composed here, executed elsewhere.

Rules, for each row by its key (platform, external_id):

- A newer observation changes what it says; what it does not say stays.
- An observation of the same time or older fills only what is not known yet.
- Rows are locked in the order of their keys, so that concurrent loaders wait for each other
  instead of deadlocking: that of their characters' numbers, which Python sorts by, too.
"""

from django.db import connections, router
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.loading.targets import Target

_FILLED = (
    "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at "
    "THEN COALESCE(EXCLUDED.{c}, t.{c}) ELSE COALESCE(t.{c}, EXCLUDED.{c}) END"
)
_CURRENT = (
    "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at "
    "THEN COALESCE(EXCLUDED.{c}, t.{c}) ELSE t.{c} END"
)
# An amount in stock is observed together with the availability {a}.
_AMOUNT = (
    "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at "
    "THEN CASE WHEN EXCLUDED.{a} IS NULL THEN COALESCE(EXCLUDED.{c}, t.{c}) "
    "ELSE EXCLUDED.{c} END "
)
_CURRENT_AMOUNT = _AMOUNT + "ELSE t.{c} END"
_FILLED_AMOUNT = _AMOUNT + (
    "WHEN t.{a} IS NULL OR (EXCLUDED.last_seen_at = t.last_seen_at "
    "AND COALESCE(EXCLUDED.{a}, t.{a}) = t.{a}) THEN COALESCE(t.{c}, EXCLUDED.{c}) "
    "ELSE t.{c} END"
)
# Of what two items told at one moment, neither is all that was told.
_REMEMBERED = (
    "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at THEN COALESCE(EXCLUDED.{c}, t.{c}) "
    "WHEN EXCLUDED.last_seen_at = t.last_seen_at AND EXCLUDED.{c} <> t.{c} THEN '\\x00' "
    "ELSE t.{c} END"
)
_CONTRADICTED = (
    " OR (EXCLUDED.last_seen_at = t.last_seen_at AND EXCLUDED.{c} <> t.{c} "
    "AND EXCLUDED.{c} <> '\\x00' AND t.{c} <> '\\x00')"
)
_UNKEPT = "count(*) FILTER (WHERE NOT m.is_new AND p.external_id IS NULL)"
# What is newer, something else tells: another product may have had the offer since.
_REPLAYED = "CASE WHEN EXCLUDED.last_seen_at >= t.last_seen_at THEN EXCLUDED.{c} ELSE t.{c} END"
_REPLAYED_PARTLY = _FILLED.replace(">", ">=")
_REPLAYED_AMOUNT = _CURRENT_AMOUNT.replace(">", ">=")
_REPLACED = "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at THEN EXCLUDED.{c} ELSE t.{c} END"


def stage_columns(target: Target) -> list[tuple[str, str]]:
    """Return name and SQL type of the columns of the target's staging table."""
    connection = connections[router.db_for_write(target.model)]
    types = [(name, str(field.db_type(connection))) for name, field in target.columns.items()]
    times = [("first_seen_at", "timestamptz"), ("last_seen_at", "timestamptz")]
    remembered = [("content_hash", "bytea")] if target.has_content_hash else []
    references = [(name, "text") for name in target.references]
    # The position in the batch of the item that the row counts for.
    position = ("item", "integer")
    return [("external_id", "text"), *types, *times, *remembered, *references, position]


def keep_prior(target: Target) -> Composed:
    """Return the statement that locks the rows to be merged, and keeps them as they are."""
    return SQL(
        "INSERT INTO {prior} SELECT t.* FROM {table} t "
        "JOIN {stage} s ON s.external_id = t.external_id "
        'WHERE t.platform = %(platform)s ORDER BY t.external_id COLLATE "C" FOR UPDATE OF t'
    ).format(
        prior=Identifier(target.prior_table),
        table=Identifier(target.table),
        stage=Identifier(target.stage_table),
    )


def upsert(target: Target) -> Composed:
    """Return the statement that inserts what is new and updates what changed.

    It returns one row: the positions of the items that a row was inserted for; of those that the
    content of a row changed for; how many rows were updated that `keep_prior` did not find. A row
    of which neither the time changed nor what it is recognized by is not written.
    """
    names = [*target.columns, *_references(target)]
    columns = {name: _merged(name, target) for name in names}
    contradicted = SQL("").format()
    if target.has_content_hash:
        names.append("content_hash")
        if not target.replayed:
            contradicted = SQL(_CONTRADICTED).format(c=Identifier("content_hash"))
        rule = "t.{c}" if target.replayed else _REMEMBERED
        columns["content_hash"] = SQL(rule).format(c=Identifier("content_hash"))
    untracked = target.untracked | {"content_hash"}
    return SQL(
        "WITH merged AS (INSERT INTO {table} AS t "
        "(platform, external_id, first_seen_at, last_seen_at, updated_at{names}) "
        "SELECT %(platform)s, s.external_id, s.first_seen_at, s.last_seen_at, "
        'statement_timestamp(){values} FROM {stage} s {joins} ORDER BY s.external_id COLLATE "C" '
        "ON CONFLICT (platform, external_id) DO UPDATE SET {assignments}"
        "first_seen_at = LEAST(t.first_seen_at, EXCLUDED.first_seen_at), "
        "last_seen_at = GREATEST(t.last_seen_at, EXCLUDED.last_seen_at), "
        "updated_at = CASE WHEN {changed} THEN statement_timestamp() ELSE t.updated_at END "
        "WHERE EXCLUDED.last_seen_at > t.last_seen_at "
        "OR EXCLUDED.first_seen_at < t.first_seen_at OR {changed}{contradicted} "
        "RETURNING external_id, xmax = 0 AS is_new, "
        "updated_at = statement_timestamp() AS is_changed) "
        "SELECT array_agg(DISTINCT s.item) FILTER (WHERE m.is_new AND s.item IS NOT NULL), "
        "array_agg(DISTINCT s.item) FILTER (WHERE m.is_changed AND s.item IS NOT NULL), {unkept} "
        "FROM merged m JOIN {stage} s USING (external_id) {prior}"
    ).format(
        table=Identifier(target.table),
        names=SQL("").join(SQL(", {}").format(Identifier(name)) for name in names),
        values=SQL("").join(SQL(", {}").format(_source(name, target)) for name in names),
        stage=Identifier(target.stage_table),
        unkept=SQL(_UNKEPT if target.keep_prior else "0"),
        prior=_prior(target),
        joins=SQL(" ").join(_joins(target)),
        assignments=SQL("").join(
            SQL("{} = {}, ").format(Identifier(name), merged) for name, merged in columns.items()
        ),
        changed=_changed(
            {name: merged for name, merged in columns.items() if name not in untracked}
        ),
        contradicted=contradicted,
    )


def _prior(target: Target) -> Composed:
    if not target.keep_prior:
        return SQL("").format()
    return SQL("LEFT JOIN {} p USING (external_id)").format(Identifier(target.prior_table))


def forget_parents(target: Target) -> Composed | None:
    """Return the statement that unlinks rows of which a newer observation tells another parent.

    It comes before the upsert, after which it cannot be told any more which observation is newer;
    None if the target has no parents in the same table. A parent that nobody tells of replaces
    none that is known.
    """
    found = _parent(target)
    if found is None:
        return None
    column, field = found
    return SQL(
        "WITH outdated AS (SELECT t.id FROM {table} t JOIN {stage} s "
        "ON s.external_id = t.external_id JOIN {table} p ON p.id = t.{column} "
        "WHERE t.platform = %(platform)s AND s.last_seen_at {newer} t.last_seen_at "
        "AND s.{field} <> p.external_id AND s.{field} IN (SELECT external_id FROM {stage} "
        "UNION ALL SELECT external_id FROM {table} WHERE platform = %(platform)s) "
        'ORDER BY t.external_id COLLATE "C" FOR UPDATE OF t) '
        "UPDATE {table} t SET {column} = NULL FROM outdated WHERE t.id = outdated.id"
    ).format(
        table=Identifier(target.table),
        stage=Identifier(target.stage_table),
        column=Identifier(column),
        field=Identifier(field),
        newer=SQL(">=" if target.replayed else ">"),
    )


def link_parents(target: Target) -> Composed | None:
    """Return the statement that links rows to parents in the same table, if the target has any.

    It comes after the upsert, as a parent may be merged together with its children, and returns the
    position of the item of each row that was linked. Rows that have a parent keep it: see
    `forget_parents`.
    """
    found = _parent(target)
    if found is None:
        return None
    column, field = found
    return SQL(
        "UPDATE {table} t SET {column} = p.id, updated_at = statement_timestamp() "
        "FROM {stage} s JOIN {table} p "
        "ON p.platform = %(platform)s AND p.external_id = s.{field} "
        "WHERE t.platform = %(platform)s AND t.external_id = s.external_id "
        "AND t.{column} IS NULL RETURNING s.item"
    ).format(
        table=Identifier(target.table),
        column=Identifier(column),
        stage=Identifier(target.stage_table),
        field=Identifier(field),
    )


def _parent(target: Target) -> tuple[str, str] | None:
    """Return column and record field of the reference to the same table, if there is one."""
    for field, reference in target.references.items():
        if reference.record is target.record:
            return reference.column, field
    return None


def _references(target: Target) -> dict[str, str]:
    """Return column → record field of the references to other tables."""
    return {
        reference.column: field
        for field, reference in target.references.items()
        if reference.record is not target.record
    }


def _source(name: str, target: Target) -> Composed:
    references = _references(target)
    if name in references:
        return SQL("{}.id").format(Identifier(f"of_{name}"))
    return SQL("s.{}").format(Identifier(name))


def _joins(target: Target) -> list[Composed]:
    return [
        SQL(
            "LEFT JOIN {parent} {alias} ON {alias}.platform = %(platform)s "
            "AND {alias}.external_id = s.{field}"
        ).format(
            parent=Identifier(target.model._meta.get_field(column).related_model._meta.db_table),  # type: ignore[union-attr]
            alias=Identifier(f"of_{column}"),
            field=Identifier(field),
        )
        for column, field in _references(target).items()
    ]


def _merged(name: str, target: Target) -> Composed:
    """Return the value of a column after the merge of EXCLUDED into t."""
    rule = _FILLED
    if target.replayed and name in target.kept_on_replay:
        rule = "COALESCE(t.{c}, EXCLUDED.{c})"
    elif target.replayed:
        is_whole = target.replayed == "whole" and not target.shared
        partly = _REPLAYED_AMOUNT if name in target.amounts else _REPLAYED_PARTLY
        rule = _REPLAYED if is_whole else partly
    elif name in target.replaced:
        rule = _REPLACED
    elif name in target.amounts:
        rule = _CURRENT_AMOUNT if name in target.current else _FILLED_AMOUNT
    elif name in target.current:
        rule = _CURRENT
    beside = target.amounts.get(name, name)
    return SQL(rule).format(c=Identifier(name), a=Identifier(beside))


def _changed(columns: dict[str, Composed]) -> Composed:
    if not columns:
        return SQL("false").format()
    return SQL("({old}) IS DISTINCT FROM ({new})").format(
        old=SQL(", ").join(SQL("t.{}").format(Identifier(name)) for name in columns),
        new=SQL(", ").join(columns.values()),
    )
