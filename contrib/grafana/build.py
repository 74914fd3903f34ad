"""Write ``dashboard.json`` from the panels below.

The live page at ``/dashboard`` on the admin address shows panels with the same titles.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("dashboard.json")
_CHOSEN: Final = 'job=~"$job",instance=~"$instance"'
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT: Final = 8
_COLUMNS: Final = 3


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: What it shows.
        unit: Grafana's name for the unit.
        queries: A query in Prometheus' language for each legend. In a query, ``[]`` stands for the
            time over which a rate is taken, and ``{}`` for the chosen instances.
        about: What the chart tells an operator.
        kind: Grafana's kind of panel.
    """

    title: str
    unit: str
    queries: dict[str, str]
    about: str
    kind: str = "timeseries"


def _quantiles(by: str, legend: str, *shares: float) -> dict[str, str]:
    rate = f"sum by ({by}) (rate(jitsi_verifier_decision_duration_seconds_bucket{{}}[]))"
    return {
        legend.format(round(share * 100)): f"histogram_quantile({share}, {rate})"
        for share in shares
    }


PANELS: Final = (
    Panel(
        "Decisions by outcome",
        "reqps",
        {"{{outcome}}": "sum by (outcome) (rate(jitsi_verifier_decisions_total{}[]))"},
        "error: 503, keys are missing or too many tokens wait; would-deny: report-only mode.",
    ),
    Panel(
        "Denials by code",
        "reqps",
        {"{{code}}": 'sum by (code) (rate(jitsi_verifier_decisions_total{code!=""}[])) > 0'},
        "docs/denial-codes.md explains the codes. A crawler is token-missing; a forgotten tab,"
        " token-expired.",
    ),
    Panel(
        "People by outcome",
        "short",
        {"{{outcome}}": "60 * sum by (outcome) (rate(jitsi_verifier_first_decisions_total{}[]))"},
        "A minute. Each token counts once an hour for each outcome; invented ones, by address.",
    ),
    Panel(
        "People refused by code",
        "short",
        {
            "{{code}}": "60 * sum by (code)"
            ' (rate(jitsi_verifier_first_decisions_total{code!=""}[])) > 0'
        },
        "A minute. People without a token are not counted.",
    ),
    Panel(
        "Allow ratio",
        "percentunit",
        {
            "allowed": 'sum(rate(jitsi_verifier_first_decisions_total{outcome="allowed"}[]))'
            " / sum(rate(jitsi_verifier_first_decisions_total{}[]))"
        },
        "The share of people with a token who are let in. A few people an hour make it jump.",
    ),
    Panel(
        "Keep-alives",
        "reqps",
        {"{{outcome}}": "sum by (outcome) (rate(jitsi_verifier_keep_alives_total{}[]))"},
        "Each client with a websocket sends one every 60 to 120 seconds. A denial has no effect.",
    ),
    Panel(
        "Latency",
        "s",
        _quantiles("le", "p{}", 0.5, 0.95, 0.99),
        "From a request's head to its answer. A token that waits for its key takes up to 5 s.",
    ),
    Panel(
        "Cache hit ratio",
        "percentunit",
        {
            "hits": 'sum(rate(jitsi_verifier_decision_cache_lookups_total{result="hit"}[]))'
            " / sum(rate(jitsi_verifier_decision_cache_lookups_total{}[]))"
        },
        "The share of requests that were answered from the cache.",
    ),
    Panel(
        "Cached decisions",
        "short",
        {"entries": "sum(jitsi_verifier_decision_cache_entries{})"},
        "Decisions in the cache.",
    ),
    Panel(
        "In flight",
        "short",
        {"requests": "sum(jitsi_verifier_in_flight{})"},
        "Requests that are being answered. A request that stays here waits for keys.",
    ),
    Panel(
        "Moderators",
        "reqps",
        {"moderators": "sum(rate(jitsi_verifier_moderators_total{}[]))"},
        "Allowed decisions that make the user a moderator.",
    ),
    Panel(
        "Decisions by endpoint",
        "reqps",
        {"{{endpoint}}": "sum by (endpoint) (rate(jitsi_verifier_decisions_total{}[])) > 0"},
        "Which proxies and modules send requests.",
    ),
    Panel(
        "Latency by endpoint",
        "s",
        _quantiles("endpoint, le", "{{{{endpoint}}}} p{}", 0.95),
        "95 % of the decisions are faster.",
    ),
    Panel(
        "Key age",
        "s",
        {
            "{{source}}": "max by (source)"
            " (time() - (jitsi_verifier_key_last_success_timestamp_seconds{} > 0))"
        },
        "Time since a source's last good answer. A secret is read once; a key server is asked only"
        " while tokens need its keys; a document is fetched every 6 h or as often as it says.",
    ),
    Panel(
        "Key fetch errors",
        "short",
        {
            "{{source}} {{result}}": "60 * sum by (source, result)"
            ' (rate(jitsi_verifier_key_fetches_total{result=~"error|timeout"}[]))'
        },
        "A minute. Known keys work for a day.",
    ),
    Panel(
        "Key lookups",
        "reqps",
        {
            "{{source}} {{result}}": "sum by (source, result)"
            " (rate(jitsi_verifier_key_lookups_total{}[])) > 0"
        },
        "stale: a key was used after its freshness; negative: a key known to be absent.",
    ),
    Panel(
        "Keys",
        "short",
        {"{{source}}": "max by (source) (jitsi_verifier_keys{})"},
        "Keys in memory; of several instances, the highest number.",
    ),
    Panel(
        "Decisions by worker",
        "reqps",
        {
            "{{instance}} {{worker}}": "sum by (instance, worker)"
            " (rate(jitsi_verifier_worker_decisions_total{}[]))"
        },
        "One line for each process. A line at 0 beside busy ones gets no connections.",
    ),
    Panel(
        "Memory by worker",
        "bytes",
        {"{{instance}} {{worker}}": "jitsi_verifier_worker_resident_memory_bytes{}"},
        "Resident memory. The cache grows to 25 to 45 MB.",
    ),
    Panel(
        "Worker restarts",
        "short",
        {"{{instance}}": "sum by (instance) (increase(jitsi_verifier_worker_restarts_total{}[]))"},
        "Processes that ended and were started again.",
    ),
    Panel(
        "Refused for overload",
        "reqps",
        {"refused": 'sum(rate(jitsi_verifier_decisions_total{code="overloaded"}[]))'},
        "New tokens that were refused, because too many waited for their signature check.",
    ),
    Panel(
        "Version",
        "none",
        {"{{version}}": "count by (version) (jitsi_verifier_build_info{})"},
        "Instances of each version.",
        "stat",
    ),
    Panel(
        "Last reload",
        "bool_yes_no",
        {"{{instance}}": "jitsi_verifier_config_last_reload_successful{}"},
        "No: the configuration on disk has mistakes, and an older one is in use.",
        "stat",
    ),
)


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
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _variable("job", "Job", "label_values(jitsi_verifier_build_info, job)"),
        _variable(
            "instance", "Instance", 'label_values(jitsi_verifier_build_info{job=~"$job"}, instance)'
        ),
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


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    width = 24 // _COLUMNS
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {"x": column * width, "y": row * _HEIGHT, "w": width, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}}
        if panel.kind == "timeseries"
        else {"textMode": "value_and_name"},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": _query(query),
                "legendFormat": legend,
            }
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _query(short: str) -> str:
    chosen = short.replace("{}", "{" + _CHOSEN + "}").replace("[]", "[$__rate_interval]")
    for label in ("code", "outcome", "result"):
        chosen = chosen.replace(f"{{{label}", f"{{{_CHOSEN},{label}")
    return chosen


if __name__ == "__main__":
    FILE.write_text(build(), "utf-8")
