"""The aliases of the databases and the databases' names on their servers."""

from django.db import connections

from marketplace.registry import ALIASES, CONTROL

#: All aliases in the order in which their databases are created: the admin's first.
ALL_ALIASES = (CONTROL, *ALIASES)


def database_name(alias: str) -> str:
    """Return the database's name on its server."""
    return str(connections[alias].settings_dict["NAME"])
