"""Asking questions: the analyst roles of the test databases, as which they are asked, and rows.

Import the fixture `analysts` in a test module, and use it by `pytest.mark.usefixtures`.
"""

import pytest
from django.db import connections
from psycopg2.sql import SQL, Identifier

from ecommerce.models import Seller
from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.roles.reconcile import reconcile
from marketplace.questions import ask
from marketplace.questions.definition import get_question
from marketplace.registry import ALIASES
from marketplace.rollups.definition import rollups_of
from marketplace.rollups.refresh import refresh

SELLERS_HEAD = """/*
title = "Sellers"
description = "Sellers of a platform."
[parameters.platform]
type = "platform"
[columns.name]
link = "ecommerce.seller:id"
[columns.link]
type = "link"
*/
"""
SELLERS_SQL = """
SELECT s.platform, s.name, s.id, s.link FROM ecommerce_sellers AS s
WHERE %(platform)s::text IS NULL OR s.platform = %(platform)s ORDER BY s.id
"""


@pytest.fixture(scope="module")
def analysts(django_db_setup, django_db_blocker):
    """Create the roles of the three databases; drop them and empty rollups after the module."""
    with django_db_blocker.unblock():
        for alias in ALIASES:
            reconcile(alias)
    yield
    with django_db_blocker.unblock():
        for alias in ALIASES:
            with connections[alias].cursor() as cursor:
                # Only the databases that tests use are migrated.
                existing = connections[alias].introspection.table_names(cursor)
                tables = {rollup.table for rollup in rollups_of(alias).values()}
                for table in tables.intersection(existing):
                    cursor.execute(SQL("DELETE FROM {}").format(Identifier(table)))
                for role in roles_of(alias):
                    cursor.execute(
                        f"REASSIGN OWNED BY {role.name} TO CURRENT_USER; "
                        f"DROP OWNED BY {role.name}; DROP ROLE {role.name}"
                    )
            connections[alias].close()


def compute_rollups(name):
    """Compute the rollups that a question reads."""
    question = get_question(name)
    for rollup in question.rollups:
        list(refresh(question.alias, [rollup]))


def compute_all_rollups():
    """Compute the rollups of all databases."""
    for alias in ALIASES:
        list(refresh(alias))


def answer(name, **parameters):
    """Return the rows of an answer, as dictionaries."""
    compute_rollups(name)
    with ask(name, **parameters) as rows:
        return [row._asdict() for row in rows]


def add_sellers(*rows):
    """Add a seller for each platform, name and link."""
    at = "2026-03-01T00:00Z"
    Seller.objects.bulk_create(
        Seller(
            platform=platform,
            external_id=str(number),
            name=name,
            link=link,
            first_seen_at=at,
            last_seen_at=at,
            updated_at=at,
        )
        for number, (platform, name, link) in enumerate(rows, 1)
    )
