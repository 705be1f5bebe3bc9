"""Unit prices of a lot, compared with those of the same product in other lots in Python."""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from statistics import quantiles

import pytest

from tests import factories
from tests.amounts import CENT, convert, create_rates, local_day, percent
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import FIRST

pytestmark = [
    pytest.mark.django_db(databases=["procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

NAMES = ("Бумага А4", "БУМАГА А4", "Бумага А4 белая", "Paper, 80 g/m²", None)


def create_items(random, count=40):
    """Create items of completed and other lots; return them by lower-case name and unit."""
    items = []
    for _ in range(count):
        lot = factories.lot(
            status=random.choice(("completed", "completed", "completed", "active")),
            deal_date=FIRST.replace(month=random.choice((8, 9)), day=random.randint(1, 28)),
        )
        for number in range(random.randint(0, 3)):
            items.append(
                factories.lot_item(
                    lot=lot,
                    order_num=number,
                    product_name=random.choice(NAMES),
                    measure_name=random.choice(("шт", "ШТ", "кг", None)),
                    price=random.choice((None, Decimal(0), Decimal(100), Decimal(120), Decimal(7))),
                    currency=random.choice(("UZS", "UZS", "USD", None)),
                )
            )
    return items


def amount_of(item):
    return convert(item.price or None, item.currency, local_day(item.lot.deal_date))


def expected(lot, items, least_count):
    """Return the rows of a lot."""
    groups = defaultdict(list)
    for item in items:
        if item.lot.status == "completed" and item.lot != lot:
            groups[key_of(item)].append(amount_of(item))
    rows = []
    for item in (item for item in items if item.lot == lot):
        amounts = groups[key_of(item)] if None not in key_of(item) else []
        known = [amount for amount in amounts if amount is not None]
        parts = [None] * 3
        if len(known) >= least_count:
            parts = quantiles(known, n=4, method="inclusive") if len(known) > 1 else known * 3
        own = amount_of(item)
        above = percent(own - parts[1], parts[1]) if own is not None and parts[1] else None
        rounded = [part and part.quantize(CENT, ROUND_HALF_UP) for part in parts]
        rows.append((item.product_name, own, *rounded, above, len(known), len(amounts)))
    return rows


def key_of(item):
    return tuple(text and text.lower() for text in (item.product_name, item.measure_name))


@pytest.mark.parametrize("seed", range(2))
def test_equals_a_computation(seed):
    create_rates("procurement")
    items = create_items(Random(seed))
    columns = ("product", "price", "lower_quartile", "median", "upper_quartile")
    columns += ("above_median_percent", "n_used", "n_total")

    for lot in {item.lot for item in items}:
        address = f"{lot.platform}:{lot.external_id}"
        rows = answer("procurement.unit_prices", lot=address, since="", least_count=2)

        found = [tuple(row[column] for column in columns) for row in rows]
        assert found == expected(lot, items, 2)


def test_lots_before_the_period_are_not_compared():
    for day in (1, 2, 3):
        lot = factories.lot(deal_date=FIRST.replace(month=9, day=day))
        factories.lot_item(lot=lot, price=100 * day, measure_name="шт")

    [row] = answer("procurement.unit_prices", since="2026-09-03", least_count=1)

    # Without a lot, that with the newest deal: 2026-09-04 in Tashkent.
    assert (row["price"], row["median"], row["n_total"]) == (300, 200, 1)
