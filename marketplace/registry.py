"""Which databases there are and which platform lives in which: the only place that says so.

To add a platform, add a line to PLATFORMS and a module `<database>/platforms/<name>.py`. One that
is loaded from tables only, by mappings, needs no module.
"""

from typing import NamedTuple

#: Django's own tables: accounts, permissions, sessions, content types, admin log; and the failed
#: logins of django-axes. It has no platform data, so that the admin still opens when any of the
#: three databases is down.
CONTROL = "default"

#: The apps whose models live in the control database.
CONTROL_APPS = frozenset({"admin", "auth", "axes", "contenttypes", "sessions"})


class Database(NamedTuple):
    """One of the three databases. Its alias is the label of the app that owns it."""

    alias: str
    kind: str
    title: str
    default_name: str

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of the platforms whose data live in this database."""
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
    """Return the database named `alias`; raise KeyError if there is none."""
    return {database.alias: database for database in DATABASES}[alias]


def get_platform(name: str) -> Platform:
    """Return the platform named `name`; raise KeyError if there is none."""
    return {platform.name: platform for platform in PLATFORMS}[name]
