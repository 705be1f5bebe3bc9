"""The checks of the questions' SQL in their databases."""

import pytest
from django.core import checks
from django.core.management import call_command

from marketplace.databases.creation import create_database
from marketplace.questions.checks import check_columns
from marketplace.registry import ALIASES
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = pytest.mark.django_db(databases=ALIASES, transaction=True)


# First, because the fixture of the other tests creates the roles for the whole module.
def test_a_missing_role_is_a_warning_and_does_not_prevent_a_migration():
    [message] = check_columns(["ecommerce"])

    assert (message.id, message.level) == ("questions.W001", checks.WARNING)
    assert "which does not exist. Run: python manage.py init_all" in message.msg
    call_command("migrate", database="ecommerce", verbosity=0)


@pytest.mark.usefixtures("analysts")
def test_all_questions_return_the_columns_of_their_heads():
    assert check_columns(ALIASES) == []
    assert check_columns(None) == []


def test_questions_do_not_prevent_the_migrations_that_they_need(scratch):
    scratch("ecommerce")

    assert create_database("ecommerce") is True
    assert check_columns(["ecommerce"]) == []
