"""Fixtures of the tests of the e-commerce database."""

import pytest
from django.db import connections
from psycopg2.sql import SQL, Identifier

from ecommerce.archive import months
from ecommerce.platforms import yandex
from tests.ecommerce import observing


@pytest.fixture(autouse=True)
def _silent_offers(monkeypatch):
    """Use price lists in which the availability of some offers is unknown."""
    monkeypatch.setattr(yandex, "SHAPES", observing.shapes())


@pytest.fixture
def archive_dir(settings, tmp_path, transactional_db):
    """An empty archive; months of old points are dropped from the database after the test."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    yield settings.ARCHIVE_DIR
    with connections["ecommerce"].cursor() as cursor:
        for table_month in months.table_months():
            if table_month.month.year <= 2021:
                table = Identifier(months.table_name(table_month.month))
                cursor.execute(SQL("DROP TABLE {}").format(table))
