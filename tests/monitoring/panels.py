"""What the Grafana dashboard shows, and which of it may be nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.monitoring.awaited import AWAITED_METRICS

FOLDER = Path(__file__).parents[2] / "contrib" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
QUERIES: list[tuple[str, str]] = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
"""Every panel's title with each of its queries."""

TITLES = [panel["title"] for panel in DASHBOARD["panels"]]
MAY_BE_ZERO = {"In flight", "Worker restarts", "Refused for overload"}
"""What is 0 on a good day."""


def is_awaited(query: str) -> bool:
    """Tell whether a query asks for a metric that the sidecar does not have yet."""
    return any(metric in query for metric in AWAITED_METRICS)


AWAITED = {title for title, query in QUERIES if is_awaited(query)}
"""Panels that have nothing to draw yet."""
