"""Quality metrics: what is counted of a batch, and how the counts of batches add up."""

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

from ecommerce.records import Category, Offer, Product
from marketplace.loading.adapters import Item, Parsed
from marketplace.loading.gates.quality_metrics import PriceComparison, QualityMetrics, measure
from tests.marketplace.loading.gate_metrics import NOON, batch, run

PLAN = SimpleNamespace(
    coverage={
        "price": (Offer, "price"),
        "title": (Product, "title"),
        "category": (Product, "category_external_id"),
    }
)


def item(shape="UZ-API", content="1", context=None, is_counted=True):
    return SimpleNamespace(
        shape=shape, context=context or {}, is_counted=is_counted, content_hash=content
    )


def product(external_id="1", *, price=1000, title="Choynak", category="7"):
    records = [Product(external_id, title, category_external_id=category)]
    if price is not None:
        records.append(Offer(external_id, external_id, Decimal(price), "UZS"))
    return Parsed(external_id, records)


class TestMeasure:
    def test_counts_fields_missing_in_all_records_of_an_item(self):
        items = [
            (item(), product("1")),
            (item(), product("2", price=None)),
            (item(), product("3", title=None, category=None)),
        ]

        metrics = measure(PLAN, items)

        assert metrics.tallies["UZ-API"].count == metrics.tallies["records"].count == 3
        assert metrics.tallies["UZ-API"].faults == {"price": 1, "title": 1, "category": 1}

    def test_one_record_with_the_field_is_enough(self):
        parsed = product("1", price=None)
        parsed.records.append(Product("2"))
        parsed.records.append(Offer("9", "1", Decimal(5), "UZS"))

        assert measure(PLAN, [(item(), parsed)]).tallies["UZ-API"].faults == {}

    def test_has_a_tally_for_each_shape_shop_and_table(self):
        items = [
            (item("YML", context={"shop": "lg"}), product("1")),
            (item("YML", context={"shop": "mi", "currency": "KZT"}), product("2", title=None)),
            (item("TABLE", context={"columns": "prices.toml"}), product("3")),
            (item("YM-PAGE", context={"url": "x"}), product("4")),
        ]

        tallies = measure(PLAN, items).tallies

        assert tallies.keys() == {
            *("YML of lg", "YML of mi", "TABLE of prices.toml", "YM-PAGE", "records")
        }
        assert tallies["YML of mi"].faults == {"title": 1}

    def test_items_that_are_not_records_are_not_counted(self):
        metrics = measure(PLAN, [(item(is_counted=False), Parsed("7", [Category("7")]))])

        assert (metrics.rows, metrics.tallies) == (0, {})

    def test_items_without_records_are_unchanged(self):
        metrics = measure(PLAN, [(item(), Parsed("1", [])), (item(), product("2"))])

        assert (metrics.recognized, metrics.rows) == (1, 2)
        assert metrics.tallies["UZ-API"].count == 1

    def test_the_same_id_with_other_content_is_a_repeat(self):
        items = [
            (item(content="a"), product("1")),
            (item(content="a"), product("1")),
            (item(content="b"), product("1", price=5)),
            (item(content="c"), product("2")),
            (item("UZ-GQL-MAIN", content="d"), product("1")),
        ]

        tallies = measure(PLAN, items).tallies

        assert tallies["UZ-API"].faults == {"repeated": 1}
        assert tallies["UZ-GQL-MAIN"].faults == {}

    def test_accepts_the_items_of_adapters(self):
        adapter_item = Item("UZ-API", {}, {"shop": "lg"})
        measured = SimpleNamespace(**adapter_item._asdict(), content_hash="1")

        assert "UZ-API of lg" in measure(PLAN, [(measured, product())]).tallies

    def test_no_items_have_empty_metrics(self):
        assert measure(PLAN, []) == QualityMetrics()


class TestQualityMetrics:
    def test_add_up(self):
        total = run(batch(1000, price=20), batch(500, price=250, recognized=500))

        assert (total.recognized, total.rows) == (500, 2000)
        assert total.tallies["UZ-API"].count == 1500
        assert total.tallies["UZ-API"].faults == {"price": 270}

    def test_keep_the_worst_batch(self):
        total = run(batch(1000, price=20), batch(500, price=250), batch(9, price=9))

        assert total.tallies["UZ-API"].worst == {"price": 0.5}

    def test_keep_the_times_of_observation(self):
        early, late = batch(shape="OLD"), batch()
        early.set_times([NOON, NOON + timedelta(hours=1)])
        late.set_times([NOON + timedelta(hours=2), NOON + timedelta(hours=3)])

        total = run(late, early)

        noon = NOON.timestamp()
        assert total.since == {"records": noon, "OLD": noon, "UZ-API": noon + 7200}
        assert total.until == noon + 10800
        assert total.before(noon + 3600).tallies.keys() == {"records", "OLD"}

    def test_do_not_store_reasons(self):
        metrics = QualityMetrics()
        metrics.count_reject("is not JSON")

        assert metrics.reasons == {"is not JSON": 1}
        assert "reasons" not in metrics.to_dict()

    def test_of_a_run_without_metrics_are_empty(self):
        assert QualityMetrics.from_json(None) == QualityMetrics() == QualityMetrics.from_json({})

    def test_prices_of_a_batch_that_is_retried_are_counted_once(self):
        metrics = batch()
        for _ in range(3):
            PriceComparison(100, 7, 2, 1).note(metrics)

        assert metrics.tallies["prices"].count == 100
        assert metrics.tallies["prices"].faults == {"moved": 7, "slipped": 2, "currency": 1}
