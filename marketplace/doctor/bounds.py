"""Limits that keep one role from exhausting the server, and that are not set."""

from collections.abc import Iterable, Iterator

from marketplace.databases.roles.inspection import find_missing_limits
from marketplace.doctor.examination import Check, Examination
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import reading


def _bounds(examination: Examination) -> Iterator[Finding]:
    """Find limits and rights that `db_grants --repair` would set, as a superuser."""
    with reading(examination.alias) as cursor:
        found = find_missing_limits(cursor, examination.alias)
        cursor.execute("SELECT current_setting('is_superuser') = 'on'")
        (is_superuser,) = cursor.fetchone()
    for difference in found:
        objects = ", ".join(sorted(set(difference.objects)))
        yield Finding(
            code="role-unbounded",
            # On a managed server there is no superuser who could set all of them.
            severity=Severity.WARNING if is_superuser else Severity.INFO,
            subject=f"{difference.role} {difference.problem} {objects}".strip(),
            what=f"{difference}.",
            why="A single role can take the connections, the locks or the disk that the loads and "
            "pages of all databases need.",
            fix=f"python manage.py db_grants --repair --database {examination.alias}  # as a "
            "superuser; other roles can set only the connection limits",
            evidence={"role": difference.role, "objects": len(difference.objects)},
            is_of_server=objects.startswith("system database"),
        )


CHECKS: Iterable[Check] = (Check("limits of the roles", ("role-unbounded",), _bounds),)
