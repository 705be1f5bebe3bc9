"""The entries of DATABASES, from the variables of the environment."""

from typing import Any
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from marketplace import registry
from marketplace.configuration.environment import env

#: Alias → default name of the database.
DEFAULT_NAMES = {registry.CONTROL: "marketplace_db"} | {
    database.alias: database.default_name for database in registry.DATABASES
}


def variable_prefix(alias: str) -> str:
    """Return the prefix of the database's variables, such as ECOMMERCE in ECOMMERCE_DB."""
    return "MARKETPLACE" if alias == registry.CONTROL else alias.upper()


def database_url(alias: str) -> str:
    """Return the value of the database's variable <PREFIX>_DATABASE_URL."""
    return str(env.str(f"{variable_prefix(alias)}_DATABASE_URL", default=""))


def database_entry(alias: str, connect_timeout: int) -> dict[str, Any]:
    """Return the entry of DATABASES for the alias."""
    config = _from_url(database_url(alias)) or _from_variables(variable_prefix(alias), alias)
    options = {
        "connect_timeout": connect_timeout,
        # Shown in pg_stat_activity.
        "application_name": f"marketplace-{alias}",
    }
    return config | {
        "ENGINE": "marketplace.postgresql",
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=0),
        "CONN_HEALTH_CHECKS": True,
        # PgBouncer in transaction mode does not support server-side cursors.
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DISABLE_SERVER_SIDE_CURSORS", default=False),
        "OPTIONS": options | config.get("OPTIONS", {}),
        # By default, all test databases would depend on the default one.
        "TEST": {"DEPENDENCIES": []},
    }


def _from_url(url: str) -> dict[str, Any] | None:
    if not url:
        return None
    config: dict[str, Any] = env.db_url_config(url)
    # The folder of a socket is written as %2Frun%2Fpostgresql.
    config["HOST"] = unquote(config["HOST"])
    return config


def _from_variables(prefix: str, alias: str) -> dict[str, Any]:
    """Return name, host and login from <PREFIX>_DB_… or, if these are empty, from DB_…"""
    return {
        "NAME": env.str(f"{prefix}_DB", default=DEFAULT_NAMES[alias]),
        "HOST": env.str(f"{prefix}_DB_HOST", default="") or env.str("DB_HOST", default=""),
        "PORT": env.str(f"{prefix}_DB_PORT", default="") or env.str("DB_PORT", default="5432"),
        "USER": env.str(f"{prefix}_DB_USER", default="") or env.str("DB_USER", default="postgres"),
        "PASSWORD": env.str(f"{prefix}_DB_PASSWORD", default="")
        or env.str("DB_PASSWORD", default=""),
    }


def embedded_aliases(databases: dict[str, dict[str, Any]]) -> list[str]:
    """Return the aliases of the databases without a host, which use the embedded server."""
    return [alias for alias, config in databases.items() if not config["HOST"]]


def require_all_hosts(databases: dict[str, dict[str, Any]]) -> None:
    """Reject a mixture of databases on servers and in the embedded server, unless EMBEDDED is set.

    :raises ImproperlyConfigured: if some databases have a host and others do not
    """
    embedded = embedded_aliases(databases)
    if not embedded or len(embedded) == len(databases) or env.bool("EMBEDDED", default=False):
        return
    names = ", ".join(f"{alias} ({variable_prefix(alias)}_DATABASE_URL)" for alias in embedded)
    raise ImproperlyConfigured(
        f"Some databases have a host, but these have none: {names}. Set the host in the variable "
        "in parentheses, or in DB_HOST. To use the embedded server on this machine for them, set "
        "EMBEDDED=true."
    )
