"""Examining databases: all checks, on all of them at once."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from marketplace.databases.names import database_name
from marketplace.databases.parallel import run_on_all
from marketplace.doctor import (
    activity,
    backups,
    bounds,
    indexes,
    maintenance,
    schema,
    servers,
    statements,
    storage,
)
from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Diagnosis, Finding, Severity
from marketplace.doctor.session import read
from marketplace.exceptions import MarketplaceError
from marketplace.postgresql.errors import error_code, explain

#: Seconds for all databases together: one that hangs is told as such then.
TIME_LIMIT = 120.0

#: All checks, in the order in which they are run and told.
CHECKS: tuple[Check, ...] = tuple(
    check
    for family in (
        servers,
        storage,
        backups,
        schema,
        bounds,
        activity,
        indexes,
        maintenance,
        statements,
    )
    for check in family.CHECKS
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
    """Examine databases, all at once; return what was found, in the order of the aliases.

    What concerns a whole server is told once: of the first of its databases. Raises nothing.

    :param now: the clock of all checks
    :param only: codes of findings; all without any
    """
    answers = run_on_all(partial(examine, now=now, only=only), aliases, seconds=seconds)
    silent = f"It did not answer within {seconds:g} seconds. Check that the server is not stopped."
    found = [answers.get(alias) or _unreachable(alias, silent, now, only) for alias in aliases]
    _tell_once(found)
    return found


def examine(alias: str, now: datetime, only: Collection[str] = ()) -> Diagnosis:
    """Examine one database. Raises nothing, and changes nothing."""
    try:
        examination = Examination(alias, now, read(alias, "facts")[0])
        diagnosis = _diagnosis(examination)
        for check in CHECKS:
            if not only or set(check.codes) & set(only):
                _run(check, examination, diagnosis)
    except (Error, MarketplaceError, ImproperlyConfigured) as error:
        return _unreachable(alias, explain(error), now, only)
    diagnosis.findings = _sorted(diagnosis.findings, only)
    diagnosis.doubts, diagnosis.unseen = examination.doubts, examination.unseen
    diagnosis.sizes = examination.sizes
    return diagnosis


def _diagnosis(examination: Examination) -> Diagnosis:
    facts = examination.facts
    return Diagnosis(
        alias=examination.alias,
        name=facts["name"],
        server=facts["server"],
        version=facts["version"],
        since=examination.since,
    )


def _run(check: Check, examination: Examination, diagnosis: Diagnosis) -> None:
    """Run a check; where the role may not, or it takes too long, say so.

    :raises Error: if the connection is lost
    """
    try:
        diagnosis.findings.extend(check.run(examination))
    except MarketplaceError as error:
        examination.lack(check.title, str(error))
        return
    except Error as error:
        code = error_code(error)
        # Those of class 08 and 57P: the connection, or the server, goes away.
        if code is None or code.startswith(("08", "57P")):
            raise
        examination.lack(check.title, explain(error))
        return
    diagnosis.examined.append(check.title)


def _sorted(findings: Iterable[Finding], only: Collection[str]) -> list[Finding]:
    chosen = [finding for finding in findings if not only or finding.code in only]
    return sorted(chosen, key=lambda finding: (-finding.severity, finding.code, finding.subject))


def _unreachable(alias: str, reason: str, now: datetime, only: Collection[str]) -> Diagnosis:
    finding = Finding(
        code=UNREACHABLE,
        severity=Severity.CRITICAL,
        subject=database_name(alias),
        what=f"The database cannot be examined: {reason}",
        why="Loads, pages and queries of it fail; the other databases go on.",
        fix="python manage.py db_status",
    )
    # A full disk may be why, and is seen without the server.
    disk = _sorted(storage.unseen_disk(alias, now), only)
    return Diagnosis(alias, database_name(alias), findings=[finding, *disk])


def _tell_once(found: Iterable[Diagnosis]) -> None:
    """Leave what concerns a server to the first of its databases."""
    told: set[tuple[str, str, str]] = set()
    for diagnosis in found:
        kept = []
        for finding in diagnosis.findings:
            key = (diagnosis.server, finding.code, finding.subject)
            if not finding.is_of_server or key not in told:
                kept.append(finding)
            if finding.is_of_server:
                told.add(key)
        diagnosis.findings = kept
