"""The check for missing limits, without which one role can exhaust the server."""

from collections.abc import Iterable, Iterator

from marketplace.databases.roles.inspection import find_missing_limits
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import reading


def _missing_limits(context: CheckContext) -> Iterator[Finding]:
    """Find limits and privileges that `db_grants --repair` would set, as a superuser."""
    with reading(context.alias) as cursor:
        differences = find_missing_limits(cursor, context.alias)
        cursor.execute("SELECT current_setting('is_superuser') = 'on'")
        (is_superuser,) = cursor.fetchone()
    for difference in differences:
        objects = ", ".join(sorted(set(difference.objects)))
        yield Finding(
            code="role-unbounded",
            # On a managed server, no role may set all of them.
            severity=Severity.WARNING if is_superuser else Severity.INFO,
            subject=f"{difference.role} {difference.problem} {objects}".strip(),
            what=f"{difference}.",
            why="A single role can exhaust the connections, locks or disk space that the loads and "
            "pages of all databases need.",
            fix=f"python manage.py db_grants --repair --database {context.alias}  # as a "
            "superuser; other roles can set only the connection limits",
            evidence={"role": difference.role, "objects": len(difference.objects)},
            is_of_server=objects.startswith("system database"),
        )


CHECKS: Iterable[Check] = (Check("limits of the roles", ("role-unbounded",), _missing_limits),)
