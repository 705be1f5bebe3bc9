"""Rows pending review in the admin: listed, opened, released and discarded, for each kind."""

import re
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.utils.html import strip_tags

from ecommerce.models import LoadRun, Product, QuarantinedRecord
from marketplace.admin_site import review
from marketplace.groups import ensure_groups
from tests import factories
from tests.marketplace.commands.review_rows import (
    CAUSE,
    KINDS,
    card,
    held_run,
    is_waiting,
    outlier,
)
from tests.marketplace.commands.review_rows import quarantined_card as record

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

PAGE = "/ecommerce/review/"
LISTS = {"run": "loadrun", "record": "quarantinedrecord", "outlier": "pricepoint"}


def text_of(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(response.content.decode()))


def act(client, action, kind, *rows, **values):
    """Post an action on rows, and return the next page as text."""
    data = {"action": action, "kind": kind, "pk": [row.pk for row in rows]} | values
    return text_of(client.post(PAGE, data, follow=True))


@pytest.fixture(params=LISTS)
def kind(request):
    return request.param


def actions(kind):
    return ["release"] if kind == "outlier" else ["release", "discard"]


class TestEachKind:
    def test_is_listed_and_opened(self, admin_client, kind):
        row = KINDS[kind]()
        name = f"{kind} uzum-{row.pk}"

        listed = admin_client.get(PAGE)
        opened = admin_client.get(f"{PAGE}{kind}/uzum-{row.pk}/")

        assert f"{name} 1 record of " in text_of(listed)
        assert f'href="{PAGE}{kind}/uzum-{row.pk}/"' in listed.content.decode()
        assert name in text_of(opened)
        for action in actions(kind):
            for response in (listed, opened):
                assert f'name="action" value="{action}"' in response.content.decode()

    @pytest.mark.parametrize("action", ["release", "discard"])
    def test_is_released_and_discarded_after_confirmation(self, admin_client, kind, action):
        row = KINDS[kind]()
        if action not in actions(kind):
            response = admin_client.post(PAGE, {"action": action, "kind": kind, "pk": row.pk})
            assert response.status_code == 400
            return

        question = act(admin_client, action, kind, row)
        assert f"{action.capitalize()} " in question
        assert f"uzum-{row.pk}" in question
        assert is_waiting(kind)
        assert not LogEntry.objects.exists()

        page = act(admin_client, action, kind, row, confirmed="yes")

        logged = LogEntry.objects.get()
        assert logged.change_message in page
        assert logged.change_message.startswith(f"{action.capitalize()}")
        assert (logged.object_id, logged.user.username) == (str(row.pk), "admin")
        assert not is_waiting(kind)
        assert Product.objects.filter(external_id="1").exists() == (
            action == "release" and kind != "outlier"
        )

    def test_leads_from_its_own_pages_to_the_confirmation(self, admin_client, kind):
        row, url = KINDS[kind](), f"/ecommerce/{LISTS[kind]}/"

        html = admin_client.get(f"{url}{row.pk}/change/").content.decode()
        chosen = {"action": "release", "_selected_action": [row.pk]}
        question = admin_client.post(url, chosen).content.decode()

        for page in (html, question):
            assert f'action="{PAGE}"' in page
            assert f'name="pk" value="{row.pk}"' in page
        assert "needs a review" in html
        assert is_waiting(kind)

    def test_needs_the_permission_to_change_it(self, client, kind):
        ensure_groups()
        row = KINDS[kind]()
        values = {"action": "release", "kind": kind, "pk": [row.pk], "confirmed": "yes"}
        for group, status in (("analyst", 403), ("operator", 302)):
            user = User.objects.create_user(group, is_staff=True)
            user.groups.add(Group.objects.get(name=group))
            client.force_login(user)

            pages = (
                PAGE,
                f"{PAGE}{kind}/uzum-{row.pk}/",
                f"/ecommerce/{LISTS[kind]}/{row.pk}/change/",
            )
            shown = [client.get(page).content.decode() for page in pages]

            assert [f'value="{row.pk}"' in html for html in shown] == [group == "operator"] * 3
            assert client.get(PAGE, values).status_code == 200
            assert is_waiting(kind)
            assert client.post(PAGE, values).status_code == status
        assert not is_waiting(kind)

    def test_that_does_not_wait_is_not_changed(self, admin_client, kind):
        row = KINDS[kind]()
        act(admin_client, "release", kind, row, confirmed="yes")

        page = act(admin_client, "release", kind, row, confirmed="yes")

        assert "None of the selected rows can be released." in page
        assert LogEntry.objects.count() == 1


class TestEntries:
    def test_show_the_reason_and_the_first_records(self, admin_client):
        held = held_run(card(1), card(2))
        records = [record(number, reason="is odd") for number in range(5)]

        run_page = text_of(admin_client.get(f"{PAGE}run/uzum-{held.pk}/"))
        record_page = text_of(admin_client.get(f"{PAGE}record/uzum-{records[-1].pk}/"))

        assert "2 records of run" in run_page
        assert held.error in run_page
        assert "Held cards.jsonl: line 1 (UZ-GQL-CARD){ &quot;productId&quot;: 1," in run_page
        assert "5 records of uzum price: is odd" in record_page
        assert record_page.count("&quot;productId&quot;") == 3

    def test_records_with_the_same_reason_are_released_together(self, admin_client):
        reason = "is odd:\nvery odd"
        alike = [record(number, reason=reason, field="") for number in (1, 2)]
        record(3, reason="is odd", field="")
        values = {"reason": reason.replace("\n", "\r\n")}

        question = act(admin_client, "release", "record", alike[0], **values)
        page = act(admin_client, "release", "record", alike[0], confirmed="yes", **values)

        assert "Release 2 records of uzum?" in question
        assert "Released 2 records of uzum." in page
        assert QuarantinedRecord.objects.get().reason == "is odd"

    def test_records_with_another_reason_than_the_confirmed_one_are_kept(self, admin_client):
        row = record(reason="is odd", field="")

        page = act(admin_client, "discard", "record", row, reason="is long", confirmed="yes")

        assert "None of the selected rows can be discarded." in page
        assert QuarantinedRecord.objects.exists()

    def test_record_that_fails_again_stays_with_its_reason(self, admin_client):
        bad = record(1, price="дорого")

        page = act(admin_client, "release", "record", bad, confirmed="yes")

        assert "Released 0 records of uzum; 1 failed again." in page
        assert f"discard record uzum-{bad.pk}" in page
        assert QuarantinedRecord.objects.get().pk == bad.pk

    def test_error_is_shown_as_a_message(self, admin_client):
        row = record(options={"columns": "gone.toml"})

        assert "gone.toml" in act(admin_client, "release", "record", row, confirmed="yes")
        assert QuarantinedRecord.objects.exists()

    def test_released_price_can_be_marked_again(self, admin_client):
        point = outlier(is_outlier=False)

        page = act(admin_client, "restore", "outlier", point, confirmed="yes")

        assert f"Restored outlier uzum-{point.pk}." in page
        assert is_waiting("outlier")

    @pytest.mark.parametrize("name", ["run/uzum-999999/", "run/x/", "lot/uzum-1/"])
    def test_that_do_not_exist(self, admin_client, name):
        assert admin_client.get(PAGE + name).status_code == 404

    def test_invalid_forms(self, admin_client):
        for values in ({"kind": "x"}, {"kind": "run", "pk": "x"}, {"kind": "run", "action": "x"}):
            assert admin_client.post(PAGE, values).status_code == 400


class TestLimits:
    def test_of_rows(self, admin_client, monkeypatch):
        monkeypatch.setattr(review, "ROW_LIMIT", 1)
        first, second = record(1), record(2)

        page = act(admin_client, "discard", "record", first, second, confirmed="yes")

        assert f"run python manage.py ingest_review discard record uzum-{first.pk} …." in page
        assert QuarantinedRecord.objects.count() == 2

    @pytest.mark.parametrize(
        ("kind", "words"),
        [("run", "run uzum-"), ("record", "records --platform uzum --reason ")],
    )
    def test_of_records(self, admin_client, monkeypatch, kind, words):
        monkeypatch.setattr(review, "RECORD_LIMIT", 0)
        row = KINDS[kind]()
        reason = CAUSE if kind == "run" else f"price: {row.reason}"

        page = act(admin_client, "release", kind, row, reason=reason, confirmed="yes")

        assert f"Run python manage.py ingest_review release {words}" in unescape(page)
        assert is_waiting(kind)

    def test_failed_run_needs_the_command(self, admin_client):
        run = held_run(card(1), status="failed")

        page = act(admin_client, "release", "run", run, confirmed="yes")

        assert f"run python manage.py ingest_review release run uzum-{run.pk}." in page
        assert LoadRun.objects.get().status == "failed"
        act(admin_client, "discard", "run", run, confirmed="yes")
        assert LoadRun.objects.get().status == "discarded"


class TestOtherPages:
    def test_run_that_does_not_wait_has_no_buttons(self, admin_client):
        run = factories.load_run("ecommerce", platform="uzum")
        for url in (f"/ecommerce/loadrun/{run.pk}/change/", f"{PAGE}run/uzum-{run.pk}/"):
            html = admin_client.get(url).content.decode()

            assert 'name="action"' not in html

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            ("price", ['<mark>  "price": "bepul",</mark>']),
            ("skus[0].id", ['<mark>      "id": 1</mark>']),
            ("skus", ['<mark>  "skus": [\n    {\n      "id": 1\n    }\n  ],</mark>']),
            ("", []),
            ("other", []),
            ("a(b", []),
            ("<b>", []),
        ],
    )
    def test_highlights_the_field_at_fault(self, admin_client, field, expected):
        payload = b'{"price":"bepul","skus":[{"id":1}],"a":"<b>"}'
        row = factories.quarantined("ecommerce", payload, platform="uzum", field=field)

        html = admin_client.get(f"/ecommerce/quarantinedrecord/{row.pk}/change/").content.decode()

        assert re.findall("<mark>.*?</mark>", html, re.DOTALL) == [
            text.replace('"', "&quot;") for text in expected
        ]
        assert "&quot;a&quot;: &quot;&lt;b&gt;&quot;" in html

    def test_rates_have_a_unit(self, admin_client):
        factories.rate("ecommerce")

        assert "11 987.33 so&#x27;m for 1 USD" in (
            admin_client.get("/ecommerce/exchangerate/").content.decode()
        )

    def test_sources_are_cut_in_the_list_only(self, admin_client):
        source = ", ".join(f"/data/platform/part-{number:03}.jsonl" for number in range(30))
        run = factories.load_run("ecommerce", platform="uzum", source=source)

        assert source in admin_client.get(f"/ecommerce/loadrun/{run.pk}/change/").content.decode()
        assert source[:350] in admin_client.get("/ecommerce/loadrun/").content.decode()
