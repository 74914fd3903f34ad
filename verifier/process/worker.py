"""The supervisor's job: each worker runs an ``App`` in its process.

Each worker has its own event loop, keys, cached decisions and configuration. Workers share the
listening sockets, two mappings of memory (``WorkerCounters`` and ``MetricMemory``), and a directory
with the revocations if no other store is configured.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from verifier.config import Settings
from verifier.log import (
    configure_logging,
    log_internal_error,
    set_common_fields,
    traceback_summary,
)
from verifier.observability.metrics import Metrics
from verifier.observability.registry import MetricMemory
from verifier.process.app import App
from verifier.process.exit_status import exit_status_of
from verifier.process.lifecycle import WorkerLifecycle, unpack_settings
from verifier.process.shutdown import shutdown_seconds
from verifier.process.sockets import Listeners
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity

_KILL_MARGIN = 1.0  # seconds more than a worker needs to exit by itself


class WorkerJob:
    """Implements the supervisor's ``Job``.

    Args:
        settings: The configuration that is in force.
        read: Reads the configuration again; raises ``ConfigError``.
        listeners: The sockets that the workers share.
        directory: The directory that the workers share.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        listeners: Listeners,
        directory: Path,
    ) -> None:
        self._settings = settings
        self._read = read
        self._listeners = listeners
        self._directory = directory
        self._counters = WorkerCounters(settings.workers)
        self._metric_memory = MetricMemory(settings.workers)

    def run(self, worker: int, channel: socket.socket, heartbeat_interval: float) -> int:
        """Run a worker until a signal or the supervisor's death ends it; returns the status."""
        set_common_fields(worker=worker)
        lifecycle = WorkerLifecycle(channel, heartbeat_interval)

        def run_app() -> int:
            # An operator or a clean-up job may have removed it.
            self._directory.mkdir(mode=0o700, exist_ok=True)
            metrics = Metrics(self._metric_memory, worker)
            identity = WorkerIdentity(worker, self._counters, self._directory)
            app = App(self._settings, self._read, self._listeners, metrics, lifecycle, identity)
            return asyncio.run(app.run())

        try:
            return exit_status_of(run_app)
        finally:
            if lifecycle.orphaned:  # the supervisor, which removes the directory, is dead
                shutil.rmtree(self._directory, ignore_errors=True)

    def shutdown_seconds(self) -> float:
        """Return the seconds after which the supervisor kills a worker that has not ended."""
        return shutdown_seconds(self._settings.drain_timeout) + _KILL_MARGIN

    def clean_up_after(self, worker: int) -> None:
        """Count the restart, and reset the gauges of the dead worker."""
        Metrics(self._metric_memory, worker).count_restart()

    def configuration_replaced(self, packed: bytes) -> None:
        """Use the configuration that a worker has handed over for workers started later."""
        try:
            self._settings = unpack_settings(packed)
        except Exception as error:  # noqa: BLE001  # a bug must not end the supervisor
            log_internal_error(traceback_summary(error), work="configuration of a worker")
            return
        configure_logging(self._settings.log_format, self._settings.log_level)

    def close_listeners(self) -> None:
        """Close the listening sockets in the supervisor; the workers close their own copies."""
        self._listeners.close_sockets()
