"""The SQL statements that merge staged rows into a table."""

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
# A stock amount is observed together with the availability {a}.
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
# The hash of a row that combines two items of the same time equals the hash of neither.
_CONTENT_HASH = (
    "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at THEN COALESCE(EXCLUDED.{c}, t.{c}) "
    "WHEN EXCLUDED.last_seen_at = t.last_seen_at AND EXCLUDED.{c} <> t.{c} THEN '\\x00' "
    "ELSE t.{c} END"
)
_CONTRADICTED = (
    " OR (EXCLUDED.last_seen_at = t.last_seen_at AND EXCLUDED.{c} <> t.{c} "
    "AND EXCLUDED.{c} <> '\\x00' AND t.{c} <> '\\x00')"
)
_WITHOUT_PRIOR = (
    "EXISTS (SELECT FROM merged WHERE NOT is_new "
    "AND external_id NOT IN (SELECT external_id FROM {prior}))"
)
# A newer stored value comes from another item: the offer may belong to another product by now.
_REPLAYED = "CASE WHEN EXCLUDED.last_seen_at >= t.last_seen_at THEN EXCLUDED.{c} ELSE t.{c} END"
_REPLAYED_PARTLY = _FILLED.replace(">", ">=")
_REPLAYED_AMOUNT = _CURRENT_AMOUNT.replace(">", ">=")
_REPLACED = "CASE WHEN EXCLUDED.last_seen_at > t.last_seen_at THEN EXCLUDED.{c} ELSE t.{c} END"


def keep_prior(target: Target) -> Composed:
    """Return the statement that locks the rows to be merged and copies them to `prior_<table>`."""
    # An array instead of a join: staging tables have no statistics, and this uses the index.
    return SQL(
        "INSERT INTO {prior} SELECT * FROM {table} WHERE platform = %(platform)s "
        "AND external_id = ANY(ARRAY(SELECT external_id FROM {stage})) "
        'ORDER BY external_id COLLATE "C" FOR UPDATE'
    ).format(
        prior=Identifier(target.prior_table),
        table=Identifier(target.table),
        stage=Identifier(target.stage_table),
    )


def _insert(target: Target) -> Composed:
    """Return the statement that inserts the staged rows."""
    names = [*target.columns, *_references(target)]
    if target.has_content_hash:
        names.append("content_hash")
    return SQL(
        "INSERT INTO {table} AS t "
        "(platform, external_id, first_seen_at, last_seen_at, updated_at{names}) "
        "SELECT %(platform)s, s.external_id, s.first_seen_at, s.last_seen_at, "
        'statement_timestamp(){values} FROM {stage} s {joins} ORDER BY s.external_id COLLATE "C"'
    ).format(
        table=Identifier(target.table),
        names=SQL("").join(SQL(", {}").format(Identifier(name)) for name in names),
        values=SQL("").join(SQL(", {}").format(_source(name, target)) for name in names),
        stage=Identifier(target.stage_table),
        joins=SQL(" ").join(_joins(target)),
    )


def insert_new(target: Target) -> Composed:
    """Return the statement that inserts rows of which `keep_prior` found none.

    It is faster than `upsert`, and returns the same columns.
    """
    return SQL(
        "WITH inserted AS ({insert}) "
        "SELECT ARRAY(SELECT item FROM {stage} WHERE item IS NOT NULL), ARRAY[]::integer[], false"
    ).format(insert=_insert(target), stage=Identifier(target.stage_table))


def upsert(target: Target) -> Composed:
    """Return the statement that inserts new rows and updates changed ones.

    The statement returns one row: the positions of the items with an inserted row; the positions
    of the items with an updated row whose content changed; whether it updated a row that
    `keep_prior` did not find. A row is not written if its content, its times and its content hash
    stay the same.
    """
    columns = {name: _merged(name, target) for name in [*target.columns, *_references(target)]}
    contradicted = SQL("").format()
    if target.has_content_hash:
        if not target.replayed:
            contradicted = SQL(_CONTRADICTED).format(c=Identifier("content_hash"))
        rule = "t.{c}" if target.replayed else _CONTENT_HASH
        columns["content_hash"] = SQL(rule).format(c=Identifier("content_hash"))
    untracked = target.untracked | {"content_hash"}
    return SQL(
        "WITH merged AS ({insert} ON CONFLICT (platform, external_id) DO UPDATE SET {assignments}"
        "first_seen_at = LEAST(t.first_seen_at, EXCLUDED.first_seen_at), "
        "last_seen_at = GREATEST(t.last_seen_at, EXCLUDED.last_seen_at), "
        "updated_at = CASE WHEN {changed} THEN statement_timestamp() ELSE t.updated_at END "
        "WHERE EXCLUDED.last_seen_at > t.last_seen_at "
        "OR EXCLUDED.first_seen_at < t.first_seen_at OR {changed}{contradicted} "
        "RETURNING external_id, xmax = 0 AS is_new, "
        "updated_at = statement_timestamp() AS is_changed) "
        "SELECT ARRAY(SELECT item FROM {stage} WHERE item IS NOT NULL "
        "AND external_id IN (SELECT external_id FROM merged WHERE is_new)), "
        "ARRAY(SELECT item FROM {stage} WHERE item IS NOT NULL "
        "AND external_id IN (SELECT external_id FROM merged WHERE is_changed AND NOT is_new)), "
        "{without_prior}"
    ).format(
        insert=_insert(target),
        stage=Identifier(target.stage_table),
        without_prior=SQL(_WITHOUT_PRIOR if target.keep_prior else "false").format(
            prior=Identifier(target.prior_table)
        ),
        assignments=SQL("").join(
            SQL("{} = {}, ").format(Identifier(name), merged) for name, merged in columns.items()
        ),
        changed=_changed(
            {name: merged for name, merged in columns.items() if name not in untracked}
        ),
        contradicted=contradicted,
    )


def forget_parents(target: Target) -> Composed | None:
    """Return the statement that unlinks rows for which a newer observation states another parent.

    It must be executed before the upsert, because afterwards the order of the observations is
    unknown. A parent that is neither staged nor stored does not replace a known one. Return None
    if the target has no parents in the same table.
    """
    parent = _parent(target)
    if parent is None:
        return None
    column, field = parent
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
    """Return the statement that links rows to parents in the same table.

    It must be executed after the upsert, because a parent may be merged together with its children.
    The statement returns the item position of each linked row. Rows with a parent keep it: see
    `forget_parents`. Return None if the target has no parents in the same table.
    """
    parent = _parent(target)
    if parent is None:
        return None
    column, field = parent
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
    """Return column and record field of the reference to the same table, or None."""
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
    """Return the SQL expression of a column in the SELECT from the staging table."""
    references = _references(target)
    if name in references:
        return SQL("{}.id").format(Identifier(f"of_{name}"))
    return SQL("s.{}").format(Identifier(name))


def _joins(target: Target) -> list[Composed]:
    """Return the joins that find the ids of the referenced rows, by one scan of the index.

    Each row that is found is referenced, so a full join returns what a left join would. The planner
    expects few rows, and cannot choose nested loops for a full join.
    """
    return [
        SQL(
            "FULL JOIN (SELECT id, external_id FROM {parent} WHERE platform = %(platform)s "
            "AND external_id = ANY(ARRAY(SELECT {field} FROM {stage}))) {alias} "
            "ON {alias}.external_id = s.{field}"
        ).format(
            stage=Identifier(target.stage_table),
            parent=Identifier(target.model._meta.get_field(column).related_model._meta.db_table),  # type: ignore[union-attr]
            alias=Identifier(f"of_{column}"),
            field=Identifier(field),
        )
        for column, field in _references(target).items()
    ]


def _merged(name: str, target: Target) -> Composed:
    """Return the SQL expression of a column after the merge of EXCLUDED into t."""
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
        rule = _CURRENT_AMOUNT if name in target.volatile_columns else _FILLED_AMOUNT
    elif name in target.volatile_columns:
        rule = _CURRENT
    availability = target.amounts.get(name, name)
    return SQL(rule).format(c=Identifier(name), a=Identifier(availability))


def _changed(columns: dict[str, Composed]) -> Composed:
    """Return the SQL condition that the merge changes any of the columns."""
    if not columns:
        return SQL("false").format()
    return SQL("({old}) IS DISTINCT FROM ({new})").format(
        old=SQL(", ").join(SQL("t.{}").format(Identifier(name)) for name in columns),
        new=SQL(", ").join(columns.values()),
    )
