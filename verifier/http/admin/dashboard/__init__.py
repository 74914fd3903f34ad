"""The dashboard at ``/dashboard``: charts of the metrics, which the page reads from ``/metrics``.

The files hold no numbers. The panels are those of ``contrib/grafana``.
"""

from __future__ import annotations

from typing import Final

from verifier.http.admin.assets import Assets

_FILES: Final = (
    "page.css",
    "icon.svg",
    "page.js",
    "panels.js",
    "scrape.js",
    "chart.js",
    "units.js",
    "view.js",
)
DASHBOARD: Final = Assets(
    __name__, {"/dashboard": "page.html", **{f"/dashboard/{name}": name for name in _FILES}}
)
"""The page and its files."""
