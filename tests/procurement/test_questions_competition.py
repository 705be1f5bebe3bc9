"""Competition and concentration, compared with a computation in Python and with textbooks."""

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from statistics import mean, median

import pytest
from hypothesis import example, given

from tests import factories
from tests.amounts import CENT, descending, percent, text_order
from tests.procurement import random_lots
from tests.procurement.random_lots import amount_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]


def rounded(value, unit=CENT):
    return value if value is None else Decimal(value).quantize(unit, ROUND_HALF_UP)


def groups_of(lots, by, least_lots):
    """Return the groups with enough lots."""
    groups = random_lots.group(lots, by)
    return {key: members for key, members in groups.items() if len(members) >= least_lots}


def expected_competition(lots, by, least_lots):
    rows = []
    for key, members in groups_of(lots, by, least_lots).items():
        counts = [lot.participants_count for lot in members if lot.participants_count]
        single = counts.count(1)
        row = {
            "name": random_lots.name_of(key, members, by),
            "customer_id": members[0].customer_id if by == "customer" else None,
            "single_bid_lots": single if counts else None,
            "single_bid_percent": percent(Decimal(single), len(counts)),
            "mean_participants": rounded(mean(map(Decimal, counts))) if counts else None,
            "median_participants": rounded(median(counts)) if counts else None,
            "n_used": len(counts),
            "lots": len(members),
        }
        first = text_order(key) if by == "month" else ()
        order = descending(row["single_bid_percent"]), -row["n_used"], text_order(key)
        rows.append(((first, *order), row))
    return [row for _, row in sorted(rows, key=lambda entry: entry[0])]


def concentration_of(amounts):
    """Return HHI, normalized HHI, CR4 in percent and the largest share."""
    whole = sum(amounts)
    shares = sorted((amount / whole for amount in amounts), reverse=True)
    hhi, least = sum(share**2 for share in shares), Decimal(1) / len(shares)
    normalized = (hhi - least) / (1 - least) if len(shares) > 1 else None
    return (
        rounded(10000 * hhi),
        rounded(normalized, Decimal("0.0001")),
        rounded(100 * sum(shares[:4])),
        rounded(100 * shares[0]),
    )


def expected_concentration(lots, by, least_lots, currency):
    rows = []
    for key, members in groups_of(lots, by, least_lots).items():
        amounts, count = Counter(), 0
        for lot in members:
            amount = amount_of(lot, target=currency)
            if lot.provider and amount:
                amounts[lot.provider] += amount
                count += 1
        computed = concentration_of(list(amounts.values())) if amounts else (None,) * 4
        largest = min(amounts, key=lambda o: (-amounts[o], o.pk)) if amounts else None
        row = {
            "name": random_lots.name_of(key, members, by),
            "customer_id": members[0].customer_id if by == "customer" else None,
            "suppliers": len(amounts) or None,
            "amount": sum(amounts.values()) or None,
            "currency": currency,
            "hhi": computed[0],
            "normalized_hhi": computed[1],
            "cr4_percent": computed[2],
            "largest_supplier": largest and largest.name,
            "supplier_id": largest and largest.pk,
            "largest_percent": computed[3],
            "n_used": count,
            "lots": len(members),
        }
        order = descending(row["hhi"]), descending(row["amount"]), -row["lots"], text_order(key)
        rows.append((order, row))
    return [row for _, row in sorted(rows, key=lambda entry: entry[0])]


@examples
@given(random_lots.lots())
@example(random_lots.edge_cases())
def test_competition_equals_a_computation(lots):
    lots = random_lots.completed_lots(lots)

    for by in ("customer", "category", "region", "month", "lot_type"):
        least_lots = 5 if by == "category" else 1
        rows = answer("procurement.competition", by=by, since=None, least_lots=least_lots)
        assert rows == expected_competition(lots, by, least_lots)


@examples
@given(random_lots.lots())
@example(random_lots.edge_cases())
def test_concentration_equals_a_computation(lots):
    lots = random_lots.completed_lots(lots)

    for by, currency, least_lots in (
        ("category", "UZS", 1),
        ("region", "USD", 5),
        ("customer", "UZS", 1),
    ):
        rows = answer(
            "procurement.concentration",
            by=by,
            since=None,
            least_lots=least_lots,
            currency=currency,
        )
        assert rows == expected_concentration(lots, by, least_lots, currency)


@pytest.mark.parametrize(
    ("shares", "hhi", "normalized", "cr4"),
    [
        # Merger Guidelines of the US Department of Justice: 30² + 30² + 20² + 20² = 2,600.
        ((30, 30, 20, 20), "2600", "0.0133", "100"),
        # Wikipedia, "Herfindahl-Hirschman index": six firms of 15 % and ten of 1 %.
        ((15,) * 6 + (1,) * 10, "1360", "0.0784", "60"),
        # The same: one of 80 %, five of 2 % and ten of 1 %.
        ((80,) + (2,) * 5 + (1,) * 10, "6430", "0.6192", "86"),
        # A monopoly, and equal shares.
        ((100,), "10000", None, "100"),
        ((20,) * 5, "2000", "0", "80"),
    ],
)
def test_textbook_examples_of_concentration(shares, hhi, normalized, cr4):
    for share in shares:
        supplier = factories.organization(inn=None)
        factories.lot(provider=supplier, deal_cost=share, deal_date=factories.SEEN)

    (row,) = answer("procurement.concentration", since=None, least_lots=1)

    assert row["hhi"] == Decimal(hhi)
    assert row["normalized_hhi"] == (normalized and Decimal(normalized))
    assert row["cr4_percent"] == Decimal(cr4)
