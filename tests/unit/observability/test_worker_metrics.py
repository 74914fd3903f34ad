from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from verifier.observability.metrics import Metrics, prepare_worker_files
from verifier.observability.worker_metrics import WorkerSlot, close_value_files
from verifier.rules.model import DenialCode, Deny

DENIED = Deny(DenialCode.ROOM_MISMATCH)
Make = Callable[[int], Metrics]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes the metrics of one of two workers, as its process would."""
    for worker in (0, 1):
        prepare_worker_files(WorkerSlot(worker, 2, tmp_path), restarted=False)
    yield lambda worker: Metrics(WorkerSlot(worker, 2, tmp_path))
    close_value_files()


def deny(metrics: Metrics) -> None:
    index = metrics.decisions.outcome_index("auth", DENIED)
    metrics.decisions.count_decision("auth", index, 0.001)


def samples(metrics: Metrics) -> dict[str, float]:
    lines = metrics.expose().decode().splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name.removeprefix("jitsi_verifier_"): float(value) for name, _, value in pairs}


def test_every_worker_exposes_the_same_sum(make: Make) -> None:
    first, second = make(0), make(1)
    for metrics, count in ((first, 2), (second, 3)):
        for _ in range(count):
            deny(metrics)
        metrics.flush()
    shown = samples(first)
    assert shown['decisions_total{code="room-mismatch",endpoint="auth",outcome="denied"}'] == 5
    assert shown['decision_duration_seconds_bucket{endpoint="auth",le="+Inf"}'] == 5
    assert shown['worker_decisions_total{worker="0"}'] == 2
    assert shown['worker_decisions_total{worker="1"}'] == 3
    other = samples(second)
    assert {name for name in shown if shown[name] != other[name]} <= {
        'worker_resident_memory_bytes{worker="0"}',
        'worker_resident_memory_bytes{worker="1"}',
    }


def test_own_gauges_are_summed_and_shared_gauges_are_not(make: Make) -> None:
    first, second = make(0), make(1)
    for metrics, size in ((first, 10), (second, 5)):
        metrics.decisions.watch_cache_size(partial(int, size))
        metrics.flush()
        metrics.keys.set_key_count("secret", 2)
        metrics.keys.set_last_success("secret", 1000.0 + size)
    second.count_reload(successful=False)
    with first.decisions.track_in_flight(), second.decisions.track_in_flight():
        shown = samples(second)
    assert shown["in_flight"] == 2
    assert shown["decision_cache_entries"] == 15
    assert shown['keys{source="secret"}'] == 2
    assert shown['key_last_success_timestamp_seconds{source="secret"}'] == 1010
    assert shown["config_last_reload_successful"] == 0
    assert shown["workers"] == 2


def test_reload_of_all_workers_counts_once(make: Make) -> None:
    first, second = make(0), make(1)
    for metrics in (first, second):
        metrics.count_reload(successful=True)
    assert samples(first)['config_reloads_total{result="ok"}'] == 1


@pytest.mark.slow
def test_dead_worker_loses_gauges_and_keeps_counters(make: Make, tmp_path: Path) -> None:
    dead = make(0)
    dead.decisions.watch_cache_size(lambda: 10)
    deny(dead)
    dead.flush()
    dead.count_reload(successful=False)
    dead.decisions.track_in_flight().__enter__()  # the worker dies before the request ends
    files = sorted(tmp_path.iterdir())
    close_value_files()
    for _ in range(3):
        prepare_worker_files(WorkerSlot(0, 2, tmp_path), restarted=True)
    shown = samples(make(1))
    assert shown["in_flight"] == shown["decision_cache_entries"] == 0
    assert shown["config_last_reload_successful"] == 1
    assert shown['worker_decisions_total{worker="0"}'] == 1
    assert shown["worker_restarts_total"] == 3
    assert sorted(tmp_path.iterdir()) == files


def test_metrics_without_files_expose_only_themselves(make: Make) -> None:
    deny(make(0))
    alone = Metrics()
    assert samples(alone)['worker_decisions_total{worker="0"}'] == 0
    assert samples(alone)["workers"] == 1
