"""Write ``dashboard.json`` from the panels below.

The live page at ``/dashboard`` on the admin address shows the same headline, groups and panels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("dashboard.json")
_CHOSEN: Final = 'job=~"$job",instance=~"$instance"'
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHT: Final = 8
_COLUMNS: Final = 3
_STAT_HEIGHT: Final = 4

OUTCOME_COLORS: Final = {
    "allowed": "green",
    "denied": "red",
    "error": "purple",
    "would-deny": "blue",
}
"""The colour of each outcome, in every panel and on the live page."""


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
        codes: Whether the lines are denial codes, which have a link to their explanation.
    """

    title: str
    unit: str
    queries: dict[str, str]
    about: str
    kind: str = "timeseries"
    codes: bool = False


@dataclass(frozen=True)
class Stat:
    """One number of the first row.

    Attributes:
        title: What it is.
        unit: Grafana's name for the unit.
        query: As in ``Panel``.
        about: What it tells an operator.
        colors: Grafana's colour from a value on; None is the lowest value.
        alert: The alert in ``contrib/prometheus`` that has the last of these values as a threshold.
        names: Words in place of values.
    """

    title: str
    unit: str
    query: str
    about: str
    colors: dict[float | None, str] = field(default_factory=lambda: {None: "text"})
    alert: str = ""
    names: dict[int, str] = field(default_factory=dict)


def _quantiles(by: str, legend: str, *shares: float) -> dict[str, str]:
    rate = f"sum by ({by}) (rate(jitsi_verifier_decision_duration_seconds_bucket{{}}[]))"
    return {
        legend.format(round(share * 100)): f"histogram_quantile({share}, {rate})"
        for share in shares
    }


_REFUSED: Final = (
    "sum(increase(jitsi_verifier_first_decisions_total"
    '{outcome="denied",code!~"token-expired|token-already-used|revoked"}[15m]))'
)
_ADMITTED: Final = 'sum(increase(jitsi_verifier_first_decisions_total{outcome="allowed"}[15m]))'

HEADLINE: Final = (
    Stat(
        "Allowed",
        "reqps",
        'sum(rate(jitsi_verifier_decisions_total{outcome="allowed"}[]))',
        "Decisions that let a request in, a second.",
        colors={None: OUTCOME_COLORS["allowed"]},
    ),
    Stat(
        "Denied",
        "reqps",
        'sum(rate(jitsi_verifier_decisions_total{outcome=~"denied|would-deny"}[]))',
        "A second. A crawler or a forgotten tab causes many.",
        colors={None: OUTCOME_COLORS["denied"]},
    ),
    Stat(
        "People refused",
        "percentunit",
        f"{_REFUSED} / ({_REFUSED} + {_ADMITTED})",
        "The share of the last 15 minutes, without old and used links and revoked people.",
        colors={None: "text", 0.33: "red"},
        alert="JitsiVerifierDenyRatioHigh",
    ),
    Stat(
        "p95 latency",
        "s",
        _quantiles("le", "{}", 0.95)["95"],
        "95 % of the decisions are faster.",
        colors={None: "text", 0.05: "orange"},
        alert="JitsiVerifierLatencyHigh",
    ),
    Stat(
        "Keys",
        "short",
        "sum(max by (source) (jitsi_verifier_keys{}))",
        "Keys in memory. A key server is asked only for the keys of tokens that arrive.",
    ),
    Stat(
        "Revocation store",
        "short",
        "min(jitsi_verifier_revocation_store_up{})",
        "While it is unavailable, known revocations stay in force.",
        colors={None: "orange", 1: "text"},
        alert="JitsiVerifierRevocationStoreDown",
        names={0: "unavailable", 1: "up"},
    ),
    Stat(
        "Workers",
        "short",
        "sum(max by (instance) (jitsi_verifier_workers{}))",
        "Processes that answer, of all instances.",
    ),
    Stat(
        "Mode",
        "short",
        "max(jitsi_verifier_report_only{})",
        "In report-only mode nothing is denied.",
        colors={None: "text", 1: "orange"},
        names={0: "enforce", 1: "report-only"},
    ),
)
"""The first row; the live page has tiles with the same titles. Colours begin at the value before
them, those of the named alerts' thresholds."""

_PEOPLE: Final = (
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
        "Each code has a link to its explanation. A crawler is token-missing; a forgotten tab,"
        " token-expired.",
        codes=True,
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
        codes=True,
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
)

_SPEED: Final = (
    Panel(
        "Latency",
        "s",
        _quantiles("le", "p{}", 0.5, 0.95, 0.99),
        "From a request's head to its answer. A token that waits for its key takes up to 5 s.",
    ),
    Panel(
        "Latency by endpoint",
        "s",
        _quantiles("endpoint, le", "{{{{endpoint}}}} p{}", 0.95),
        "95 % of the decisions are faster.",
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
        "Refused for overload",
        "reqps",
        {"refused": 'sum(rate(jitsi_verifier_decisions_total{code="overloaded"}[]))'},
        "New tokens that were refused, because too many waited for their signature check.",
    ),
)

_KEYS: Final = (
    Panel(
        "Keys in memory",
        "short",
        {"{{source}}": "max by (source) (jitsi_verifier_keys{})"},
        "Of each source; of several instances, the highest number.",
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
)

_WORKERS: Final = (
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

GROUPS: Final = {
    "Decisions and people": _PEOPLE,
    "Speed and cache": _SPEED,
    "Keys": _KEYS,
    "Workers": _WORKERS,
}
"""The panels of each group; the live page has the same."""


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
    placed = [
        _stat(stat) | _place(index, 0, 3, _STAT_HEIGHT) for index, stat in enumerate(HEADLINE)
    ]
    bottom = _STAT_HEIGHT
    width = 24 // _COLUMNS
    for title, panels in GROUPS.items():
        placed.append({"title": title, "type": "row", "panels": []} | _place(0, bottom, 24, 1))
        for number, panel in enumerate(panels):
            row, column = divmod(number, _COLUMNS)
            placed.append(
                _panel(panel) | _place(column, bottom + 1 + row * _HEIGHT, width, _HEIGHT)
            )
        bottom += 1 + -(-len(panels) // _COLUMNS) * _HEIGHT
    return [{"id": number} | panel for number, panel in enumerate(placed, 1)]


def _place(column: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": column * width, "y": top, "w": width, "h": height}}


def _stat(stat: Stat) -> dict[str, Any]:
    steps = [{"value": value, "color": color} for value, color in stat.colors.items()]
    names = {str(value): {"text": text} for value, text in stat.names.items()}
    defaults = {
        "unit": stat.unit,
        "noValue": "none",
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [{"type": "value", "options": names}] if names else [],
    }
    return {
        "title": stat.title,
        "description": stat.about,
        "type": "stat",
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"textMode": "value", "colorMode": "value", "graphMode": "none"},
        "targets": _targets({stat.title: stat.query}),
    }


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.codes:
        code = "${__field.labels.code}"
        defaults["links"] = [{"title": f"Explain {code}", "url": f"${{codes}}#{code}"}]
    return {
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": _outcome_colors()},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}}
        if panel.kind == "timeseries"
        else {"textMode": "value_and_name"},
        "targets": _targets(panel.queries),
    }


def _outcome_colors() -> list[dict[str, Any]]:
    return [
        {
            "matcher": {"id": "byName", "options": outcome},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for outcome, color in OUTCOME_COLORS.items()
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
    chosen = short.replace("{}", "{" + _CHOSEN + "}").replace("[]", "[$__rate_interval]")
    for label in ("code", "outcome", "result"):
        chosen = chosen.replace(f"{{{label}", f"{{{_CHOSEN},{label}")
    return chosen


if __name__ == "__main__":
    FILE.write_text(build(), "utf-8")
