"""Queries return the same results wherever the months are."""

import json

import pytest

from ecommerce import queries
from ecommerce.archive import months
from tests import factories
from tests.commands import run
from tests.ecommerce.archiving import (
    JULY,
    JUNE,
    MAY,
    answers,
    archive,
    files,
    make_history,
    unarchive,
)

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]


class TestQuestions:
    def test_results_do_not_depend_on_the_archive(self):
        offers = make_history()
        expected = answers(offers)

        archive(MAY)
        assert answers(offers) == expected
        archive(JUNE, JULY)
        assert answers(offers) == expected
        unarchive(JUNE)
        assert answers(offers) == expected
        # The results are not empty.
        assert all(expected.values())
        assert len(expected["an offer"]) > 10

    def test_only_months_of_the_period_are_read(self):
        offers = make_history()
        archive(MAY, JUNE)
        for path in files(MAY):
            path.unlink()

        prices = queries.monthly_prices(since=months.bounds(JUNE)[0])

        assert {row.month for row in prices} == {JUNE, JULY}
        assert queries.price_points([offers[0].pk], since=months.bounds(JUNE)[0])

    def test_period_of_the_command(self):
        offer = make_history(offers=1)[0]
        archive(MAY)

        result = run(
            "price_history", "uzum", offer.external_id, "--until", "2021-06-01", "--format", "json"
        )

        points = json.loads(result.out)
        assert len(points) == len(queries.price_points([offer.pk], until=months.bounds(JUNE)[0]))
        assert {point["recorded_at"][:7] for point in points} == {"2021-05"}

    def test_the_id_of_a_product_names_its_offers(self):
        product = make_history(offers=1)[0].product
        for number in range(2, 13):
            factories.offer(platform="uzum", external_id=str(number), product=product)

        done = run("price_history", "uzum", "product-0")

        assert done.err == (
            "CommandError: The offer product-0 of uzum does not exist. product-0 is a product. Its "
            'offers: sku,"0", 2, 3, 4, 5, 6, 7, 8, 9, 10, ….\n'
        )

    def test_invalid_arguments_of_the_command(self):
        assert (
            run("price_history", "uzum", "9").err
            == "CommandError: The offer 9 of uzum does not exist.\n"
        )
        result = run("price_history", "uzum", "9", "--since", "May")
        assert "May is not a day or time, such as 2025-06-01" in result.err
