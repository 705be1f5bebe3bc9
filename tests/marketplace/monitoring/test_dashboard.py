"""Dashboard and alerts use existing metrics."""

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

EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS += [rule["expr"] for rule in ALERTS]

_LABEL = re.compile(r"(\w+)(?:=~?|!=|!~)\"([^\"]*)\"")


@pytest.fixture
def families(monkeypatch):
    """Name → labels of its samples; an empty list for families without samples."""
    pool = Pool("ecommerce_db", {"active": 1}, {"idle": 1}, 0.0)
    monkeypatch.setattr(metrics, "get_pools", lambda: [pool])
    series = {}
    for family in text_string_to_metric_families(render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        series[name] = [sample.labels for sample in family.samples]
    return series


class TestExpressions:
    def test_all_used_metrics_exist(self, families):
        used = set(re.findall(r"marketplace_\w+", " ".join(EXPRESSIONS)))

        assert used
        assert used - families.keys() == set()

    def test_all_metrics_are_used(self, families):
        used = set(re.findall(r"marketplace_\w+", " ".join(EXPRESSIONS)))

        assert families.keys() - used == set()

    def test_used_labels_and_values_exist(self, families):
        for expression in EXPRESSIONS:
            for name, selector in re.findall(r"(marketplace_\w+)\{([^}]*)\}", expression):
                for label, values in _LABEL.findall(selector):
                    known = {labels[label] for labels in families[name]}
                    assert set(values.split("|")) <= known, expression


class TestDashboard:
    def test_uses_the_provisioned_datasource(self):
        folder = DEPLOY / "grafana" / "provisioning" / "datasources"
        [source] = yaml.safe_load((folder / "prometheus.yml").read_text())["datasources"]

        uids = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}

        assert uids == {source["uid"]}

    def test_panels_do_not_overlap(self):
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
    def test_have_a_severity_a_summary_and_an_action(self, rule):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}
