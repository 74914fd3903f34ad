"""The metrics of one process, and how they are exposed to Prometheus.

``decision_metrics`` has the metrics of requests, ``key_metrics`` those of keys, and this module
those of reloads, revocations and workers. ``worker_metrics`` says where several workers keep the
values.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from verifier.observability.decision_metrics import DecisionMetrics
from verifier.observability.key_metrics import KeyMetrics
from verifier.observability.worker_metrics import (
    NAMESPACE,
    WorkerSlot,
    close_value_files,
    gauge,
    resident_bytes,
    values_in_files,
)
from verifier.version import VERSION

_SINGLE_PROCESS: Final = WorkerSlot()


def prepare_worker_files(slot: WorkerSlot, *, restarted: bool) -> None:
    """Prepare the files of a worker that does not run: reset its gauges, and keep its counters.

    Args:
        slot: The worker's, with a directory.
        restarted: Whether to count a restart of the worker.
    """
    metrics = Metrics(slot)
    if restarted:
        metrics.count_restart()
    close_value_files()
    # The metrics consist of thousands of objects in reference cycles. Each worker that is forked
    # later would inherit them.
    del metrics
    gc.collect()


class Metrics:
    """All metrics of one process, in a registry of its own.

    Args:
        slot: The worker that counts.

    Attributes:
        registry: The metrics of this process alone.
        decisions: The metrics of decisions.
        keys: The metrics of keys.
    """

    def __init__(self, slot: WorkerSlot = _SINGLE_PROCESS) -> None:
        self.registry = self._exposed = CollectorRegistry()
        self._slot = slot
        if slot.directory is not None:
            self._exposed = CollectorRegistry()
        # Registered first, so that the collectors after it see what was counted until now.
        self._exposed.register(_FlushCollector(self.flush))
        with values_in_files(slot):
            self.decisions = DecisionMetrics(self.registry)
            self.keys = KeyMetrics(self.registry)
            self._bind_reloads()
            self._bind_revocations()
            self._bind_workers()
            self._wrong_admin_tokens = Counter(
                f"{NAMESPACE}_admin_wrong_tokens",
                "Requests to the admin address with a wrong admin token.",
                registry=self.registry,
            )
            build_info = gauge(self.registry, "build_info", "Always 1.", "max", ["version"])
            build_info.labels(VERSION).set(1)
        if slot.directory is not None:
            MultiProcessCollector(self._exposed, str(slot.directory))

    def _bind_reloads(self) -> None:
        reloads = Counter(
            f"{NAMESPACE}_config_reloads",
            "Configurations read again.",
            ["result"],
            registry=self.registry,
        )
        self._reloads = {True: reloads.labels("ok"), False: reloads.labels("error")}
        self._last_reload = gauge(
            self.registry,
            "config_last_reload_successful",
            "Whether the configuration that was read last is the one in use.",
            "min",
        )
        self._last_reload.set(1)

    def _bind_revocations(self) -> None:
        self._revocations = gauge(self.registry, "revocations", "Revocations in force.", "max")
        self._revocations.set(0)
        self._store_up = gauge(
            self.registry,
            "revocation_store_up",
            "Whether the last use of the revocation store succeeded.",
            "min",
        )
        self._store_up.set(1)
        self._failed_redemptions = Counter(
            f"{NAMESPACE}_failed_redemptions",
            "Single-use tokens denied because the store of used tokens failed.",
            registry=self.registry,
        )

    def _bind_workers(self) -> None:
        workers = gauge(self.registry, "workers", "Processes that answer.", "max")
        workers.set(self._slot.workers)
        decisions = Counter(
            f"{NAMESPACE}_worker_decisions",
            "Decisions by worker.",
            ["worker"],
            registry=self.registry,
        )
        memory = gauge(
            self.registry,
            "worker_resident_memory_bytes",
            "Resident memory of a worker, including pages that it shares with other processes.",
            "sum",  # each worker sets its own label only
            ["worker"],
        )
        self._restarts = Counter(
            f"{NAMESPACE}_worker_restarts",
            "Workers that ended and were started again.",
            registry=self.registry,
        )
        for worker in map(str, range(self._slot.workers)):
            decisions.labels(worker)
            memory.labels(worker).set(0)
        own = str(self._slot.worker)
        self._own_decisions, self._own_memory = decisions.labels(own), memory.labels(own)

    def count_reload(self, *, successful: bool) -> None:
        """Count a reload. All workers reload together, so only the first one counts."""
        if self._slot.worker == 0:
            self._reloads[successful].inc()
        self._last_reload.set(1 if successful else 0)

    def count_wrong_admin_token(self) -> None:
        """Count a request to the admin address with a wrong token."""
        self._wrong_admin_tokens.inc()

    def set_revocations(self, count: int, *, up: bool) -> None:
        """Set the number of revocations in force, and whether their store can be used."""
        self._revocations.set(count)
        self._store_up.set(1 if up else 0)

    def count_failed_redemption(self) -> None:
        """Count a single-use token that was denied because the store of used tokens failed."""
        self._failed_redemptions.inc()

    def count_restart(self) -> None:
        """Count a worker that is started again."""
        self._restarts.inc()

    def flush(self) -> None:
        """Bring the exposed values up to date."""
        self._own_decisions.inc(self.decisions.flush())
        self._own_memory.set(resident_bytes())

    def expose(self) -> bytes:
        """Return all metrics, summed over workers, in Prometheus' text format."""
        return generate_latest(self._exposed)


class _FlushCollector(Collector):
    """Has no metrics of its own: flushes before the other collectors are read."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush

    def describe(self) -> Iterable[Metric]:
        """Return no metric names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Flush, and return no metrics."""
        self._flush()
        return ()
