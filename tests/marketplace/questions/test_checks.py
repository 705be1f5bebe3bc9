"""The checks of the questions' SQL in their databases."""

import pytest

from marketplace.databases.creation import create_database
from marketplace.questions.checks import check_columns
from marketplace.registry import ALIASES
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = pytest.mark.django_db(databases=ALIASES, transaction=True)


@pytest.mark.usefixtures("analysts")
def test_all_questions_return_the_columns_of_their_heads():
    assert check_columns(ALIASES) == []
    assert check_columns(None) == []


def test_questions_do_not_prevent_the_migrations_that_they_need(scratch):
    scratch("ecommerce")

    assert create_database("ecommerce") is True
    assert check_columns(["ecommerce"]) == []
