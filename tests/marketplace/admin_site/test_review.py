"""Review of quarantined records and runs in the admin."""

import re
from datetime import UTC, datetime

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.utils.html import strip_tags

from ecommerce.models import LoadRun, Product, QuarantinedRecord
from marketplace.admin_site import review
from tests import factories
from tests.marketplace.commands.review_rows import held_run

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

RECORDS, RUNS = "/ecommerce/quarantinedrecord/", "/ecommerce/loadrun/"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def card(number, price=1000):
    return {
        "productId": number,
        "title": f"Choynak {number}",
        "minSellPrice": price,
        "skuList": [{"id": number * 10, "sellPrice": price}],
    }


def record(number, price=1000):
    """Create a quarantined record that can be loaded now, as if the adapter had been corrected."""
    payload = orjson.dumps(card(number, price))
    return factories.quarantined(
        "ecommerce", payload, platform="uzum", shape="UZ-GQL-CARD", observed_at=NOON
    )


def held(*cards):
    """Create a run that holds cards."""
    error = "price is missing in 97% of 1,000 records"
    return held_run(*cards, error=error)


def act(client, url, action, *rows, **values):
    """Run an action of a list, and return the next page as text."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]} | values
    response = client.post(url, data, follow=True)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(response.content.decode()))


class TestRecords:
    def test_are_released_after_confirmation(self, admin_client):
        first, second = record(1), record(2)

        question = act(admin_client, RECORDS, "release", first, second)

        assert "Load 2 quarantined records again?" in question
        assert f"uzum-{first.pk}" in question
        assert QuarantinedRecord.objects.count() == 2

        page = act(admin_client, RECORDS, "release", first, second, confirmed="yes")

        assert "Released 2 records of uzum." in page
        assert not QuarantinedRecord.objects.exists()
        assert set(Product.objects.values_list("external_id", flat=True)) == {"1", "2"}

    def test_rejected_record_stays(self, admin_client):
        bad = record(1, price="дорого")

        page = act(admin_client, RECORDS, "release", bad, confirmed="yes")

        assert "1 record of uzum could not be loaded. See the reasons in the list." in page
        assert QuarantinedRecord.objects.get().pk == bad.pk

    def test_are_discarded_after_confirmation(self, admin_client):
        first, second = record(1), record(2)

        assert "Delete 1 quarantined record permanently?" in (
            act(admin_client, RECORDS, "discard", first)
        )
        assert QuarantinedRecord.objects.count() == 2
        assert "Discarded 1 record of uzum." in (
            act(admin_client, RECORDS, "discard", first, confirmed="yes")
        )
        assert QuarantinedRecord.objects.get() == second
        assert not Product.objects.exists()

    def test_number_of_rows_is_bounded(self, admin_client, monkeypatch):
        monkeypatch.setattr(review, "ROW_LIMIT", 1)

        page = act(admin_client, RECORDS, "release", record(1), record(2), confirmed="yes")

        assert "For more, run python manage.py ingest_review release record." in page
        assert QuarantinedRecord.objects.count() == 2

    def test_error_is_shown_as_a_message(self, admin_client, monkeypatch):
        row = record(1)
        QuarantinedRecord.objects.update(options={"columns": "gone.toml"})

        page = act(admin_client, RECORDS, "release", row, confirmed="yes")

        assert "gone.toml" in page
        assert QuarantinedRecord.objects.exists()


class TestRuns:
    def test_are_released_after_confirmation(self, admin_client):
        run = held(card(1), card(2))

        question = act(admin_client, RUNS, "release", run)

        assert "Load 2 held records of 1 run now, regardless of the gates?" in question
        assert not Product.objects.exists()

        page = act(admin_client, RUNS, "release", run, confirmed="yes")

        assert f"Released 2 records of run uzum-{run.pk}: " in page
        assert Product.objects.count() == 2
        assert LoadRun.objects.get(pk=run.pk).status == "completed"

    def test_are_discarded(self, admin_client):
        run = held(card(1))

        page = act(admin_client, RUNS, "discard", run, confirmed="yes")

        assert f"Discarded 1 record of run uzum-{run.pk}." in page
        assert LoadRun.objects.get(pk=run.pk).status == "discarded"

    def test_run_without_held_records_is_not_changed(self, admin_client):
        run = factories.load_run("ecommerce", platform="uzum")

        page = act(admin_client, RUNS, "discard", run, confirmed="yes")

        assert "Select held runs, or failed runs that still have records to load." in page
        assert LoadRun.objects.get(pk=run.pk).status == "completed"

    def test_run_with_many_held_records_needs_the_command(self, admin_client, monkeypatch):
        monkeypatch.setattr(review, "HELD_LIMIT", 1)
        run = held(card(1), card(2))

        page = act(admin_client, RUNS, "release", run)

        assert f"Run python manage.py ingest_review release run uzum-{run.pk}." in page


class TestPages:
    @pytest.mark.parametrize(("url", "make"), [(RECORDS, record), (RUNS, lambda n: held(card(n)))])
    def test_row_has_both_buttons(self, admin_client, url, make):
        row = make(1)

        html = admin_client.get(f"{url}{row.pk}/change/").content.decode()

        form = html[html.index("mp-review") :]
        assert f'action="{url}" class="mp-card mp-review"' in html
        assert f'name="_selected_action" value="{row.pk}"' in form
        assert 'name="action" value="release"' in form
        assert 'name="action" value="discard"' in form
        kind = "record" if url == RECORDS else "run"
        assert f"ingest_review show {kind} uzum-{row.pk}" in form

    def test_run_without_held_records_has_no_buttons(self, admin_client):
        run = factories.load_run("ecommerce", platform="uzum")

        assert "mp-review" not in admin_client.get(f"{RUNS}{run.pk}/change/").content.decode()


class TestPermissions:
    @pytest.fixture
    def reader(self, client):
        """Return the client of a user who may view quarantined records, and the user."""
        user = User.objects.create_user("reader", is_staff=True)
        self.grant(user, "view_quarantinedrecord")
        client.force_login(user)
        return client, user

    def grant(self, user, codename):
        user.user_permissions.add(
            Permission.objects.get(codename=codename, content_type__app_label="ecommerce")
        )

    def test_view_permission_does_not_suffice(self, reader):
        client, _ = reader
        row = record(1)

        act(client, RECORDS, "discard", row, confirmed="yes")

        assert QuarantinedRecord.objects.exists()
        assert "mp-review" not in client.get(f"{RECORDS}{row.pk}/change/").content.decode()

    def test_change_permission_suffices(self, reader):
        client, user = reader
        self.grant(user, "change_quarantinedrecord")

        act(client, RECORDS, "discard", record(1), confirmed="yes")

        assert not QuarantinedRecord.objects.exists()

    def test_get_request_changes_nothing(self, reader):
        client, user = reader
        self.grant(user, "change_quarantinedrecord")
        row = record(1)

        client.get(RECORDS, {"action": "discard", "_selected_action": row.pk, "confirmed": "yes"})

        assert QuarantinedRecord.objects.exists()


class TestPayload:
    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            ("price", '<mark>  "price": "bepul",</mark>'),
            ("skus[0].id", '<mark>      "id": 1</mark>'),
            ("skus", '<mark>  "skus": [\n    {\n      "id": 1\n    }\n  ]</mark>'),
        ],
    )
    def test_highlights_the_field_at_fault(self, admin_client, field, expected):
        payload = b'{"price":"bepul","skus":[{"id":1}]}'
        row = factories.quarantined("ecommerce", payload, platform="uzum", field=field)

        html = admin_client.get(f"{RECORDS}{row.pk}/change/").content.decode()

        assert expected.replace('"', "&quot;") in html
        assert html.count("<mark>") == 1

    @pytest.mark.parametrize("field", ["", "other", "a(b", "<b>"])
    def test_highlights_no_other_field(self, admin_client, field):
        row = factories.quarantined("ecommerce", b'{"a": "<b>"}', platform="uzum", field=field)

        html = admin_client.get(f"{RECORDS}{row.pk}/change/").content.decode()

        assert "<mark>" not in html
        assert "&quot;a&quot;: &quot;&lt;b&gt;&quot;" in html


class TestRates:
    def test_have_a_unit(self, admin_client):
        factories.rate("ecommerce")

        assert "11 987.33 so&#x27;m for 1 USD" in (
            admin_client.get("/ecommerce/exchangerate/").content.decode()
        )


class TestSources:
    def test_are_cut_in_the_list_only(self, admin_client):
        source = ", ".join(f"/data/platform/part-{number:03}.jsonl" for number in range(30))
        run = factories.load_run("ecommerce", platform="uzum", source=source)

        assert source in admin_client.get(f"{RUNS}{run.pk}/change/").content.decode()
        assert source[:350] in admin_client.get(RUNS).content.decode()
