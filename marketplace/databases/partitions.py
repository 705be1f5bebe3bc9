"""The partitions of a database whose app has a module `partitions`.

Such a module defines `names_ahead(today)` and `ensure_ahead(alias, today)`, which return table
names, `lacking_files(cursor)` and `lost()`.
"""

from datetime import date
from importlib import import_module
from types import ModuleType

from django.apps import apps
from django.db.backends.utils import CursorWrapper
from django.utils.module_loading import module_has_submodule

from marketplace.databases.revisions import migration_lock
from marketplace.registry import ALIASES


def partition_names_ahead(alias: str, today: date) -> list[str]:
    """Return the names of the partitions that the app wants to exist on `today`."""
    module = _partitions_module(alias)
    return list(module.names_ahead(today)) if module else []


def ensure_partitions(alias: str, today: date) -> list[str]:
    """Create the missing partitions that the app requires on `today`; return their names."""
    module = _partitions_module(alias)
    if module is None:
        return []
    with migration_lock(alias):
        return list(module.ensure_ahead(alias, today))


def lacking_files(alias: str, cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Return the tables whose data belongs in files that are missing, each with the reason.

    :param cursor: connected to the database or to a copy of it
    """
    module = _partitions_module(alias)
    if module is None:
        return []
    tables: list[tuple[str, str]] = module.lacking_files(cursor)
    return tables


def lost_months(alias: str) -> tuple[str, ...]:
    """Return the months of history that were marked as lost, as 2025-06."""
    module = _partitions_module(alias)
    return tuple(module.lost()) if module else ()


def _partitions_module(alias: str) -> ModuleType | None:
    """Return the module `partitions` of the app that owns the database, if it has one."""
    if alias not in ALIASES:
        return None
    package = apps.get_app_config(alias).module
    if package is None or not module_has_submodule(package, "partitions"):
        return None
    return import_module(f"{alias}.partitions")
