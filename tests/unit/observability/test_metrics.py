from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.samples import sample, samples_of
from verifier.observability.decision_metrics import BUCKETS, ENDPOINTS
from verifier.observability.metrics import Metrics
from verifier.observability.registry import MetricMemory, Registry
from verifier.rules.model import DenialCode, Deny

DENIED = Deny(DenialCode.ROOM_MISMATCH)
ROOM_MISMATCH = sample("decisions_total", endpoint="auth", outcome="denied", code="room-mismatch")
Make = Callable[[int], Metrics]


@pytest.fixture
def make() -> Make:
    """Return a function that makes the metrics of one of two workers, as its process would."""
    return partial(Metrics, MetricMemory(2))


def deny(metrics: Metrics, *, enforced: bool = True) -> None:
    index = metrics.decisions.outcome_index("auth", DENIED, enforced=enforced)
    metrics.decisions.count_decision(index, 0.001)


def test_every_worker_exposes_the_same_sum(make: Make) -> None:
    first, second = make(0), make(1)
    for metrics, count in ((first, 2), (second, 3)):
        for _ in range(count):
            deny(metrics)
        metrics.flush()
    shown = samples_of(first)
    assert shown[ROOM_MISMATCH] == 5
    assert shown[sample("decision_duration_seconds_bucket", endpoint="auth", le="+Inf")] == 5
    assert shown[sample("decision_duration_seconds_sum", endpoint="auth")] == pytest.approx(0.005)
    assert shown[sample("worker_decisions_total", worker="0")] == 2
    assert shown[sample("worker_decisions_total", worker="1")] == 3
    other = samples_of(second)
    different = {name for name, _ in (key for key in shown if shown[key] != other[key])}
    assert different <= {"worker_resident_memory_bytes"}


def test_counts_of_another_process_are_added(make: Make) -> None:
    own = make(0)
    pid = os.fork()
    if pid == 0:
        other = make(1)
        deny(other)
        other.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    deny(own)
    assert samples_of(own)[ROOM_MISMATCH] == 2


def test_own_gauges_are_summed_and_shared_gauges_are_not(make: Make) -> None:
    first, second = make(0), make(1)
    for metrics, size in ((first, 10), (second, 5)):
        metrics.decisions.watch_cache_size(partial(int, size))
        metrics.flush()
        metrics.keys.set_key_count("secret", 2)
        metrics.keys.set_last_success("secret", 1000.0 + size)
    second.count_reload(successful=False)
    with first.decisions.track_in_flight(), second.decisions.track_in_flight():
        shown = samples_of(second)
    assert shown[sample("in_flight")] == 2
    assert shown[sample("decision_cache_entries")] == 15
    assert shown[sample("keys", source="secret")] == 2
    assert shown[sample("key_last_success_timestamp_seconds", source="secret")] == 1010
    assert shown[sample("config_last_reload_successful")] == 0
    assert shown[sample("workers")] == 2


def test_reload_of_all_workers_counts_once(make: Make) -> None:
    first, second = make(0), make(1)
    for metrics in (first, second):
        metrics.count_reload(successful=True)
    assert samples_of(first)[sample("config_reloads_total", result="ok")] == 1


@pytest.mark.parametrize("failing", [0, 1])
def test_failed_reload_of_any_worker_is_counted(make: Make, failing: int) -> None:
    for worker in (0, 1):
        make(worker).count_reload(successful=worker != failing)
    shown = samples_of(make(0))
    assert shown[sample("config_reloads_total", result="error")] == 1
    assert shown[sample("config_reloads_total", result="ok")] == 1


def test_dead_worker_loses_gauges_and_keeps_counters(make: Make) -> None:
    dead = make(0)
    dead.decisions.watch_cache_size(lambda: 10)
    deny(dead)
    dead.flush()
    dead.count_reload(successful=False)
    dead.decisions.track_in_flight().__enter__()  # the worker dies before the request ends
    for _ in range(3):
        make(0).count_restart()
    shown = samples_of(make(1))
    assert shown[sample("in_flight")] == shown[sample("decision_cache_entries")] == 0
    assert shown[sample("config_last_reload_successful")] == 1
    assert shown[sample("worker_decisions_total", worker="0")] == 1
    assert shown[sample("worker_restarts_total")] == 3


def test_single_process_exposes_only_itself(make: Make) -> None:
    deny(make(0))
    shown = samples_of(Metrics())
    assert shown[sample("worker_decisions_total", worker="0")] == 0
    assert shown[sample("workers")] == 1


def test_no_series_is_exposed_that_nobody_needs() -> None:
    metrics = Metrics()
    text = metrics.expose().decode()
    assert "_created" not in text
    assert "would-deny" not in text
    deny(metrics, enforced=False)
    shown = [line for line in metrics.expose().decode().splitlines() if "would-deny" in line]
    assert len(shown) == 1
    assert shown[0].endswith(" 1.0")
    decisions = [line for line in text.splitlines() if line.startswith("jitsi_verifier_decisions")]
    assert len(decisions) == len(ENDPOINTS) * (len(DenialCode) + 1)


def test_histogram_is_exposed_as_the_client_library_does() -> None:
    registry, reference = Registry(MetricMemory(), 0), CollectorRegistry()
    ours = registry.histogram("x_seconds", "Help.", ["source"]).histogram(BUCKETS, "asap")
    theirs = Histogram(
        "jitsi_verifier_x_seconds", "Help.", ["source"], buckets=BUCKETS, registry=reference
    ).labels("asap")
    for seconds in (0.0, 25e-6, 26e-6, 0.3, 10.0, 11.0):
        ours.observe(seconds)
        theirs.observe(seconds)
    expected = "\n".join(
        line for line in generate_latest(reference).decode().splitlines() if "_created" not in line
    )
    assert registry.expose().rstrip("\n") == expected


def test_text_is_what_the_client_library_reads() -> None:
    families = list(text_string_to_metric_families(Metrics().expose().decode()))
    assert {family.type for family in families} == {"counter", "gauge", "histogram"}
    assert all(family.documentation and family.samples for family in families)


def test_registry_refuses_more_values_than_it_has() -> None:
    registry = Registry(MetricMemory(), 0)
    with pytest.raises(OverflowError, match="4096"):
        registry.reserve(4097)
