"""Passwords of roles: hashed here, so that the server never sees one, nor its logs."""

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
from marketplace.secret_checks import find_secret_faults

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):.+")


def require_strong(roles: Iterable[Role]) -> None:
    """Refuse passwords that can be guessed; the private socket of the embedded server needs none.

    :raises MarketplaceError: if any can, with its variable
    """
    asked = ((role.variable, role.password) for role in roles if not role.is_trusted)
    if faults := list(find_secret_faults(asked)):
        raise MarketplaceError("\n".join(faults))


def verifier(cursor: CursorWrapper, role: str, password: str) -> str:
    """Return what the server stores for the password: RFC 5803, SCRAM-SHA-256."""
    # Says itself how to hash: what the server is set to may be md5.
    connection: Any = cursor.connection
    return str(encrypt_password(password, role, scope=connection, algorithm="scram-sha-256"))


def is_password(cursor: CursorWrapper, alias: str, role: str, password: str) -> bool:
    """Return whether the role's password is this one.

    Who may not read what the server stores tries to log in.
    """
    cursor.execute("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')")
    if cursor.fetchone() != (True,):
        return _can_log_in(alias, role, password)
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = %(role)s"
    cursor.execute(query, {"role": role})
    (stored,) = cursor.fetchone()
    return matches(stored, password)


def matches(stored: str | None, password: str) -> bool:
    """Return whether the server's verifier was made of the password; False if it is no SCRAM."""
    found = _VERIFIER.fullmatch(stored or "")
    if found is None:
        return False
    iterations, salt, key = found.groups()
    # As SASLprep does, but for characters that no password should have.
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
        # Any other failure says nothing about the password.
        return "password authentication failed" not in str(error)
    return True
