"""Running all checks against all databases in parallel."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from marketplace.databases.names import database_name
from marketplace.databases.probe import CachedProbe
from marketplace.doctor import (
    backups,
    indexes,
    partitions,
    role_limits,
    statements,
    storage,
)
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Diagnosis, Finding, Severity
from marketplace.doctor.session import read
from marketplace.doctor.sql_checks import sql_check
from marketplace.exceptions import MarketplaceError
from marketplace.postgresql.errors import error_code, explain

#: Seconds for all databases together. A database that does not answer in time is reported.
TIME_LIMIT = 120.0

#: All checks, in the order in which they run and are listed.
CHECKS: tuple[Check, ...] = (
    *map(sql_check, ("settings", "replicas", "standby", "slots", "archiver")),
    *storage.CHECKS,
    sql_check("cache"),
    *backups.CHECKS,
    *map(sql_check, ("sequences", "old_databases", "definitions")),
    *partitions.CHECKS,
    *role_limits.CHECKS,
    *map(sql_check, ("sessions", "locks", "prepared", "connections")),
    *indexes.CHECKS,
    *map(sql_check, ("invalid_indexes", "foreign_keys", "sequential_scans")),
    *map(sql_check, ("table_bloat", "index_bloat", "neglected_tables", "old_ids")),
    *statements.CHECKS,
)

UNREACHABLE = "database-unreachable"

#: All codes of findings.
CODES = tuple(sorted({UNREACHABLE, *(code for check in CHECKS for code in check.codes)}))


def diagnose(
    aliases: Sequence[str],
    now: datetime,
    only: Collection[str] = (),
    *,
    seconds: float = TIME_LIMIT,
) -> list[Diagnosis]:
    """Run the checks of several databases in parallel; return a diagnosis for each alias.

    A finding about a whole server is only reported for its first database. Does not raise.

    :param now: the current time for all checks
    :param only: the codes of the findings to report; all if empty
    """
    probe = CachedProbe(partial(diagnose_database, now=now, only=only))
    answers = probe.results(aliases, seconds=seconds)
    reason = (
        f"no answer within {seconds:g} seconds. Check whether the server is overloaded or "
        "suspended."
    )
    diagnoses = [answers.get(alias) or _unreachable(alias, reason, now, only) for alias in aliases]
    _remove_duplicates(diagnoses)
    return diagnoses


def diagnose_database(alias: str, now: datetime, only: Collection[str] = ()) -> Diagnosis:
    """Run the checks of one database. Does not raise, and is read-only."""
    try:
        context = CheckContext(alias, now, read(alias, "server_info")[0])
        diagnosis = _diagnosis(context)
        for check in CHECKS:
            if not only or set(check.codes) & set(only):
                _run(check, context, diagnosis)
    except (Error, MarketplaceError, ImproperlyConfigured) as error:
        return _unreachable(alias, explain(error), now, only)
    diagnosis.findings = _sorted(diagnosis.findings, only)
    diagnosis.insufficient_data, diagnosis.skipped = context.insufficient_data, context.skipped
    diagnosis.sizes = context.sizes
    return diagnosis


def _diagnosis(context: CheckContext) -> Diagnosis:
    info = context.server_info
    return Diagnosis(
        alias=context.alias,
        name=info["name"],
        server=info["server"],
        version=info["version"],
        since=context.since,
    )


def _run(check: Check, context: CheckContext, diagnosis: Diagnosis) -> None:
    """Run a check. If the role lacks a privilege or a query times out, report it as skipped.

    :raises Error: if the connection is lost
    """
    try:
        diagnosis.findings.extend(check.run(context))
    except MarketplaceError as error:
        context.report_skipped(check.title, str(error))
        return
    except Error as error:
        code = error_code(error)
        # Classes 08 and 57P mean that the connection was lost or the server shuts down.
        if code is None or code.startswith(("08", "57P")):
            raise
        context.report_skipped(check.title, explain(error))
        return
    diagnosis.examined.append(check.title)


def _sorted(findings: Iterable[Finding], only: Collection[str]) -> list[Finding]:
    selected = [finding for finding in findings if not only or finding.code in only]
    return sorted(selected, key=lambda finding: (-finding.severity, finding.code, finding.subject))


def _unreachable(alias: str, reason: str, now: datetime, only: Collection[str]) -> Diagnosis:
    finding = Finding(
        code=UNREACHABLE,
        severity=Severity.CRITICAL,
        subject=database_name(alias),
        what=f"The database cannot be checked: {reason}",
        why="Loads, pages and queries of this database fail or wait. Databases on other servers "
        "are not affected.",
        fix="python manage.py db_status",
    )
    # A full disk may be the reason. It can be measured without the server.
    disk = _sorted(storage.disk_of_unreachable(alias, now), only)
    return Diagnosis(alias, database_name(alias), findings=[finding, *disk])


def _remove_duplicates(diagnoses: Iterable[Diagnosis]) -> None:
    """Keep a finding about a server only in the diagnosis of its first database."""
    reported: set[tuple[str, str, str]] = set()
    for diagnosis in diagnoses:
        kept = []
        for finding in diagnosis.findings:
            key = (diagnosis.server, finding.code, finding.subject)
            if not finding.is_of_server or key not in reported:
                kept.append(finding)
            if finding.is_of_server:
                reported.add(key)
        diagnosis.findings = kept
