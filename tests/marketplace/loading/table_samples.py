"""Small tables and mappings for tests, and functions that load them."""

import pytest

from marketplace.loading.ingest import ingest

CARDS = """
[product]
external_id = { column = "url", pattern = '/(\\d+)/' }
title = "title"

[offer]
external_id = { column = "url", pattern = '/(\\d+)/', prefix = "nm:" }
price = "price"
old_price = "old"
currency = { constant = "RUB" }

[seller]
external_id = "shop"
name = "shop"
"""

HISTORY = """
[table]
group_by = "id"
observed_at = { column = "day", zone = "UTC" }

[product]
external_id = "id"

[offer]
external_id = { column = "id", prefix = "nm:" }
price = "price"
currency = { constant = "RUB" }

[price_point]
recorded_at = { column = "day", zone = "UTC" }
price = "price"
currency = { constant = "RUB" }
"""

ADS = """
[table]
rows = "ads"
observed_at = "updated"

[listing]
external_id = "id"
title = "title"
price = "price"
currency = { constant = "PLN" }
year = "details.Rok produkcji"
attributes = "details"
"""

MORE = """
[listing]
external_id = "id"
rooms = "rooms"
"""


@pytest.fixture
def load(tmp_path):
    """Write a table and its mapping, and load the table with the mapping."""

    def write_and_load(text, columns, platform="wildberries", name="table.csv", **options):
        path, mapping = tmp_path / name, tmp_path / "map.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        mapping.write_text(columns)
        return ingest(platform, [str(path)], columns=str(mapping), **options)

    return write_and_load


def counts(summary):
    return (summary.read, summary.created, summary.updated, summary.unchanged, summary.rejected)
