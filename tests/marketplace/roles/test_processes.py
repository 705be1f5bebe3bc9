"""Commands and pages of the project, run with the least-privilege roles."""

import json

import psycopg2
import pytest

from bench import corpus
from tests import payloads
from tests.marketplace.roles.conftest import DATABASES, TOKEN
from tests.test_questions import CHEAP_CARS, SAME_PRODUCT, SAVINGS

#: The partition of the payloads' month, which init_all does not create.
MONTH = f"ecommerce_price_history_{corpus.START:%Y_%m}"

RATES = """
SELECT p.title, o.platform, o.price, o.currency,
    ecommerce_convert(o.price, o.currency, 'UZS', o.scraped_at::date) AS price_uzs,
    ecommerce_rate_day(o.currency, 'UZS', o.scraped_at::date) AS rate_day
FROM ecommerce_offers o JOIN ecommerce_products p ON o.product_id = p.id
WHERE p.title_normalized = 'iphone 15 pro' ORDER BY price_uzs;
"""

NEAR = """
SELECT * FROM classifieds_listings
WHERE earth_box(ll_to_earth(41.3, 69.2), 5000) @> ll_to_earth(latitude, longitude)
"""

QUESTIONS = {
    "ecommerce": [SAME_PRODUCT, RATES, "SELECT * FROM ecommerce_price_statistics"],
    "classifieds": [CHEAP_CARS, NEAR, "SELECT classifieds_convert(1, 'USD', 'UZS', '2026-06-01')"],
    "procurement": [SAVINGS, "SELECT * FROM procurement_lot_events"],
}

_PAGES = """
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.contrib import admin
from django.urls import reverse
client = Client(SERVER_NAME="localhost")
User.objects.create_superuser("reader", password="of-this-test")
for password, status in (("wrong", 200), ("of-this-test", 302)):
    data = {"username": "reader", "password": password}
    assert client.post(reverse("admin:login"), data, secure=True).status_code == status
for model in admin.site._registry:
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    print(client.get(page, secure=True).status_code, page)
print(client.get(reverse("admin:index"), secure=True).status_code, "index")
group = client.post(reverse("admin:auth_group_add"), {"name": "readers"}, secure=True)
assert LogEntry.objects.filter(object_repr="readers").exists(), group.content
body = open("{PRODUCTS}", "rb").readline()
answer = client.post("/api/ingest/uzum", body, content_type="application/x-ndjson",
                     headers={"Authorization": "Bearer {TOKEN}"}, secure=True)
print(answer.status_code, "push")
"""


def ok(result):
    """Return the output of a command, after checking that it succeeded."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    path = tmp_path_factory.mktemp("products") / "products.jsonl"
    documents = [corpus.document(number) for number in range(40)]
    path.write_text("\n".join(json.dumps(document, default=str) for document in documents))
    return str(path)


@pytest.fixture(scope="module")
def loaded(server, products):
    """Load products of a month without a partition."""
    query = f"SELECT to_regclass('{MONTH}') IS NULL"
    assert server.do(query) == [(True,)]
    return ok(server.run("loader", "ingest", "uzum", products))


class TestLoader:
    def test_loads_and_creates_the_partition(self, server, loaded):
        assert "read 40, created 40," in loaded
        tables = server.do("SELECT relname, relowner::regrole::text FROM pg_class")
        assert dict(tables)[MONTH] == "ecommerce_db_owner"
        points = server.do("SELECT tableoid::regclass::text FROM ecommerce_price_history")
        assert (MONTH,) in points

    def test_new_partitions_are_not_differences(self, server, loaded):
        assert "Difference" not in ok(server.machine("db_grants", "--database", "ecommerce"))

    @pytest.mark.parametrize(
        ("platform", "name"),
        [
            ("olx", "olx/olx-uz-cars-2025-12.json"),
            ("uzex", "procurement/uzex-shop-lots-page.json"),
            ("yandex", "yandex/market-yandex-uz-iphone15-1912483624.json"),
        ],
    )
    def test_loads_into_every_database(self, server, platform, name):
        out = ok(server.run("loader", "ingest", platform, str(payloads.path(name))))

        assert "rejected 0" in out
        assert "created 0," not in out

    def test_runs_all_loading_commands(self, server, products, loaded):
        for arguments in (
            ["ingest", "uzum", products, "--full-listing", "shop"],
            ["ingest", "--replay", "uzum"],
            ["ingest", "--resume"],
            ["ingest_review", "list"],
            ["ingest_queue"],
            ["db_rollups"],
            ["db_status"],
            ["db_verify"],
            ["check", "--database", "ecommerce"],
        ):
            ok(server.run("loader", *arguments))

    def test_init_all_changes_nothing(self, server, loaded):
        out = ok(server.run("loader", "init_all"))

        assert out.count("nothing to do") == len(DATABASES)

    def test_cannot_grant_privileges(self, server):
        server.do("REVOKE SELECT ON ecommerce_offers FROM ecommerce_db_analyst")

        result = server.run("loader", "db_grants", "--repair", "--database", "ecommerce")

        assert result.returncode == 1
        assert "no effect: ecommerce_db_loader lacks the privilege" in result.stdout
        assert "Repaired: ecommerce_db_analyst" in ok(server.machine("db_grants", "--repair"))

    def test_serves_pages_and_accepts_pushes(self, server, products, loaded):
        code = _PAGES.replace("{TOKEN}", TOKEN).replace("{PRODUCTS}", products)

        out = ok(server.run("loader", "shell", "--no-imports", "-c", code))

        answers = [line.split() for line in out.splitlines()]
        assert len(answers) > 20
        assert [answer for answer in answers if answer[0] not in ("200", "202")] == []
        assert "rejected 0" in ok(server.run("loader", "ingest_queue"))


class TestOwner:
    def test_migrates_down_and_up(self, server):
        ok(server.run("owner", "db_rollback", "classifieds", "1", "--force"))
        ok(server.run("owner", "db_migrate"))

        ok(server.run("owner", "init_all"))
        ok(server.machine("db_grants"))

    def test_tables_of_a_superusers_migration_belong_to_the_owner(self, server):
        ok(server.machine("db_rollback", "classifieds", "2", "--force"))
        ok(server.machine("migrate", "--database=classifieds"))

        assert "Difference" not in ok(server.machine("db_grants", "--database", "classifieds"))


@pytest.mark.parametrize("alias", QUESTIONS)
class TestAnalyst:
    def test_runs_the_documented_queries(self, server, loaded, alias):
        with server.enter(alias, "analyst") as connection, connection.cursor() as cursor:
            for question in QUESTIONS[alias]:
                cursor.execute(question)
                cursor.fetchall()

    def test_reads_every_table(self, server, loaded, alias):
        query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        names = [name for (name,) in server.do(f"{query} AND relkind IN ('r', 'p', 'v')", alias)]

        with server.enter(alias, "analyst") as connection, connection.cursor() as cursor:
            for name in names:
                cursor.execute(f"TABLE {name} LIMIT 1")

    def test_statements_are_canceled(self, server, alias):
        with server.enter(alias, "analyst") as connection, connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '10ms'")
            with pytest.raises(psycopg2.errors.QueryCanceled):
                cursor.execute("SELECT pg_sleep(60)")
