"""The table of metrics in docs/monitoring.md has every metric with its labels."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.support.paths import DOCS
from verifier.observability.metrics import Metrics

HISTOGRAM_LABELS = {"le"}


def exposed() -> dict[str, frozenset[str]]:
    """Return every metric by name, with its labels."""
    found = {}
    for family in text_string_to_metric_families(Metrics().expose().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = frozenset(labels - HISTOGRAM_LABELS)
    return found


def test_metrics_table_names_every_metric_and_label() -> None:
    section = (DOCS / "monitoring.md").read_text("utf-8").partition("\n## Metrics\n")[2]
    rows = re.findall(r"^\| `(\w+)(?:\{(.*?)\})?` \|", section, re.MULTILINE)
    documented = {name: frozenset(filter(None, labels.split(","))) for name, labels in rows}
    assert documented == exposed()
