"""The registry of databases and platforms: the only place that assigns platforms to databases.

To add a platform, add a line to PLATFORMS and a module `<database>/platforms/<name>.py`. A platform
that is loaded only from tables with mappings does not need a module.
"""

from typing import NamedTuple

#: The alias of the database with Django's own tables (accounts, permissions, sessions,
#: content types, admin log), the failed logins of django-axes and the tokens of the API. It has no
#: platform data, so the admin works while any of the three databases is down.
CONTROL = "default"

#: The apps whose tables are in the database `default`.
CONTROL_APPS = frozenset({"admin", "auth", "axes", "contenttypes", "marketplace", "sessions"})


class Database(NamedTuple):
    """One of the three databases. Its alias is the label of the app that owns it."""

    alias: str
    kind: str
    title: str
    default_name: str

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of the platforms whose data is in this database."""
        return tuple(platform.name for platform in PLATFORMS if platform.database == self.alias)


class Platform(NamedTuple):
    """A marketplace whose payloads can be loaded."""

    name: str
    database: str
    title: str


DATABASES = (
    Database("ecommerce", "B2C", "B2C e-commerce platforms", "ecommerce_db"),
    Database("classifieds", "C2C", "C2C classifieds platforms", "classifieds_db"),
    Database("procurement", "B2B", "B2B government procurement", "procurement_db"),
)

PLATFORMS = (
    Platform("uzum", "ecommerce", "Uzum Market"),
    Platform("yandex", "ecommerce", "Yandex Market"),
    Platform("wildberries", "ecommerce", "Wildberries"),
    Platform("ozon", "ecommerce", "Ozon"),
    Platform("olx", "classifieds", "OLX"),
    Platform("uzex", "procurement", "UZEX"),
)

#: The aliases of the three databases, in the order in which commands visit them.
ALIASES = tuple(database.alias for database in DATABASES)


def get_database(alias: str) -> Database:
    """Return the database with an alias.

    :raises KeyError: if it does not exist
    """
    return {database.alias: database for database in DATABASES}[alias]


def get_platform(name: str) -> Platform:
    """Return the platform with a name.

    :raises KeyError: if it does not exist
    """
    return {platform.name: platform for platform in PLATFORMS}[name]
