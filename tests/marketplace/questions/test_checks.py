"""The checks of the questions' SQL in their databases."""

import pytest
from django.core import checks
from django.db import connections

from marketplace.databases.creation import create_database
from marketplace.questions import checks as question_checks
from marketplace.questions.checks import check_columns
from marketplace.registry import ALIASES
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = pytest.mark.django_db(databases=ALIASES, transaction=True)


def test_a_role_that_cannot_log_in_is_a_warning_and_does_not_prevent_a_migration(monkeypatch):
    monkeypatch.setitem(connections["ecommerce"].settings_dict, "HOST", "db.example")
    monkeypatch.setattr(question_checks, "_is_pending", lambda alias: False)

    [message] = check_columns(["ecommerce"])

    assert (message.id, message.level) == ("questions.W001", checks.WARNING)
    assert "set ECOMMERCE_ANALYST_PASSWORD, and run: python manage.py init_all" in message.msg


@pytest.mark.usefixtures("analysts")
def test_all_questions_return_the_columns_of_their_heads():
    assert check_columns(ALIASES) == []
    assert check_columns(None) == []


def test_questions_do_not_prevent_the_migrations_that_they_need(scratch):
    scratch("ecommerce")

    assert create_database("ecommerce") is True
    assert check_columns(["ecommerce"]) == []
