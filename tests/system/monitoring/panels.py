"""What the Grafana dashboard shows, and which of it may be nothing."""

from __future__ import annotations

import json
import math
from typing import Any

from tests.support.paths import CONTRIB
from tests.system.monitoring.prometheus import Prometheus

FOLDER = CONTRIB / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
QUERIES: list[tuple[str, str]] = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
"""Every panel's title with each of its queries."""

TITLES = [panel["title"] for panel in DASHBOARD["panels"]]
MAY_BE_ZERO = {"In flight", "Worker restarts", "Refused for overload"}
"""What is 0 on a good day."""

_CHOSEN = {"$job": "jitsi-verifier", "$instance": ".*", "$__rate_interval": "20s"}
"""What Grafana puts in for a scrape every few seconds, with all instances chosen."""


def ask(prometheus: Prometheus, query: str) -> list[dict[str, Any]]:
    """Give the samples that are numbers; Grafana draws no others."""
    for found, put in _CHOSEN.items():
        query = query.replace(found, put)
    assert "$" not in query
    return [each for each in prometheus.query(query) if math.isfinite(float(each["value"][1]))]
