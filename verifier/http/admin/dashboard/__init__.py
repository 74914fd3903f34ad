"""The dashboard at ``/dashboard``: charts of the metrics, which the page reads from ``/metrics``.

The files hold no measured values. The panels are those of ``contrib/grafana``, and the thresholds
those of the alerts in ``contrib/prometheus``.
"""

from __future__ import annotations

from typing import Final

from verifier.http.admin.assets import Assets

_FILES: Final = (
    "page.css",
    "icon.svg",
    "page.js",
    "groups.js",
    "panels.js",
    "headline.js",
    "thresholds.js",
    "tiles.js",
    "readings.js",
    "scrape.js",
    "chart.js",
    "axis.js",
    "units.js",
    "view.js",
)
DASHBOARD: Final = Assets(
    __name__, {"/dashboard": "page.html", **{f"/dashboard/{name}": name for name in _FILES}}
)
"""The page and its files."""
