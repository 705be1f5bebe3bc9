"""The check for missing and old backups in BACKUP_DIR."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min, QuerySet

from marketplace.backups import sets
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import reading
from marketplace.humanize import duration, format_time
from marketplace.registry import CONTROL

#: Maximum age of the newest backup: one day, plus time to write it. The alert BackupOld in
#: `deploy/prometheus` uses the same limit.
_LIMIT = timedelta(hours=26)

#: A younger database may not have existed at the time of the last nightly backup.
_NEW = timedelta(days=2)


def _backups(context: CheckContext) -> Iterator[Finding]:
    """Find a database without a backup, or without one of the last night.

    :raises BackupError: if BACKUP_DIR cannot be read
    """
    # Raises if the folder cannot be read; last_backup_at() would return None.
    sets.names()
    newest = sets.last_backup_at(context.alias)
    if newest is None:
        created_at = _created_at(context.alias)
        if created_at and context.now - created_at >= _NEW and _has_data(context.alias):
            yield _missing(context, created_at)
    elif context.now - newest > _LIMIT:
        yield _old(context, newest)


def _missing(context: CheckContext, created_at: datetime) -> Finding:
    return Finding(
        code="backup-missing",
        severity=Severity.WARNING,
        subject=context.server_info["name"],
        what=f"No backup set in {sets.folder()} contains it, although it has data and was created "
        f"{duration((context.now - created_at).total_seconds())} ago.",
        why="If its disk fails or a table is dropped, the data cannot be restored from a set.",
        fix=_fix(context),
        evidence={"created_at": created_at},
    )


def _old(context: CheckContext, newest: datetime) -> Finding:
    age = duration((context.now - newest).total_seconds())
    return Finding(
        code="backup-old",
        severity=Severity.WARNING,
        subject=context.server_info["name"],
        what=f"The newest backup in {sets.folder()} is {age} old ({format_time(newest)}). A backup "
        "every night is expected.",
        why="If the database is lost, all changes since that backup are lost.",
        fix=_fix(context),
        evidence={"newest": newest},
    )


def _fix(context: CheckContext) -> str:
    return f"python manage.py db_backup --database {context.alias}"


def _created_at(alias: str) -> datetime | None:
    """Return the time of the first migration, as PostgreSQL does not record the creation time."""
    recorder = MigrationRecorder(connections[alias])
    with reading(alias):
        if not recorder.has_table():
            return None
        first: datetime | None = recorder.migration_qs.aggregate(first=Min("applied"))["first"]
        return first


def _has_data(alias: str) -> bool:
    """Return whether the database contains rows other than those of migrations."""
    # In `default`, Django and logins fill all other tables.
    is_control = alias == CONTROL
    models = [get_user_model()] if is_control else apps.get_app_config(alias).get_models()
    with reading(alias) as cursor:
        present = set(connections[alias].introspection.table_names(cursor))
        return any(
            QuerySet[Any](model, using=alias).exists()
            for model in models
            if model._meta.db_table in present
        )


CHECKS: Iterable[Check] = (Check("backups", ("backup-missing", "backup-old"), _backups),)
