"""Whether a database is backed up, as far as BACKUP_DIR tells."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min, QuerySet

from marketplace.backups import sets
from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import reading
from marketplace.humanize import duration, format_time
from marketplace.registry import CONTROL

#: A set a night, and time to make it: as the alert BackupOld of `deploy/prometheus` has it.
_LIMIT = timedelta(hours=26)

#: A database that was begun since then need not have been there in the night.
_NEW = timedelta(days=2)


def _backups(examination: Examination) -> Iterator[Finding]:
    """Find that there is no backup of the database, or none of the last night.

    :raises BackupError: if BACKUP_DIR cannot be read
    """
    # Of a folder that cannot be read, what comes after would say that nothing is there.
    sets.names()
    newest = sets.last_backup_at(examination.alias)
    if newest is None:
        begun = _begun(examination.alias)
        if begun and examination.now - begun >= _NEW and _has_data(examination.alias):
            yield _missing(examination, begun)
    elif examination.now - newest > _LIMIT:
        yield _old(examination, newest)


def _missing(examination: Examination, begun: datetime) -> Finding:
    return Finding(
        code="backup-missing",
        severity=Severity.WARNING,
        subject=examination.facts["name"],
        what=f"No set in {sets.folder()} has it, though it has data and was begun "
        f"{duration((examination.now - begun).total_seconds())} ago.",
        why="If its disk is lost, or somebody drops a table, nothing known here brings it back.",
        fix=_fix(examination),
        evidence={"begun": begun},
    )


def _old(examination: Examination, newest: datetime) -> Finding:
    age = duration((examination.now - newest).total_seconds())
    return Finding(
        code="backup-old",
        severity=Severity.WARNING,
        subject=examination.facts["name"],
        what=f"The newest backup in {sets.folder()} is {age} old, of {format_time(newest)}; there "
        f"should be one every night.",
        why="What was changed since then is lost if the database is.",
        fix=_fix(examination),
        evidence={"newest": newest},
    )


def _fix(examination: Examination) -> str:
    return f"python manage.py db_backup --database {examination.alias}"


def _begun(alias: str) -> datetime | None:
    """Return when the database's first migration was applied: PostgreSQL does not note its age."""
    recorder = MigrationRecorder(connections[alias])
    with reading(alias):
        if not recorder.has_table():
            return None
        found: datetime | None = recorder.migration_qs.aggregate(first=Min("applied"))["first"]
        return found


def _has_data(alias: str) -> bool:
    """Return whether anything is in the database that a migration did not put there."""
    # The other tables of `default` are filled by Django, or by whoever logs in.
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
