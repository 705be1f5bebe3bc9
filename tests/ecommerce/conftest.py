"""What tests of the e-commerce database share."""

import pytest
from django.db import connections
from psycopg2.sql import SQL, Identifier

from ecommerce.archive import months
from ecommerce.platforms import yandex
from tests.ecommerce import observing


@pytest.fixture(autouse=True)
def _silent_offers(monkeypatch):
    """Let price lists have offers of which nothing tells whether they are available."""
    monkeypatch.setattr(yandex, "SHAPES", observing.shapes())


@pytest.fixture
def archive_dir(settings, tmp_path, transactional_db):
    """An archive of the test's own, and no month of it left in the database."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    yield settings.ARCHIVE_DIR
    with connections["ecommerce"].cursor() as cursor:
        for each in months.table_months():
            if each.month.year <= 2021:
                table = Identifier(months.table_name(each.month))
                cursor.execute(SQL("DROP TABLE {}").format(table))
