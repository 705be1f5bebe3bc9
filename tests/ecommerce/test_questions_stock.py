"""The question ecommerce.stock_outs."""

from random import Random

import pytest
from django.utils import timezone

from tests import factories
from tests.ecommerce import pricing
from tests.ecommerce.pricing import DAY, Price
from tests.factories import SEEN
from tests.questions import analysts, answer  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The period, in days before SEEN.
FIRST, LAST = 20, 5


def ask_for(**parameters):
    period = {"since": date_of(FIRST), "until": date_of(LAST)}
    return answer("ecommerce.stock_outs", **period | parameters)


def date_of(days):
    return timezone.localdate(SEEN - days * DAY).isoformat()


def add(*states, **fields):
    """Store an offer: pairs of day and availability, the oldest first."""
    return pricing.add_offer([Price(day, 5, is_available=state) for day, state in states], **fields)


def episodes(states):
    """Yield the days at which an offer went out of stock, and came back; None if unknown."""
    out = before = None
    for day, available in states:
        if before is True and available is False:
            out = day
        elif before is False and available is True:
            yield out, day
            out = None
        before = available
    if out is not None:
        yield out, None


def result(**parameters):
    return [
        tuple(row[name] and (SEEN - row[name]).days for name in ("out_at", "back_at"))
        for row in ask_for(**parameters)
    ]


class TestStockOuts:
    @pytest.mark.parametrize("event", ["any", "out", "back"])
    def test_equals_a_computation_in_python(self, event):
        random, expected = Random(1), []
        for _ in range(80):
            days = sorted(random.sample(range(40), random.randint(1, 8)), reverse=True)
            states = [(day, random.choice([True, False])) for day in days]
            offer = add(*states)
            for out, back in episodes(states):
                is_out = out is not None and LAST <= out <= FIRST
                is_back = back is not None and LAST <= back <= FIRST
                if {"any": is_out or is_back, "out": is_out, "back": is_back}[event]:
                    length = None if out is None else out - (back or 0)
                    expected.append((length is None, -(length or 0), offer.product_id, out, back))

        rows = ask_for(event=event)

        assert [
            (row["days_out"] is None, -(row["days_out"] or 0), row["product_id"]) for row in rows
        ] == sorted(entry[:3] for entry in expected)
        assert sorted(result(event=event), key=str) == sorted(
            ((out, back) for *_, out, back in expected), key=str
        )

    @pytest.mark.parametrize(
        ("states", "expected"),
        [
            ([(15, True), (10, False)], [(10, None)]),
            ([(25, True), (21, False), (10, True)], [(21, 10)]),
            ([(25, True), (20, False), (4, True)], [(20, 4)]),
            ([(25, True), (4, False)], []),
            # It was never seen in stock before, or is not known to be out.
            ([(15, False), (10, True)], [(None, 10)]),
            ([(15, False)], []),
            ([(15, None), (10, False)], []),
            ([(15, True), (10, None), (8, True)], []),
            # A change of price while it is out.
            ([(15, True), (10, False), (9, False), (8, True)], [(10, 8)]),
        ],
    )
    def test_finds_changes(self, states, expected):
        add(*states)

        assert result() == expected

    def test_filters(self):
        category = factories.category(path_names="A > B")
        product = factories.product(category=category)
        add((15, True), (10, False), product=product, seller=factories.seller(external_id="7"))
        add((15, True), (10, False), platform="ozon")

        assert len(ask_for()) == 2
        for parameters in ({"seller": "uzum:7"}, {"category": "A"}, {"platform": "ozon"}):
            assert len(ask_for(**parameters)) == 1, parameters
        assert ask_for(seller="uzum:8") == ask_for(category="B") == []

    def test_is_empty_without_offers(self):
        assert ask_for() == []
