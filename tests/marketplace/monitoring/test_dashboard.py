"""Dashboard and alerts ask for metrics that there are."""

import json
import re

import pytest
import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from marketplace.monitoring import metrics
from marketplace.monitoring.metrics import render
from marketplace.monitoring.pgbouncer import Pool

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

DEPLOY = settings.BASE_DIR / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "marketplace.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]

QUESTIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUESTIONS += [rule["expr"] for rule in ALERTS]

_LABEL = re.compile(r"(\w+)(?:=~?|!=|!~)\"([^\"]*)\"")


@pytest.fixture
def families(monkeypatch):
    """Name → labels of a sample; families without a sample of their own have none."""
    pool = Pool("ecommerce_db", {"active": 1}, {"idle": 1}, 0.0)
    monkeypatch.setattr(metrics, "get_pools", lambda: [pool])
    found = {}
    for family in text_string_to_metric_families(render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = [sample.labels for sample in family.samples]
    return found


class TestQuestions:
    def test_use_names_that_exist(self, families):
        used = set(re.findall(r"marketplace_\w+", " ".join(QUESTIONS)))

        assert used
        assert used - families.keys() == set()

    def test_use_all_that_there_is(self, families):
        used = set(re.findall(r"marketplace_\w+", " ".join(QUESTIONS)))

        assert families.keys() - used == set()

    def test_use_labels_and_values_that_exist(self, families):
        for question in QUESTIONS:
            for name, selector in re.findall(r"(marketplace_\w+)\{([^}]*)\}", question):
                for label, values in _LABEL.findall(selector):
                    known = {labels[label] for labels in families[name]}
                    assert set(values.split("|")) <= known, question


class TestDashboard:
    def test_asks_the_datasource_that_is_provisioned(self):
        folder = DEPLOY / "grafana" / "provisioning" / "datasources"
        [source] = yaml.safe_load((folder / "prometheus.yml").read_text())["datasources"]

        asked = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}

        assert asked == {source["uid"]}

    def test_has_panels_apart_from_each_other(self):
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        cells = [
            (x, y)
            for panel in DASHBOARD["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]

        assert len(set(ids)) == len(ids)
        assert len(set(cells)) == len(cells)


class TestAlerts:
    @pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
    def test_say_what_it_is_and_what_to_do(self, rule):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}
