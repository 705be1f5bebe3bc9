"""Initialize a database: create it, migrate it, and create its partitions and roles."""

from datetime import date
from typing import NamedTuple

from django.db import connections

from marketplace.databases.creation import create_database, database_exists, drop_database
from marketplace.databases.partitions import ensure_partitions, partition_names_ahead
from marketplace.databases.revisions import all_migrations, get_compatible_revision, migrate
from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.roles.passwords import require_strong
from marketplace.databases.roles.reconcile import (
    Reconciliation,
    inspect_roles,
    missing_roles,
    reconcile,
)
from marketplace.databases.statement_statistics import enable_statement_statistics
from marketplace.groups import GROUPS, ensure_groups, missing_groups
from marketplace.registry import CONTROL


class Changes(NamedTuple):
    """The changes that initializing a database made, or would make."""

    is_dropped: bool
    is_created: bool
    migrations: tuple[str, ...]
    partitions: tuple[str, ...]
    #: The changes of the database's roles and their privileges.
    roles: Reconciliation = Reconciliation()
    #: Groups of accounts that were created or received permissions.
    groups: tuple[str, ...] = ()


def initialize(alias: str, today: date, *, drop_first: bool = False) -> Changes:
    """Create the database unless it exists, migrate it, and create its partitions and roles.

    Roles that the connected role may not create are left out: everything else works without them.
    Safe to run repeatedly and concurrently.

    :param drop_first: whether to drop the database with all its data first
    :raises OperationalError: if the server cannot be reached
    :raises MarketplaceError: as `create_database` and `migrate` do; before any change, if a
        password of the database's roles is easy to guess
    """
    require_strong(roles_of(alias))
    # The arguments are evaluated in this order.
    changes = Changes(
        is_dropped=drop_first and drop_database(alias),
        is_created=create_database(alias),
        migrations=tuple(migrate(alias)),
        partitions=tuple(ensure_partitions(alias, today)),
        groups=tuple(ensure_groups()) if alias == CONTROL else (),
        roles=reconcile(alias),
    )
    # db_slow and db_doctor read it. If it cannot be enabled, they report the remedy.
    enable_statement_statistics(alias)
    return changes


def plan_initialization(alias: str, today: date, *, drop_first: bool = False) -> Changes:
    """Return the changes that `initialize` would make, without making them."""
    require_strong(roles_of(alias))
    exists, names = database_exists(alias), partition_names_ahead(alias, today)
    if exists and not drop_first:
        names = [name for name in names if not _has_table(alias, name)]
        return Changes(
            is_dropped=False,
            is_created=False,
            migrations=get_compatible_revision(alias).pending,
            partitions=tuple(names),
            roles=_plan_roles(alias),
            groups=tuple(_missing_groups(alias)),
        )
    return Changes(
        is_dropped=exists,
        is_created=True,
        migrations=all_migrations(alias),
        partitions=tuple(names),
        roles=Reconciliation(created=missing_roles(alias)),
        groups=tuple(GROUPS) if alias == CONTROL else (),
    )


def _missing_groups(alias: str) -> list[str]:
    if alias != CONTROL:
        return []
    return missing_groups() if _has_table(alias, "auth_permission") else list(GROUPS)


def _plan_roles(alias: str) -> Reconciliation:
    """Return the result that `repair` would have, without the privileges of roles to create."""
    inspection = inspect_roles(alias)
    return Reconciliation(inspection.missing, () if inspection.missing else inspection.differences)


def _has_table(alias: str, name: str) -> bool:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT to_regclass(quote_ident(%(name)s)) IS NOT NULL", {"name": name})
        return bool(cursor.fetchone() == (True,))
