"""Merge of a staged batch into the tables, in one transaction.

Rules for each row, by its key (platform, external_id):

- A newer observation replaces the values that it states; the other values stay.
- An observation that is older, or of the same time, fills only values that are unknown.
- Rows are locked in the order of their keys, so that concurrent loaders wait for each other instead
  of deadlocking. The collation is "C", which is the order in which Python sorts text.
"""

from django.db import IntegrityError, connections
from django.db.backends.utils import CursorWrapper
from psycopg2.errors import UniqueViolation

from marketplace.exceptions import MarketplaceError
from marketplace.loading import last_seen, merge_statements, payloads
from marketplace.loading.items import Batch, Outcome
from marketplace.loading.payloads import Packer
from marketplace.loading.retry import ConflictError
from marketplace.loading.targets import Plan, Target


class StaleVersionError(MarketplaceError):
    """Raised if an item was recognized as unchanged, but its row changed before the write."""


def write_batch(
    alias: str, platform: str, plan: Plan, batch: Batch, packer: Packer | None
) -> Outcome:
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
            payloads.store(cursor, alias, packer, batch)
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


def _merge(cursor: CursorWrapper, platform: str, target: Target) -> tuple[set[int], set[int]]:
    """Merge the staged rows of a target; return the positions of new and of changed items."""
    values = {"platform": platform}
    write = merge_statements.upsert
    if target.keep_prior:
        cursor.execute(merge_statements.keep_prior(target), values)
        if not cursor.rowcount:
            write = merge_statements.insert_new
    if target.complete:
        target.complete(cursor, platform)
    forget = merge_statements.forget_parents(target)
    if forget:
        cursor.execute(forget, values)
    conflict = f"{target.table} changed while a batch was merged into it. Load the file again."
    try:
        cursor.execute(write(target), values)
    except IntegrityError as error:
        if _is_stored(error, target):
            raise ConflictError(conflict) from error
        raise
    new, changed, without_prior = cursor.fetchone()
    if without_prior:
        raise ConflictError(conflict)
    changed_items = set(changed)
    link = merge_statements.link_parents(target)
    if link:
        cursor.execute(link, values)
        changed_items |= {item for (item,) in cursor.fetchall() if item is not None}
    return set(new), changed_items


def _is_stored(error: IntegrityError, target: Target) -> bool:
    """Return whether a row is refused because another loader stored it since `keep_prior`."""
    cause = error.__cause__
    return (
        isinstance(cause, UniqueViolation) and cause.diag.constraint_name == f"{target.table}_key"
    )


def _count(batch: Batch, created: set[int], changed: set[int], points: int) -> Outcome:
    counted = set(batch.counted)
    new = len(counted & created)
    updated = len((counted & changed) - created)
    return Outcome(new, updated, len(counted) - new - updated + batch.skipped, points)
