"""Checks of transaction ids and of partitions that are created in advance."""

from collections.abc import Iterable, Iterator
from importlib import import_module

from django.apps import apps
from django.db import connections
from django.utils.module_loading import module_has_submodule

from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row
from marketplace.registry import ALIASES

#: The server rejects writes when nearly this many transaction ids are in use.
_ALL_IDS = 2**31


def _own_ages(context: CheckContext) -> Iterator[Finding]:
    """Find whether transaction ids run out because of this database."""
    for row in context.read("ages"):
        if row["is_current"]:
            yield from aged(row, is_of_server=False)


def _other_ages(context: CheckContext) -> Iterator[Finding]:
    """Find whether transaction ids run out because of another database of the server."""
    project_databases = {config["NAME"] for config in _databases()}
    for row in context.read("ages"):
        if not row["is_current"] and row["name"] not in project_databases:
            yield from aged(row, is_of_server=True)


def aged(row: Row, *, is_of_server: bool) -> Iterator[Finding]:
    """Find whether the transaction or multixact ids of a database run out.

    :param row: of `sql/ages.sql`
    """
    for kind in ("transaction", "multixact"):
        age, limit = row[f"{kind}_age"], row[f"{kind}_limit"]
        share = age / _ALL_IDS
        # Below this, autovacuum did not have to freeze yet.
        if age < max(limit * 1.5, _ALL_IDS * 0.2):
            continue
        yield Finding(
            code=f"{kind}-ids-exhausted",
            severity=Severity.CRITICAL if share >= 0.5 else Severity.WARNING,
            subject=row["name"],
            what=f"{share:.0%} of all {kind} ids are in use: the oldest is {age:,} old.",
            why="When the ids run out, the server rejects all writes until the tables are "
            "vacuumed. A long or prepared transaction or a replication slot may keep vacuum from "
            "freezing.",
            fix=f"vacuumdb --freeze --jobs 2 {row['name']}",
            evidence={"age": age, "limit": limit},
            is_of_server=is_of_server,
        )


def _databases() -> Iterable[Row]:
    return connections.settings.values()


def _partitions(context: CheckContext) -> Iterator[Finding]:
    """Find missing partitions of the current and the next months."""
    wanted = _names_ahead(context)
    if not wanted:
        return
    existing = {row["name"] for row in context.read("existing_partitions", names=wanted)}
    missing = [name for name in wanted if name not in existing]
    if missing:
        yield Finding(
            code="partition-missing",
            severity=Severity.CRITICAL if wanted[0] in missing else Severity.WARNING,
            subject=missing[0],
            what=f"{len(missing)} of {len(wanted)} partitions created in advance are missing: "
            f"{', '.join(missing)}.",
            why="Inserts into a month without a partition fail, unless the role may create it.",
            fix=f"python manage.py init_all --database {context.alias}",
            evidence={"missing": missing},
        )


def _names_ahead(context: CheckContext) -> list[str]:
    """Return the names of the partitions that the app of the database needs by now."""
    if context.alias not in ALIASES:
        return []
    package = apps.get_app_config(context.alias).module
    if package is None or not module_has_submodule(package, "partitions"):
        return []
    module = import_module(f"{context.alias}.partitions")
    return list(module.names_ahead(context.now.date()))


CHECKS: Iterable[Check] = (
    Check(
        "transaction ids running out",
        ("transaction-ids-exhausted", "multixact-ids-exhausted"),
        _own_ages,
    ),
    Check(
        "transaction ids of other databases",
        ("transaction-ids-exhausted", "multixact-ids-exhausted"),
        _other_ages,
    ),
    Check("partitions of the next months", ("partition-missing",), _partitions),
)
