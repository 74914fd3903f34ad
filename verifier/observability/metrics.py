"""The metrics of one process, and how they are exposed to Prometheus.

``decision_metrics`` has the metrics of requests, ``key_metrics`` those of keys, and this module
those of reloads, revocations and workers. ``registry`` says where the values of several workers are
kept.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from verifier.observability.decision_metrics import DecisionMetrics
from verifier.observability.key_metrics import KeyMetrics
from verifier.observability.registry import MetricMemory, Registry, resident_bytes
from verifier.version import VERSION


class Metrics:
    """All metrics of one process.

    To make this object also resets the gauges that a dead worker with the same number has left.

    Args:
        memory: The values of all workers; None for a single process.
        worker: The worker that counts.
        clock: Seconds, the same for all workers.

    Attributes:
        decisions: The metrics of decisions.
        keys: The metrics of keys.
    """

    def __init__(
        self,
        memory: MetricMemory | None = None,
        worker: int = 0,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        memory = memory or MetricMemory()
        self._registry: Final = Registry(memory, worker)
        self.decisions = DecisionMetrics(self._registry, memory.seen, clock)
        self.keys = KeyMetrics(self._registry)
        self._bind_reloads(self._registry)
        self._bind_revocations(self._registry)
        self._bind_workers(self._registry, len(memory.rows), worker)
        self._wrong_admin_tokens = self._registry.counter(
            "admin_wrong_tokens", "Requests to the admin address with a wrong admin token."
        ).value()
        build_info = self._registry.gauge("build_info", "Always 1.", "max", ["version"])
        build_info.value(VERSION).set(1)
        self._registry.expose()  # writes the texts, so that the first scrape takes no longer

    def _bind_reloads(self, registry: Registry) -> None:
        # All workers reload together, which is one reload. Each counts it, because any of them may
        # be the only one that fails, or may not run at that moment; the highest count is right.
        reloads = registry.counter(
            "config_reloads", "Configurations read again.", ["result"], over_workers="max"
        )
        self._reloads = {True: reloads.value("ok"), False: reloads.value("error")}
        self._last_reload = registry.gauge(
            "config_last_reload_successful",
            "Whether the configuration that was read last is the one in use.",
            "min",
        ).value()
        self._last_reload.set(1)
        self._report_only = registry.gauge(
            "report_only", "Whether denials are only counted and logged (mode report-only).", "max"
        ).value()
        self._report_only.set(0)

    def _bind_revocations(self, registry: Registry) -> None:
        self._revocations = registry.gauge("revocations", "Revocations in force.", "max").value()
        self._revocations.set(0)
        self._store_up = registry.gauge(
            "revocation_store_up", "Whether the last use of the revocation store succeeded.", "min"
        ).value()
        self._store_up.set(1)
        self._failed_redemptions = registry.counter(
            "failed_redemptions",
            "Single-use tokens denied because the store of used tokens failed.",
        ).value()

    def _bind_workers(self, registry: Registry, count: int, own: int) -> None:
        registry.gauge("workers", "Processes that answer.", "max").value().set(count)
        decisions = registry.counter("worker_decisions", "Decisions by worker.", ["worker"])
        memory = registry.gauge(
            "worker_resident_memory_bytes",
            "Resident memory of a worker, including pages that it shares with other processes.",
            "sum",  # each worker sets its own label only
            ["worker"],
        )
        self._restarts = registry.counter(
            "worker_restarts", "Workers that ended and were started again."
        ).value()
        by_worker = [
            (decisions.value(worker), memory.value(worker)) for worker in map(str, range(count))
        ]
        self._own_decisions, self._own_memory = by_worker[own]
        self._own_memory.set(0)

    def count_reload(self, *, successful: bool, again: bool = False) -> None:
        """Count a reload; ``again``: it failed before, and is counted already."""
        if successful or not again:
            self._reloads[successful].inc()
        self._last_reload.set(1 if successful else 0)

    def set_report_only(self, report_only: bool) -> None:
        """Set whether denials are only counted and logged."""
        self._report_only.set(1 if report_only else 0)

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
        """Return all metrics over all workers, in Prometheus' text format, version 0.0.4."""
        self.flush()
        return self._registry.expose().encode()
