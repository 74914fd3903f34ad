"""What the Grafana dashboard shows, and which of it may be nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "contrib" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
QUERIES: list[tuple[str, str]] = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
"""Every panel's title with each of its queries."""

TITLES = [panel["title"] for panel in DASHBOARD["panels"]]
MAY_BE_ZERO = {"In flight", "Worker restarts", "Refused for overload"}
"""What is 0 on a good day."""
