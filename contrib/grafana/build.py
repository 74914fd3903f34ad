"""Write ``dashboard.json`` from ``panels.toml``.

The live page at ``/dashboard`` on the admin address shows the same headline, groups and panels.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("dashboard.json")
_CHOSEN: Final = 'job=~"$job",instance=~"$instance"'
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT: Final = 8
_COLUMNS: Final = 3
_STAT_HEIGHT: Final = 4
PANELS: Final = tomllib.loads(FILE.with_name("panels.toml").read_text("utf-8"))
"""The panels."""


def build() -> str:
    """Return the dashboard in the form that Grafana imports."""
    dashboard = {
        "title": "jitsi-verifier",
        "uid": "jitsi-verifier",
        "tags": ["jitsi"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": _placed(),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _variable("job", "Job", "label_values(jitsi_verifier_build_info, job)"),
        _variable(
            "instance", "Instance", 'label_values(jitsi_verifier_build_info{job=~"$job"}, instance)'
        ),
        {
            "name": "codes",
            "label": "Denial codes",
            "description": "The page /codes of the admin address, as your browser reaches it.",
            "type": "textbox",
            "query": "http://127.0.0.1:8091/codes",
        },
    ]


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed() -> list[dict[str, Any]]:
    """Return all panels, each with its number and its place in 24 columns."""
    height = _STAT_HEIGHT
    stats = enumerate(PANELS["headline"])
    placed = [_stat(stat) | _place(index, 0, 3, height) for index, stat in stats]
    bottom = height
    width = 24 // _COLUMNS
    for group in PANELS["groups"]:
        row_panel = {"title": group["title"], "type": "row", "panels": []}
        placed.append(row_panel | _place(0, bottom, 24, 1))
        for number, panel in enumerate(group["panels"]):
            row, column = divmod(number, _COLUMNS)
            placed.append(
                _panel(panel) | _place(column, bottom + 1 + row * _HEIGHT, width, _HEIGHT)
            )
        bottom += 1 + -(-len(group["panels"]) // _COLUMNS) * _HEIGHT
    return [{"id": number} | panel for number, panel in enumerate(placed, 1)]


def _place(column: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": column * width, "y": top, "w": width, "h": height}}


def _stat(stat: dict[str, Any]) -> dict[str, Any]:
    (_, lowest), *others = stat.get("colors", [[0, "text"]])
    steps = [{"value": None, "color": lowest}]
    steps += [{"value": value, "color": color} for value, color in others]
    names = {value: {"text": text} for value, text in stat.get("names", {}).items()}
    defaults = {
        "unit": stat["unit"],
        "noValue": "none",
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [{"type": "value", "options": names}] if names else [],
    }
    return _described(stat) | {
        "type": "stat",
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"textMode": "value", "colorMode": "value", "graphMode": "none"},
        "targets": _targets({stat["title"]: stat["query"]}),
    }


def _panel(panel: dict[str, Any]) -> dict[str, Any]:
    kind = panel.get("kind", "timeseries")
    defaults: dict[str, Any] = {"unit": panel["unit"], "min": 0}
    if panel.get("codes"):
        code = "${__field.labels.code}"
        defaults["links"] = [{"title": f"Explain {code}", "url": f"${{codes}}#{code}"}]
    return _described(panel) | {
        "type": kind,
        "fieldConfig": {"defaults": defaults, "overrides": _outcome_colors()},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}}
        if kind == "timeseries"
        else {"textMode": "value_and_name"},
        "targets": _targets(panel["queries"]),
    }


def _described(panel: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": panel["title"],
        "description": panel["about"],
        "datasource": _SOURCE,
    }


def _outcome_colors() -> list[dict[str, Any]]:
    return [
        {
            "matcher": {"id": "byName", "options": outcome},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for outcome, color in PANELS["outcomes"].items()
    ]


def _targets(queries: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": _query(query),
            "legendFormat": legend,
        }
        for index, (legend, query) in enumerate(queries.items())
    ]


def _query(short: str) -> str:
    chosen = (
        " ".join(short.split())
        .replace("{}", "{" + _CHOSEN + "}")
        .replace("[]", "[$__rate_interval]")
    )
    for label in ("code", "outcome", "result"):
        chosen = chosen.replace(f"{{{label}", f"{{{_CHOSEN},{label}")
    return chosen


if __name__ == "__main__":
    FILE.write_text(build(), "utf-8")
