"""Asking questions: the analyst roles of the test databases, as which they are asked, and rows.

Import the fixture `analysts` in a test module, and use it by `pytest.mark.usefixtures`.
"""

import pytest
from django.db import connections

from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.roles.reconcile import reconcile
from marketplace.questions import ask
from marketplace.registry import ALIASES


@pytest.fixture(scope="module")
def analysts(django_db_setup, django_db_blocker):
    """Create the roles of the three databases, and drop them after the module."""
    with django_db_blocker.unblock():
        for alias in ALIASES:
            reconcile(alias)
    yield
    with django_db_blocker.unblock():
        for alias in ALIASES:
            with connections[alias].cursor() as cursor:
                for role in roles_of(alias):
                    cursor.execute(
                        f"REASSIGN OWNED BY {role.name} TO CURRENT_USER; "
                        f"DROP OWNED BY {role.name}; DROP ROLE {role.name}"
                    )
            connections[alias].close()


def answer(name, **parameters):
    """Return the rows of an answer, as dictionaries."""
    with ask(name, **parameters) as rows:
        return [row._asdict() for row in rows]
