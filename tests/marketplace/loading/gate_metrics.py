"""Metrics of invented batches and runs, for tests of the gates."""

import json
from datetime import UTC, datetime

from marketplace.loading.gates.gate import Thresholds, summarize
from marketplace.loading.gates.quality_metrics import PriceComparison, QualityMetrics, Tally

LIMITS = Thresholds()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def batch(count=1000, *, recognized=0, shape="UZ-API", prices=None, **faults):
    """Return the metrics of a batch, by the number of its records that have each problem."""
    metrics = QualityMetrics(recognized=recognized)
    metrics.tally("records").count = count
    if count:
        metrics.tallies[shape] = Tally(count, {name: n for name, n in faults.items() if n})
    if prices:
        PriceComparison(*prices).note(metrics)
    return metrics


def run(*batches):
    """Return the metrics that a run stores, read back from JSON."""
    total = QualityMetrics()
    for metrics in batches:
        total.add(metrics, LIMITS.rows)
    return QualityMetrics.from_json(json.loads(json.dumps(total.to_dict())))


def recent(*runs, limits=LIMITS):
    """Return the baseline of some runs, given the oldest first."""
    return summarize(reversed(runs), limits)


#: Five ordinary runs.
USUAL = [run(batch(price=20, category=100)) for _ in range(5)]
