"""Yandex Market: prices and currencies of price lists and pages."""

from decimal import Decimal

import pytest

from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source, get_adapter
from marketplace.loading.formats.documents import read as documents_of
from tests.ecommerce.yandex_payloads import HEAD, PAGE, PRICED, SHORT, parse_offer, parse_page


def test_texts_of_pages_are_read_in_the_style_of_their_currency():
    price = {"value": "1.600", "currency": "UZS"}
    page = {
        **PAGE,
        "product_snippets": {},
        "offers": [{**PRICED, "price": price, "oldPrice": "2.100"}],
    }
    offer = parse_page(page)["77"].records[-1]
    assert (offer.price, offer.old_price) == (1600, 2100)


class TestYmlCurrency:
    """The currency of offers that do not name theirs."""

    OFFER = {key: value for key, value in SHORT.items() if key != "currencyId"}

    def test_is_the_only_one_of_the_feed(self):
        head = HEAD | {"currencies": [{"@id": "RUR", "@rate": "1"}]}

        parsed = parse_offer(self.OFFER, head, currency="KZT")

        offer = parsed.records[-1]
        assert (offer.price, offer.currency, offer.currency_text) == (10, "RUB", "RUR")

    @pytest.mark.parametrize("currencies", [[], [{"@id": "USD"}, {"@id": "KZT"}]])
    def test_is_that_of_the_command_if_the_feed_has_none_or_several(self, currencies):
        head = HEAD | {"currencies": currencies}

        assert parse_offer(self.OFFER, head, currency="RUB").records[-1].currency == "RUB"
        with pytest.raises(PayloadError, match="is missing"):
            parse_offer(self.OFFER, head)

    def test_is_that_of_the_offer_if_it_names_one(self):
        head = HEAD | {"currencies": [{"@id": "RUB"}]}

        assert parse_offer(SHORT, head, currency="USD").records[-1].currency == "KZT"


class TestYmlPrice:
    @pytest.mark.parametrize("tag", ["price", "oldprice", "old_price"])
    def test_with_elements_instead_of_text_is_refused(self, tag):
        offer = SHORT | {tag: [{"value": ["100"]}]}

        with pytest.raises(
            PayloadError, match=rf"{tag}: contains the element <value> instead of text"
        ):
            parse_offer(offer)

    @pytest.mark.parametrize("element", [{"@from": "true", "#text": "15"}, "15"])
    def test_may_have_attributes(self, element):
        assert parse_offer(SHORT | {"price": [element]}).records[-1].price == 15

    @pytest.mark.parametrize(
        ("price", "currency", "expected"),
        [
            ("1 990,50", "RUR", "1990.50"),
            ("1,600.00", "RUR", "1600.00"),
            ("700 руб.", "RUR", "700.00"),
            ("12.345", "USD", None),
            ("1.600", "UZS", "1600.00"),
            ("1,5 млн", "UZS", "1500000.00"),
        ],
    )
    def test_is_read_in_the_style_of_its_currency(self, price, currency, expected):
        offer = SHORT | {"price": [price], "currencyId": [currency]}
        if expected is None:
            with pytest.raises(PayloadError, match=r"can mean 12345 or 12\.345: state the decimal"):
                parse_offer(offer)
        else:
            assert parse_offer(offer).records[-1].price == Decimal(expected)

    def test_is_read_with_the_stated_decimal_mark(self):
        offer = SHORT | {"price": ["1,600"], "currencyId": ["RUR"]}
        head = HEAD | {"decimal": ""}

        assert parse_offer(offer, head, decimal=".").records[-1].price == 1600
        assert parse_offer(offer, head, decimal=",").records[-1].price == Decimal("1.60")

    @pytest.mark.parametrize(
        ("price", "currency", "evident"),
        [("1.600", "UZS", "."), ("1.600", "UZS", ""), ("1.600 руб", "RUR", "")],
    )
    def test_a_stated_decimal_mark_takes_precedence(self, price, currency, evident):
        offer = SHORT | {"price": [price], "currencyId": [currency]}
        head = HEAD | {"decimal": evident}

        assert parse_offer(offer, head, decimal=".").records[-1].price == Decimal("1.60")
        assert parse_offer(offer, head, decimal=",").records[-1].price == 1600

    @pytest.mark.parametrize(
        ("others", "expected"), [(["12,500.00"], "1600"), (["12500,50"], "1.60"), (["700"], None)]
    )
    def test_is_read_with_the_decimal_mark_of_the_feed(self, tmp_path, others, expected):
        offers = "".join(
            f'<offer id="{number}"><name>A</name><price>{price}</price>'
            "<currencyId>RUR</currencyId></offer>"
            for number, price in enumerate(["1,600", *others])
        )
        path = tmp_path / "feed.xml"
        path.write_text(f"<yml_catalog><shop><name>S</name>{offers}</shop></yml_catalog>")
        documents = [entry.document for entry in documents_of(str(path))]
        [item] = get_adapter("yandex").split(documents[0], Source("feed.xml"))

        if expected is None:
            with pytest.raises(PayloadError, match="can mean 1600"):
                get_adapter("yandex").parse(item)
        else:
            # Its context says how, so that the stored payload gives the same price again.
            assert get_adapter("yandex").parse(item).records[-1].price == Decimal(expected)
