"""Two worker processes: both dashboards tell them apart, and show that one was started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.support.supervised import ALL_LISTEN, wait_for_restarts, workers
from tests.system.monitoring.live import any_number, live_page
from tests.system.monitoring.panels import QUERIES, ask
from tests.system.monitoring.prometheus import Prometheus
from tests.system.monitoring.traffic import Watched
from tests.system.monitoring.traffic import watched as start_watched

BOTH = {"0", "1"}
OF = dict(QUERIES)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Start a sidecar with two workers."""
    folder = tmp_path_factory.mktemp("watched")
    with start_watched(folder, VERIFIER_WORKERS="2") as started:
        started.verifier.wait_for_log(ALL_LISTEN)
        yield started


def above_zero(prometheus: Prometheus, title: str) -> set[str]:
    samples = ask(prometheus, OF[title])
    return {each["metric"].get("worker", "") for each in samples if float(each["value"][1]) > 0}


@pytest.mark.parametrize("title", ["Decisions by worker", "Memory by worker"])
def test_prometheus_has_a_line_for_each_worker(
    watched: Watched, prometheus: Prometheus, title: str
) -> None:
    def are_both_drawn() -> bool:
        watched.ask()
        return above_zero(prometheus, title) == BOTH

    wait_until(are_both_drawn, title, deadline=40)


async def test_the_live_page_has_a_line_for_each_worker(watched: Watched, tmp_path: Path) -> None:
    async with live_page(tmp_path, watched) as page:
        values = await page.fill(watched)
        while not all(any_number({"": each}) for each in values["Decisions by worker"].values()):
            values = await page.fill(watched)
    assert values["Decisions by worker"].keys() == values["Memory by worker"].keys() == BOTH
    assert all(any_number({"": each}) for each in values["Memory by worker"].values())


async def test_both_show_that_a_worker_was_started_again(
    watched: Watched, prometheus: Prometheus, tmp_path: Path
) -> None:
    wait_until(lambda: ask(prometheus, OF["Worker restarts"]), "a first reading")
    os.kill(workers(watched.verifier)[0], signal.SIGKILL)
    wait_for_restarts(watched.verifier, 1, listening=2)
    wait_until(lambda: above_zero(prometheus, "Worker restarts"), "a restart in Prometheus")
    async with live_page(tmp_path, watched) as page:
        values = await page.fill(watched)
    assert values["Worker restarts"] == {"restarts": "1"}
    assert values["Memory by worker"].keys() == BOTH
