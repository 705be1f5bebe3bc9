"""Signs of risk, compared with a computation in Python and with a textbook."""

import random
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from statistics import median

import pytest

from procurement.models import Lot, LotItem
from tests import factories
from tests.amounts import convert, descending, local_day, total
from tests.procurement import random_lots
from tests.procurement.random_lots import amount_of
from tests.questions import analysts, answer  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases=["procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

FLAGS = (
    "captive_supplier",
    "impossible_dates",
    "large_saving",
    "missing_winner",
    "no_price_pressure",
    "short_submission",
    "single_bid",
    "unit_price_outlier",
)

HOUR = timedelta(hours=1)
DEAL = factories.SEEN - 24 * HOUR


def create(seed):
    """Create completed and other lots with dates and items; return the completed ones."""
    choose = random.Random(seed)
    lots = random_lots.create(seed, count=150)
    items = []
    for lot in lots:
        if lot.deal_date:
            lot.starts_at = choose.choice((None, lot.deal_date - HOUR * choose.randint(-5, 200)))
            lot.ends_at = choose.choice((None, lot.deal_date - HOUR * choose.randint(-2, 100)))
            lot.last_seen_at = lot.deal_date + HOUR * choose.randint(-1, 20)
        items += [
            LotItem(
                lot=lot,
                platform="uzex",
                external_id=f"{lot.pk}-{number}",
                order_num=number,
                product_name=choose.choice((None, "Paper", "PAPER", "Ink", "Lamp")),
                measure_name=choose.choice((None, "kg", "KG")),
                price=choose.choice((None, Decimal(0), *map(Decimal, (100, 101, 99, 104, 9000)))),
                currency=choose.choice(("UZS", "UZS", "UZS", "USD", "EUR", None)),
                first_seen_at=factories.SEEN,
                last_seen_at=factories.SEEN,
                updated_at=factories.SEEN,
            )
            for number in range(choose.randrange(4))
        ]
    Lot.objects.bulk_update(lots, ["starts_at", "ends_at", "last_seen_at"])
    LotItem.objects.bulk_create(items)
    return [lot for lot in lots if lot.status == "completed"]


def scores_of(lots):
    """Return the greatest modified z-score of the unit prices of each lot."""
    days = {lot.pk: local_day(lot.deal_date) for lot in lots}
    groups = defaultdict(list)
    for item in LotItem.objects.filter(lot__in=lots):
        price = convert(item.price or None, item.currency, days[item.lot_id])
        if price is not None and item.product_name and item.measure_name:
            key = item.product_name.lower(), item.measure_name.lower()
            groups[key].append((item.lot_id, price))
    scores = {}
    for members in groups.values():
        middle = median(price for _, price in members)
        mad = median(abs(price - middle) for _, price in members)
        if len(members) > 5 and mad:
            for lot, price in members:
                score = Decimal("0.6745") * abs(price - middle) / mad
                scores[lot] = max(score, scores.get(lot, 0))
    return scores


def captives_of(lots):
    """Return supplier and customer → whether most sales of the supplier are to the customer."""
    sales, whole = defaultdict(list), defaultdict(list)
    for lot in lots:
        amount = amount_of(lot)
        if lot.provider and lot.customer:
            sales[lot.provider, lot.customer].append(amount)
            whole[lot.provider] += [] if amount is None else [amount]
    return {
        (supplier, customer): total(amounts) / sum(whole[supplier]) >= Decimal("0.6")
        for (supplier, customer), amounts in sales.items()
        if len(whole[supplier]) >= 5 and sum(whole[supplier]) and total(amounts) is not None
    }


def dates_are_impossible(lot):
    times = lot.starts_at, lot.ends_at, lot.deal_date, lot.last_seen_at
    if not lot.deal_date and not (lot.starts_at and lot.ends_at):
        return None
    pairs = [(0, 1), (1, 2), (0, 2), (2, 3)]
    return any(times[a] and times[b] and times[b] < times[a] for a, b in pairs)


def is_short(lot):
    if not lot.starts_at or not lot.ends_at or lot.ends_at < lot.starts_at:
        return None
    return lot.ends_at - lot.starts_at < 48 * HOUR


def judge(lot, scores, captives):
    """Return flag → whether it is raised; None if it cannot be judged."""
    both = lot.start_cost and lot.deal_cost
    return {
        "single_bid": lot.participants_count == 1 if lot.participants_count else None,
        "no_price_pressure": lot.deal_cost >= lot.start_cost * Decimal("0.99") if both else None,
        "large_saving": lot.deal_cost < lot.start_cost * Decimal("0.4") if both else None,
        "short_submission": is_short(lot),
        "missing_winner": lot.provider is None,
        "impossible_dates": dates_are_impossible(lot),
        "captive_supplier": captives.get((lot.provider, lot.customer)),
        "unit_price_outlier": scores[lot.pk] > 3.5 if lot.pk in scores else None,
    }


def expected(lots):
    scores, captives = scores_of(lots), captives_of(lots)
    judged = {lot: judge(lot, scores, captives) for lot in lots}
    rows = []
    for lot, flags in judged.items():
        not_judged = ", ".join(flag for flag in FLAGS if flags[flag] is None)
        for flag in FLAGS:
            if flags[flag]:
                used = sum(other[flag] is not None for other in judged.values())
                count = sum(map(bool, flags.values()))
                row = (lot.pk, flag, count, not_judged or None, amount_of(lot), used, len(lots))
                rows.append(((-count, descending(amount_of(lot)), lot.pk, flag), row))
    return [row for _, row in sorted(rows)]


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_computation(seed):
    lots = create(seed)

    rows = answer("procurement.suspicious_lots", since=None, captive_percent=60)
    wanted = expected(lots)

    names = ("lot_id", "flag", "flags", "not_judged", "amount", "n_used", "lots")
    assert [tuple(row[name] for name in names) for row in rows] == wanted
    assert {flag for _, flag, *_ in wanted} == set(FLAGS)

    lot = next(lot for lot in lots if lot.customer and lot.pk in {row[0] for row in wanted})
    address = f"uzex:{lot.customer.external_id}"
    of_customer = answer(
        "procurement.suspicious_lots", since=None, captive_percent=60, customer=address
    )
    assert of_customer == [row for row in rows if row["customer_id"] == lot.customer_id]


def test_the_median_absolute_deviation_of_a_textbook():
    # Wikipedia, "Median absolute deviation": of 1, 1, 2, 2, 4, 6, 9, the median is 2, and so the
    # MAD is 1. The score of 9 is 0.6745 · 7, and that of 6 is below 3.5.
    for price in (1, 1, 2, 2, 4, 6, 9):
        lot = factories.lot(deal_date=DEAL, display_no=str(price))
        factories.lot_item(lot=lot, price=price, measure_name="kg")

    rows = answer("procurement.suspicious_lots", since=None, flag="unit_price_outlier")

    assert [(row["n_used"], row["lots"], row["evidence"]) for row in rows] == [
        (7, 7, "Парацетамол 500 мг: 9.00, median 2.00, score 4.72")
    ]
    assert (
        answer(
            "procurement.suspicious_lots",
            since=None,
            flag="unit_price_outlier",
            least_comparables=7,
        )
        == []
    )


def test_each_sign_has_its_texts_in_three_languages():
    supplier = factories.organization()
    for _ in range(5):
        factories.lot(
            provider=supplier,
            customer=supplier,
            deal_date=DEAL,
            starts_at=DEAL,
            ends_at=DEAL,
            participants_count=1,
            deal_cost=15300716,
        )
    for _ in range(6):
        lot = factories.lot(deal_cost=1, deal_date=DEAL, last_seen_at=DEAL - HOUR)
        factories.lot_item(lot=lot, price=lot.pk, measure_name="kg")
    factories.lot_item(lot=lot, price=10**9, measure_name="kg")

    titles = {}
    for language in ("en", "ru", "uz"):
        rows = answer("procurement.suspicious_lots", since=None, language=language)
        assert {row["flag"] for row in rows} == set(FLAGS)
        assert all(row["formula"] and row["harmless"] and row["source"] for row in rows)
        titles[language] = {row["sign"] for row in rows}
    assert all(len(names) == len(FLAGS) for names in titles.values())
    assert not titles["en"] & titles["ru"] | titles["ru"] & titles["uz"]


def test_an_empty_database():
    assert answer("procurement.suspicious_lots") == []
