"""The panels and queries of the Grafana dashboard."""

from __future__ import annotations

import json
import math
from typing import Any

from tests.support.paths import CONTRIB
from tests.system.monitoring.prometheus import Prometheus

FOLDER = CONTRIB / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
QUERIES: list[tuple[str, str]] = [
    (panel["title"], target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
]
"""Pairs of a panel's title and one of its queries."""

GROUPS = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
_FIRST_ROW = next(panel["id"] for panel in DASHBOARD["panels"] if panel["type"] == "row")
HEADLINE = [panel["title"] for panel in DASHBOARD["panels"] if panel["id"] < _FIRST_ROW]
"""The titles of the numbers above the first group."""
CHARTS = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "timeseries"]
ZERO_ALLOWED = {"In flight", "Keep-alives", "Worker restarts", "Refused for overload", "Mode"}
"""Panels whose values may be 0 in normal operation."""

_VARIABLES = {"$job": "jitsi-verifier", "$instance": ".*", "$__rate_interval": "20s"}
"""Values of Grafana's variables, for a short scrape interval and all instances."""


def drawn_samples(prometheus: Prometheus, query: str) -> list[dict[str, Any]]:
    """Return the samples of a query that Grafana draws: those that are finite numbers."""
    for variable, value in _VARIABLES.items():
        query = query.replace(variable, value)
    assert "$" not in query
    return [
        sample for sample in prometheus.query(query) if math.isfinite(float(sample["value"][1]))
    ]
