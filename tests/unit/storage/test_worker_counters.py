"""Counters in shared memory."""

from __future__ import annotations

from verifier.storage.worker_counters import WorkerCounters


def test_every_increment_changes_the_snapshot() -> None:
    counters = WorkerCounters(3)
    snapshots = [counters.snapshot()]
    for worker in (0, 2, 2, 1, 0):
        counters.increment(worker)
        assert counters.snapshot() not in snapshots
        snapshots.append(counters.snapshot())


def test_a_counter_that_overflows_begins_at_zero() -> None:
    counters = WorkerCounters()
    counters._memory[:] = b"\xff" * 8
    counters.increment()
    assert counters.snapshot() == b"\0" * 8
