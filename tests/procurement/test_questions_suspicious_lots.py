"""Signs of risk, compared with a computation in Python and with textbooks."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from statistics import median

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from procurement.models import LotItem, Organization
from tests import factories
from tests.amounts import convert, descending, local_day, total
from tests.procurement import random_lots
from tests.procurement.random_lots import amount_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import currencies, examples, optional, replace_rows

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


@st.composite
def lots_with_items(draw):
    """Return lots with dates, and items of them."""
    lots = draw(random_lots.lots())
    hours = st.none() | st.integers(-200, 5).map(HOUR.__mul__)
    for lot in lots:
        if lot.deal_date:
            lot.starts_at, lot.ends_at = (
                None if (wait := draw(hours)) is None else lot.deal_date + wait for _ in range(2)
            )
            lot.last_seen_at = lot.deal_date + HOUR * draw(st.integers(-1, 20))
    item = st.builds(
        item_of,
        st.sampled_from(lots),
        product_name=optional("Paper", "PAPER", "Ink"),
        measure_name=optional("kg", "KG"),
        price=optional(*map(Decimal, (0, 100, 101, 99, 104, 9000))),
        currency=currencies,
    )
    return lots, draw(st.lists(item, max_size=80)) if lots else []


def item_of(lot, **values):
    plain = {"product_name": "Paper", "measure_name": "kg", "currency": "UZS"}
    return LotItem(lot=lot, **random_lots.SEEN | plain | values)


def edge_cases():
    """Return lots and items, of which each product is a case."""
    lots = random_lots.edge_cases()
    dated = [lot for lot in lots if lot.status == "completed" and lot.deal_date]
    hours_of_start_end_and_load = (
        (-49, -1, 0),
        (-48, 0, 0),
        (-47, 0, 0),
        (0, 0, 0),
        (0, -1, 0),
        (-9, 1, 0),
        (None, 1, 0),
        (1, None, 0),
        (None, None, -1),
    )
    for lot, hours in zip(dated, hours_of_start_end_and_load, strict=False):
        lot.starts_at, lot.ends_at, lot.last_seen_at = (
            None if hour is None else lot.deal_date + HOUR * hour for hour in hours
        )
    cases = {
        "too few": (1, 2, 3, 4, 900),
        "enough": (1, 2, 3, 4, 5, 900),
        "equal": (7, 7, 7, 7, 7, 900),
        # The scores of the last two are 3.44 and 3.51.
        "near the limit": (4, 4, 5, 5, 6, 6, "10.6", "10.7"),
        "unknown": (1, 2, 3, 4, 900, None, 0),
    }
    items = [
        item_of(
            dated[2 * case + number % 2],
            product_name=name.upper() if number % 3 else name,
            measure_name="kg" if number % 2 else "KG",
            price=price and Decimal(price),
        )
        for case, (name, prices) in enumerate(cases.items())
        for number, price in enumerate(prices)
    ]
    items.append(item_of(dated[0], product_name="enough", price=1, currency="EUR"))
    # The least number of sales of a captive supplier.
    parties = {"customer": lots[0].customer, "provider": Organization(**random_lots.SEEN)}
    return [*lots, *(random_lots.lot_of(**parties) for _ in range(5))], items


def store(lots, items):
    """Store lots and items; return the completed lots."""
    LotItem.objects.all().delete()
    completed = random_lots.completed_lots(lots)
    for number, item in enumerate(items):
        item.order_num = number
    replace_rows(LotItem, items)
    return completed


def scores_of(items):
    """Return the greatest modified z-score of the unit prices of each lot."""
    groups = defaultdict(list)
    for item in items:
        price = convert(item.price or None, item.currency, local_day(item.lot.deal_date))
        is_used = item.lot.status == "completed" and price is not None
        if is_used and item.product_name and item.measure_name:
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


def expected(lots, items):
    scores, captives = scores_of(items), captives_of(lots)
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


@examples
@given(lots_with_items())
@example(edge_cases())
def test_equals_a_computation(lots_and_items):
    lots, items = lots_and_items
    lots = store(lots, items)
    wanted = expected(lots, items)

    rows = answer("procurement.suspicious_lots", since=None, captive_percent=60)

    names = ("lot_id", "flag", "flags", "not_judged", "amount", "n_used", "lots")
    assert [tuple(row[name] for name in names) for row in rows] == wanted
    for customer in {lot.customer for lot in lots[:4] if lot.customer}:
        address = f"uzex:{customer.external_id}"
        of_customer = answer(
            "procurement.suspicious_lots", since=None, captive_percent=60, customer=address
        )
        assert of_customer == [row for row in rows if row["customer_id"] == customer.pk]


def test_the_edge_cases_raise_every_flag():
    lots, items = edge_cases()
    lots = store(lots, items)

    assert {flag for _, flag, *_ in expected(lots, items)} == set(FLAGS)


@pytest.mark.parametrize(
    ("prices", "median", "scores"),
    [
        # Wikipedia, "Median absolute deviation": the MAD is 1. The score of 6 is below 3.5.
        ("1 1 2 2 4 6 9", "2.00", {"9": "4.72"}),
        # Iglewicz and Hoaglin (1993), "How to Detect and Handle Outliers": z-scores do not detect
        # 8.2 and 8.3, modified ones do.
        ("2.1 2.6 2.4 2.5 2.3 2.1 2.3 2.6 8.2 8.3", "2.45", {"8.3": "26.31", "8.2": "25.86"}),
        # Seo (2006), "A Review and Comparison of Methods for Detecting Outliers in Univariate Data
        # Sets", modified z-scores.
        (
            "3.2 3.4 3.7 3.7 3.8 3.9 4 4 4.1 4.2 4.7 4.8 14 15",
            "4.00",
            {"15": "24.73", "14": "22.48"},
        ),
    ],
)
def test_textbook_examples_of_the_median_absolute_deviation(prices, median, scores):
    prices = prices.split()
    for price in prices:
        lot = factories.lot(deal_date=DEAL, deal_cost=Decimal(price))
        factories.lot_item(lot=lot, price=price, measure_name="kg")
    parameters = {"since": None, "flag": "unit_price_outlier"}

    rows = answer("procurement.suspicious_lots", **parameters)

    assert [(row["n_used"], row["lots"], row["evidence"]) for row in rows] == [
        (
            len(prices),
            len(prices),
            f"Парацетамол 500 мг: {Decimal(price):.2f}, median {median}, score {score}",
        )
        for price, score in scores.items()
    ]
    few = {"least_comparables": len(prices)}
    assert answer("procurement.suspicious_lots", **parameters, **few) == []


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
