"""Staging and writing of a batch in one transaction: merge and last-seen update."""

from typing import NamedTuple

from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed

from marketplace.exceptions import MarketplaceError
from marketplace.loading import last_seen, merge, payload_versions, staging
from marketplace.loading.items import Batch
from marketplace.loading.payloads import Packer
from marketplace.loading.retry import ConflictError
from marketplace.loading.targets import Plan, Target


class StaleVersionError(MarketplaceError):
    """Raised if an item was recognized as unchanged, but its row changed before the write."""


class Outcome(NamedTuple):
    """Numbers of items that a batch created, updated or left unchanged, and of its price points."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    price_points: int = 0
    warnings: tuple[str, ...] = ()


def stage(alias: str, plan: Plan, batch: Batch) -> None:
    """Copy a batch to its temporary tables, in the transaction that will write it.

    :raises django.db.Error: if the database refuses any of the rows
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(SQL("; ").join(_definitions(plan)))
        for target, rows in zip(plan.targets, batch.rows, strict=True):
            columns = [name for name, _ in merge.stage_columns(target)]
            staging.copy_lines(cursor, target.stage_table, columns, rows)
        if plan.observations:
            columns = list(plan.observations.columns)
            staging.copy_lines(cursor, plan.observations.table, columns, batch.points)
        last_seen.stage(cursor, batch.seen_again)


def _definitions(plan: Plan) -> list[Composed]:
    """Return the statements that create the temporary tables of a plan."""
    definitions = [
        staging.definition(target.stage_table, merge.stage_columns(target))
        for target in plan.targets
    ]
    definitions += [
        staging.definition_like(target.prior_table, target.table)
        for target in plan.targets
        if target.keep_prior
    ]
    if plan.observations:
        columns = list(plan.observations.columns.items())
        definitions.append(staging.definition(plan.observations.table, columns))
    return [*definitions, last_seen.definition()]


def write(alias: str, platform: str, plan: Plan, batch: Batch, packer: Packer | None) -> Outcome:
    """Write a batch that was staged in the same transaction.

    :param packer: compresses the payloads to be stored; None if they are stored already

    :raises django.db.Error: if the database refuses any of the rows
    :raises ConflictError: if another loader changed rows between two steps
    :raises StaleVersionError: if another loader changed an item that was recognized as unchanged
    """
    created: set[int] = set()
    changed: set[int] = set()
    warnings: list[str] = []
    points = 0
    with connections[alias].cursor() as cursor:
        if batch.has_rows:
            for target, rows in zip(plan.targets, batch.rows, strict=True):
                extended = target.extend(cursor, platform) if target.extend else 0
                if rows or extended:
                    new, updated = _merge(cursor, platform, target)
                    created |= new
                    changed |= updated
            points = plan.after_merge(cursor, platform)
            warnings = plan.warn(cursor, platform)
        if packer is not None:
            payload_versions.store(cursor, alias, packer, batch)
        if batch.seen_again:
            _update_last_seen(cursor, alias, platform, plan, batch)
    return _count(batch, created, changed, points)._replace(warnings=tuple(warnings))


def _update_last_seen(
    cursor: CursorWrapper, alias: str, platform: str, plan: Plan, batch: Batch
) -> None:
    updated = last_seen.update(cursor, alias, platform, plan)
    if any(item.position not in updated for item in batch.seen_again):
        raise StaleVersionError(
            f"A {platform} item was changed by another load. Load the file again."
        )


def clear(alias: str, plan: Plan) -> None:
    """Empty the temporary tables for the next batch of the same transaction."""
    with connections[alias].cursor() as cursor:
        staging.clear(cursor, [*plan.temporary_tables, last_seen.TABLE])


def _merge(cursor: CursorWrapper, platform: str, target: Target) -> tuple[set[int], set[int]]:
    """Merge the staged rows of a target; return the positions of new and of changed items."""
    values = {"platform": platform}
    if target.keep_prior:
        cursor.execute(merge.keep_prior(target), values)
    if target.complete:
        target.complete(cursor, platform)
    forget_parents = merge.forget_parents(target)
    if forget_parents:
        cursor.execute(forget_parents, values)
    cursor.execute(merge.upsert(target), values)
    new, changed, without_prior = cursor.fetchone()
    if without_prior:
        raise ConflictError(
            f"{target.table} changed while a batch was merged into it. Load the file again."
        )
    changed_items = set(changed or ())
    link_parents = merge.link_parents(target)
    if link_parents:
        cursor.execute(link_parents, values)
        changed_items |= {item for (item,) in cursor.fetchall() if item is not None}
    return set(new or ()), changed_items


def _count(batch: Batch, created: set[int], changed: set[int], points: int) -> Outcome:
    counted = set(batch.counted)
    new = len(counted & created)
    updated = len((counted & changed) - created)
    return Outcome(new, updated, len(counted) - new - updated + batch.skipped, points)
