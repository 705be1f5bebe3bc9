"""Small tables and mappings for tests, and functions that load them."""

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


def counts(summary):
    return (summary.read, summary.created, summary.updated, summary.unchanged, summary.rejected)
