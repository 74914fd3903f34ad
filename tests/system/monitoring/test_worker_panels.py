"""Two workers: both dashboards show each of them, and the restart of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.support.supervised import ALL_LISTEN, wait_for_restarts, workers
from tests.system.monitoring.live_page import has_number, live_page
from tests.system.monitoring.panels import QUERIES, drawn_samples
from tests.system.monitoring.prometheus import Prometheus
from tests.system.monitoring.traffic import MonitoredVerifier, running_monitored_verifier

BOTH = {"0", "1"}
QUERY_OF = dict(QUERIES)


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredVerifier]:
    """Start a service with two workers."""
    folder = tmp_path_factory.mktemp("watched")
    with running_monitored_verifier(folder, VERIFIER_WORKERS="2") as started:
        started.verifier.wait_for_log(ALL_LISTEN)
        yield started


def above_zero(prometheus: Prometheus, title: str) -> set[str]:
    samples = drawn_samples(prometheus, QUERY_OF[title])
    return {
        sample["metric"].get("worker", "") for sample in samples if float(sample["value"][1]) > 0
    }


@pytest.mark.parametrize("title", ["Decisions by worker", "Memory by worker"])
def test_prometheus_has_a_line_for_each_worker(
    monitored: MonitoredVerifier, prometheus: Prometheus, title: str
) -> None:
    def are_both_drawn() -> bool:
        monitored.send_requests()
        return above_zero(prometheus, title) == BOTH

    wait_until(are_both_drawn, title, deadline=40)


async def test_live_page_has_a_line_for_each_worker(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        values = await page.fill(monitored)
        while not all(has_number({"": value}) for value in values["Decisions by worker"].values()):
            values = await page.fill(monitored)
        assert (await page.tiles())["Workers"] == ["", "2", "no restarts"]
    assert values["Decisions by worker"].keys() == values["Memory by worker"].keys() == BOTH
    assert all(has_number({"": value}) for value in values["Memory by worker"].values())


async def test_both_dashboards_show_a_worker_restart(
    monitored: MonitoredVerifier, prometheus: Prometheus, tmp_path: Path
) -> None:
    wait_until(lambda: drawn_samples(prometheus, QUERY_OF["Worker restarts"]), "a first reading")
    os.kill(workers(monitored.verifier)[0], signal.SIGKILL)
    wait_for_restarts(monitored.verifier, 1, listening=2)
    wait_until(lambda: above_zero(prometheus, "Worker restarts"), "a restart in Prometheus")
    async with live_page(tmp_path, monitored) as page:
        values = await page.fill(monitored)
    assert values["Worker restarts"] == {"restarts": "1"}
    assert values["Memory by worker"].keys() == BOTH
