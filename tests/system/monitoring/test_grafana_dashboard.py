"""The Grafana dashboard: every query of every panel, asked of a real Prometheus."""

from __future__ import annotations

import runpy
from contextlib import suppress
from typing import Any

import pytest

from tests.support.processes import wait_until
from tests.system.monitoring.panels import DASHBOARD, FOLDER, MAY_BE_ZERO, QUERIES, ask
from tests.system.monitoring.prometheus import Prometheus
from tests.system.monitoring.traffic import Watched


def is_drawn(title: str, samples: list[dict[str, Any]]) -> bool:
    highest = max((float(sample["value"][1]) for sample in samples), default=-1.0)
    return highest > 0 or (highest == 0 and title in MAY_BE_ZERO)


@pytest.fixture(scope="module")
def drawn(watched: Watched, prometheus: Prometheus) -> dict[str, list[dict[str, Any]]]:
    """Send traffic of every kind until every query has data; give the data by query."""
    found: dict[str, list[dict[str, Any]]] = {}

    def is_complete() -> bool:
        watched.ask()
        found.update({query: ask(prometheus, query) for _, query in QUERIES})
        return all(is_drawn(title, found[query]) for title, query in QUERIES)

    with suppress(TimeoutError):  # each test says what is missing
        wait_until(is_complete, "data in every panel", deadline=40)
    return found


def test_the_dashboard_is_what_its_panels_make_of_it() -> None:
    build = runpy.run_path(str(FOLDER / "build.py"))["build"]
    assert (FOLDER / "dashboard.json").read_text("utf-8") == build(), "contrib/grafana/build.py"


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_every_query_of_every_panel_gives_data(
    drawn: dict[str, list[dict[str, Any]]], title: str, query: str
) -> None:
    assert is_drawn(title, drawn[query])


def test_the_panels_tell_the_kinds_apart(drawn: dict[str, list[dict[str, Any]]]) -> None:
    of = dict(QUERIES)

    def values(title: str, label: str) -> set[str]:
        return {sample["metric"][label] for sample in drawn[of[title]]}

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


def test_the_variables_find_job_and_instance(
    watched: Watched, drawn: dict[str, list[dict[str, Any]]], prometheus: Prometheus
) -> None:
    assert drawn
    source, job, instance = DASHBOARD["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert job["query"]["query"] == "label_values(jitsi_verifier_build_info, job)"
    assert "label_values(jitsi_verifier_build_info{" in instance["query"]["query"]
    (build,) = prometheus.query("jitsi_verifier_build_info")
    assert build["metric"]["job"] == "jitsi-verifier"
    assert build["metric"]["instance"] == f"127.0.0.1:{watched.verifier.admin}"


def test_no_panel_covers_another() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
