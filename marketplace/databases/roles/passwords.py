"""Passwords of roles. They are hashed here, so that they never appear in the server's log."""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import psycopg2
from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg2.extensions import encrypt_password

from marketplace.databases.roles.definitions import Role
from marketplace.exceptions import MarketplaceError
from marketplace.secret_checks import find_secret_errors

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):.+")


def require_strong(roles: Iterable[Role]) -> None:
    """Reject passwords that are easy to guess, except on the embedded server's private socket.

    :raises MarketplaceError: if there is such a password, with the name of its variable
    """
    passwords = ((role.variable, role.password) for role in roles if not role.is_trusted)
    if errors := list(find_secret_errors(passwords)):
        raise MarketplaceError("\n".join(errors))


def verifier(cursor: CursorWrapper, role: str, password: str) -> str:
    """Return the SCRAM-SHA-256 verifier (RFC 5803) that the server stores for the password."""
    # The algorithm is explicit: the server's setting password_encryption may be md5.
    connection: Any = cursor.connection
    return str(encrypt_password(password, role, scope=connection, algorithm="scram-sha-256"))


def is_password(cursor: CursorWrapper, alias: str, role: str, password: str) -> bool:
    """Return whether `password` is the password of the role.

    Without the privilege to read the stored verifier, the function tries to log in.
    """
    cursor.execute("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')")
    if cursor.fetchone() != (True,):
        return _can_log_in(alias, role, password)
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = %(role)s"
    cursor.execute(query, {"role": role})
    (stored,) = cursor.fetchone()
    return matches(stored, password)


def matches(stored: str | None, password: str) -> bool:
    """Return whether the stored verifier belongs to the password; False if it is not SCRAM."""
    parts = _VERIFIER.fullmatch(stored or "")
    if parts is None:
        return False
    iterations, salt, key = parts.groups()
    # Equivalent to SASLprep, except for characters that no password should contain.
    text = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", text, base64.b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), base64.b64decode(key))


def _can_log_in(alias: str, role: str, password: str) -> bool:
    parameters = connections[alias].get_connection_params()
    keys = ("host", "port", "dbname", "sslmode", "connect_timeout")
    address = {key: parameters[key] for key in keys if key in parameters}
    try:
        psycopg2.connect(**address, user=role, password=password).close()
    except psycopg2.OperationalError as error:
        # Other failures do not show whether the password is correct.
        return "password authentication failed" not in str(error)
    return True
