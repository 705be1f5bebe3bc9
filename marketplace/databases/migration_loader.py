"""Migrations of one database: those of the apps that live there, and no others.

Django loads, applies and records the migrations of every installed app in every database, even
where the router lets them create nothing. Here each database knows the migrations of its own apps
only, so that `migrate`, `showmigrations`, `runserver` and the table `django_migrations` agree.
"""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from marketplace.routers import database_of

_load_all = MigrationLoader.load_disk


def _load_disk(self: MigrationLoader) -> None:
    """Load the migrations of the apps that live in the connection's database.

    The other apps count as apps without migrations: their models stay in the project state, from
    which Django makes content types and permissions.
    """
    _load_all(self)
    if self.connection is None:
        return
    foreign = {app for app in self.migrated_apps if database_of(app) != self.connection.alias}
    self.migrated_apps -= foreign
    self.unmigrated_apps |= foreign
    for key in [key for key in self.disk_migrations if key[0] in foreign]:
        del self.disk_migrations[key]


def install() -> None:
    """Have Django load migrations in this way, in whichever command it does so.

    Django has no hook for it: the loader is made by the executor and by several commands.
    """
    MigrationLoader.load_disk = _load_disk  # type: ignore[method-assign]


def foreign_records(connection: BaseDatabaseWrapper) -> list[int]:
    """Return the ids in `django_migrations` of migrations of apps of other databases.

    Earlier versions of this project recorded them.
    """
    recorder = MigrationRecorder(connection)
    if not recorder.has_table():
        return []
    rows = recorder.migration_qs.values_list("pk", "app")
    return [pk for pk, app in rows if database_of(app) not in (None, connection.alias)]


def delete_foreign_records(connection: BaseDatabaseWrapper) -> int:
    """Delete the records of migrations of apps of other databases; return their number.

    Safe to run twice. Those migrations had created nothing here.
    """
    ids = foreign_records(connection)
    if ids:
        MigrationRecorder(connection).migration_qs.filter(pk__in=ids).delete()
    return len(ids)
