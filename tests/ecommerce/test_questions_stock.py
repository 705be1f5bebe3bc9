"""The question ecommerce.stock_outs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import descending
from tests.ecommerce import daily, markets
from tests.ecommerce.markets import Price, ask_rows, date_of
from tests.factories import SEEN
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The period, in days before TODAY.
FIRST, LAST = 20, 5


def ask_for(**parameters):
    period = {"since": date_of(FIRST), "until": date_of(LAST)}
    return ask_rows("stock_outs", **period | parameters)


def add(*states, **fields):
    """Store an offer: pairs of day and availability, the oldest first."""
    return markets.add_offer([Price(day, 5, is_available=state) for day, state in states], **fields)


def times_out(points):
    """Yield the days at which an offer went out of stock, and came back; None if unknown."""
    out = before = None
    for day, point in daily.by_day(points, until=-1).items():
        if before is True and point.is_available is False:
            out = day
        elif before is False and point.is_available is True:
            yield out, day
            out = None
        before = point.is_available
    if out is not None:
        yield out, None


def is_within(day, period):
    first, last = period
    return day is not None and last <= day <= first


def result(**parameters):
    return [
        tuple(row[name] and (SEEN - row[name]).days for name in ("out_at", "back_at"))
        for row in ask_for(**parameters)
    ]


class TestStockOuts:
    @markets.EXAMPLES
    @given(
        markets.drafts(),
        st.sampled_from(["any", "out", "back"]),
        st.sampled_from([(20, 0), (30, 6), (90, 6)]),
        markets.FILTERS | st.just({"seller": "uzum:0"}),
    )
    def test_equals_a_computation_from_daily_states(self, drafts, event, period, filters):
        expected = []
        for offer, points, seen in markets.store(drafts):
            is_chosen = markets.is_chosen(offer, **filters)
            for out, back in times_out(points):
                events = {"out": is_within(out, period), "back": is_within(back, period)}
                if not is_chosen or not (any(events.values()) if event == "any" else events[event]):
                    continue
                ends = seen if back is None else back
                expected.append(
                    {
                        "offer": markets.address(offer),
                        "seller": offer.seller and offer.seller.name,
                        "out_at": markets.at(out),
                        "back_at": markets.at(back),
                        "days_out": None if out is None else out - ends,
                        "price": offer.price,
                        "currency": offer.currency,
                        "seen_at": offer.scraped_at,
                    }
                )
        expected.sort(key=lambda row: descending(row["days_out"]))

        rows = ask_for(since=date_of(period[0]), until=date_of(period[1]), event=event, **filters)

        assert markets.narrow(rows, expected) == expected

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
