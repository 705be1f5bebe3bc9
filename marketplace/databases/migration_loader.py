"""Restrict each database to the migrations of its own apps.

Django loads, applies and records the migrations of all installed apps in every database, even
where the router prevents them from creating tables. With this loader a database has the migrations
of its own apps only, so that `migrate`, `showmigrations`, `runserver` and the table
`django_migrations` agree.
"""

from django.db.migrations.loader import MigrationLoader

from marketplace.routers import database_of

_load_all = MigrationLoader.load_disk


def _load_disk(self: MigrationLoader) -> None:
    """Load the migrations of the apps whose tables are in the connection's database.

    The other apps are treated as apps without migrations. Their models remain in the project state,
    from which Django creates content types and permissions.
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
    """Make all of Django's commands load migrations this way.

    Django has no hook for this: the executor and several commands create the loader themselves.
    """
    MigrationLoader.load_disk = _load_disk  # type: ignore[method-assign]
