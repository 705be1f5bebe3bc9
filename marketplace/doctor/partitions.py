"""The check for partitions that are created in advance."""

from collections.abc import Iterable, Iterator
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.registry import ALIASES


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
    Check("partitions of the next months", ("partition-missing",), _partitions),
)
