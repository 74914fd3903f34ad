"""The Grafana dashboard: a real Prometheus runs every query of every panel."""

from __future__ import annotations

import runpy
from contextlib import suppress
from typing import Any

import pytest

from tests.support.processes import wait_until
from tests.system.monitoring.panels import DASHBOARD, FOLDER, QUERIES, ZERO_ALLOWED, drawn_samples
from tests.system.monitoring.prometheus import Prometheus
from tests.system.monitoring.traffic import MonitoredVerifier


def is_drawn(title: str, samples: list[dict[str, Any]]) -> bool:
    highest = max((float(sample["value"][1]) for sample in samples), default=-1.0)
    return highest > 0 or (highest == 0 and title in ZERO_ALLOWED)


@pytest.fixture(scope="module")
def drawn(monitored: MonitoredVerifier, prometheus: Prometheus) -> dict[str, list[dict[str, Any]]]:
    """Send requests of every kind until every query has data; return the samples by query."""
    samples: dict[str, list[dict[str, Any]]] = {}

    def is_complete() -> bool:
        monitored.send_requests()
        samples.update({query: drawn_samples(prometheus, query) for _, query in QUERIES})
        return all(is_drawn(title, samples[query]) for title, query in QUERIES)

    with suppress(TimeoutError):  # each test reports its missing data
        wait_until(is_complete, "data in every panel", deadline=40)
    return samples


def test_dashboard_is_built_from_its_panels() -> None:
    build = runpy.run_path(str(FOLDER / "build.py"))["build"]
    assert (FOLDER / "dashboard.json").read_text("utf-8") == build(), "contrib/grafana/build.py"


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_every_query_returns_data(
    drawn: dict[str, list[dict[str, Any]]], title: str, query: str
) -> None:
    assert is_drawn(title, drawn[query])


def test_panels_distinguish_outcomes_codes_and_endpoints(
    drawn: dict[str, list[dict[str, Any]]],
) -> None:
    query_of = dict(QUERIES)

    def values(title: str, label: str) -> set[str]:
        return {sample["metric"][label] for sample in drawn[query_of[title]]}

    assert values("Decisions by outcome", "outcome") >= {"allowed", "denied", "error"}
    codes = values("Denials by code", "code")
    assert codes == {
        "token-missing",
        "token-expired",
        "issuer-not-accepted",
        "room-mismatch",
        "key-unknown",
        "keys-unavailable",
    }
    assert values("Decisions by endpoint", "endpoint") == {"auth", "ext-authz", "verify"}
    assert values("Key age", "source") == {"asap"}


def test_variables_find_job_and_instance(
    monitored: MonitoredVerifier, drawn: dict[str, list[dict[str, Any]]], prometheus: Prometheus
) -> None:
    assert drawn
    source, job, instance, _codes = DASHBOARD["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert job["query"]["query"] == "label_values(jitsi_verifier_build_info, job)"
    assert "label_values(jitsi_verifier_build_info{" in instance["query"]["query"]
    (build,) = prometheus.query("jitsi_verifier_build_info")
    assert build["metric"]["job"] == "jitsi-verifier"
    assert build["metric"]["instance"] == f"127.0.0.1:{monitored.verifier.admin}"


def test_panels_do_not_overlap() -> None:
    positions = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(position["x"], position["y"]) for position in positions}) == len(positions)
    assert all(position["x"] + position["w"] <= 24 for position in positions)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(positions)
