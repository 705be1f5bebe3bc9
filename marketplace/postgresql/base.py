"""The database backend `marketplace.postgresql`."""

import time
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base, client, operations

from marketplace.postgresql import embedded, programs
from marketplace.postgresql.errors import is_disconnect

#: Maximum length in bytes of a statement in the query log. The log holds 9,000 statements, and
#: those of a load may have megabytes of parameters.
_MAX_LOGGED = 2000


#: Pauses in seconds between attempts to connect to a database that a restore is replacing.
_RETRY_PAUSES = (0.05, 0.1, 0.2)


class DatabaseOperations(operations.DatabaseOperations):
    """Limits the size of the query log, which `DEBUG` and the tests enable."""

    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> str:
        """Return the statement with its parameters, truncated after 2,000 bytes."""
        query: bytes = cursor.query or b""
        if len(query) <= _MAX_LOGGED:
            return query.decode()
        return f"{query[:_MAX_LOGGED].decode(errors='ignore')}… ({len(query):,} bytes)"


class DatabaseClient(client.DatabaseClient):
    """Runs the `psql` of the embedded server for `dbshell`."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Any
    ) -> tuple[list[str], dict[str, str] | None]:
        """Return the arguments and environment of `psql`; start the embedded server if needed."""
        args, env = super().settings_to_cmd_args_env(_resolved(settings_dict), parameters)
        if not settings_dict["HOST"]:
            embedded.start(settings.DATA_DIR)
        return [str(programs.program_path("psql")), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that starts the embedded server if it is not running."""

    client_class = DatabaseClient
    ops_class = DatabaseOperations

    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters; without a host, those of the embedded server's socket."""
        original = self.settings_dict
        self.settings_dict = _resolved(original)
        try:
            return super().get_connection_params()
        finally:
            self.settings_dict = original

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; if the embedded server does not answer, start it and connect again."""
        try:
            return self._connect(conn_params)
        except (OperationalError, self.Database.OperationalError):
            if self.settings_dict["HOST"] or not embedded.start(settings.DATA_DIR):
                raise
        return super().get_new_connection(conn_params)

    def _connect(self, conn_params: dict[str, Any]) -> Any:
        """Connect; retry while a restore is replacing the database."""
        for pause in _RETRY_PAUSES:
            try:
                return super().get_new_connection(conn_params)
            except self.Database.OperationalError as error:
                if not is_disconnect(error):
                    raise
            time.sleep(pause)
        return super().get_new_connection(conn_params)


def _resolved(settings_dict: dict[str, Any]) -> dict[str, Any]:
    """Return the settings; without a host, with the socket of the embedded server.

    The user is its superuser, unless the settings have the key EMBEDDED_USER.
    """
    if settings_dict["HOST"]:
        return settings_dict
    directory = str(embedded.socket_directory(settings.DATA_DIR))
    user = settings_dict.get("EMBEDDED_USER", embedded.SUPERUSER)
    return settings_dict | {"HOST": directory, "PORT": "5432", "USER": user}
