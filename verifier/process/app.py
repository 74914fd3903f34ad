"""Composition root of one serving process. It does not know whether other workers exist.

The parts of a process have two lifetimes (see ``resources``). This module opens, replaces and
closes them:

**Start.** The stores are opened first, because no request may be answered before the revocations
are known. The resources and the services of the configuration follow, and the listeners come last.

**Reload**, at SIGHUP or when the file of a secret changes. The order makes a failure harmless:

1. read the configuration, in a thread, because the files may be on a disk that does not respond;
2. check that the listeners, which a reload does not move, are still protected;
3. open the new resources: sinks and key sources; the new key sources copy the known keys;
4. from now on, the new key sources set the metrics;
5. the old resources are closed after ``key_fetch_timeout``, when no request waits for them;
6. new services and an empty cache replace the old ones, between two requests.

Only steps 1 to 3 can fail, or take longer than ``READ_SECONDS``. The process then goes on with
everything that it had, and tries again later (``reloading``).

**Shutdown**, at SIGTERM, SIGINT or when the supervisor has died. The listeners are closed and the
requests in flight are answered, then the tasks, the resources and the stores are closed;
``shutdown`` says how long each phase may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from verifier.background import handle_errors, start_task
from verifier.config import Settings
from verifier.keys.sources.http import open_session
from verifier.log import configure_logging, log
from verifier.observability.metrics import Metrics
from verifier.process.http_servers import HttpServers
from verifier.process.lifecycle import UNSUPERVISED, Lifecycle
from verifier.process.reloading import Reloading
from verifier.process.resources import ConfiguredResources, open_resources
from verifier.process.service_factory import build_services
from verifier.process.shutdown import CLOSING_SECONDS, exit_within, shutdown_seconds
from verifier.process.sockets import Listeners
from verifier.process.state import ProcessState
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity

# Short, because a scrape by one worker shows what the others have published by then, and because a
# worker that is killed loses what it has counted since.
_METRICS_SECONDS: Final = 0.25
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_HANDLED_SIGNALS: Final = (*_STOP_SIGNALS, signal.SIGHUP)


class App:
    """One serving process: its parts, and how a reload replaces them.

    Args:
        settings: The configuration to start with.
        read: Reads the configuration again; raises ``ConfigError``.
        listeners: Where connections are accepted.
        metrics: Counts what happens.
        lifecycle: Receives the reports of this process.
        identity: The worker that this process is.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # everything that differs between processes
        self,
        settings: Settings,
        read: Callable[[], Settings],
        listeners: Listeners,
        metrics: Metrics,
        lifecycle: Lifecycle = UNSUPERVISED,
        identity: WorkerIdentity = SINGLE_WORKER,
    ) -> None:
        self._settings = self._settings_at_start = settings
        self._listeners = listeners
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._state = ProcessState(settings, metrics, identity)
        self._servers = HttpServers(listeners, shared=settings.workers > 1)
        self._stop = asyncio.Event()
        self._reloading = Reloading(settings, read, self._prepare, metrics, lifecycle)
        self._tasks: set[asyncio.Task[None]] = set()
        self._exit_status = 0

    async def run(self) -> int:
        """Serve, reload on SIGHUP, and drain on SIGTERM or SIGINT.

        Returns:
            The exit status: 0, or 1 if a background task or thread has failed.

        Raises:
            KeySourceError: a configured key cannot be used.
            SinkError: the audit log or the trace exporter cannot be opened.
            StoreConfigError: the configured store of revocations cannot be used.
            OSError: a socket cannot be listened on.
        """
        handle_errors(self._fail)
        self._lifecycle.on_supervisor_death(self._stop.set)
        async with open_session() as session, contextlib.AsyncExitStack() as stack:
            self._session = session
            self._handle_signals()
            self._spawn(self._send_heartbeats(), "heartbeats")
            async with self._reloading.lock:  # a reload requested by now begins after the start
                await stack.enter_async_context(self._state.open_stores())
                self._resources = await open_resources(self._settings, self._state, session)
                stack.push_async_callback(self._close)
                self._install(self._settings)
            await self._servers.start()
            # The timeout is looked up at the end, because a reload may have changed it.
            stack.push_async_callback(lambda: self._servers.drain(self._settings.drain_timeout))
            self._lifecycle.listening()
            self._spawn(self._reloading.watch_files(), "watch of files")
            self._spawn(self._publish_metrics(), "metrics")
            # Almost all objects that exist now live as long as the process. The garbage collector
            # spends no time on frozen objects.
            gc.collect()
            gc.freeze()
            await self._stop.wait()
            log("stopping")
            seconds = shutdown_seconds(self._settings.drain_timeout)
            exit_within(seconds, self._exit_status)
            self._lifecycle.stopping(seconds)
        return self._exit_status

    def _fail(self) -> None:
        """End the process: background work that the service needs has failed."""
        self._exit_status = 1
        self._stop.set()

    async def reload(self) -> None:
        """Read the configuration again, and use it."""
        await self._reloading.reload()

    async def _prepare(self, settings: Settings) -> Callable[[], None]:
        """Open what other settings need; return the function that makes the process use them."""
        self._listeners.check(settings)
        resources = await open_resources(settings, self._state, self._session, self._resources)
        return partial(self._use, settings, resources)

    def _use(self, settings: Settings, resources: ConfiguredResources) -> None:
        replaced, self._resources = self._resources, resources
        resources.resolvers.take_over_metrics(replaced.resolvers)
        self._spawn(replaced.close_after(self._settings.key_fetch_timeout), "end of old resources")
        self._warn_of_restart_options(settings)
        configure_logging(settings.log_format, settings.log_level)
        self._install(settings)

    def _warn_of_restart_options(self, settings: Settings) -> None:
        started = self._settings_at_start
        if (settings.listen, settings.admin_listen) != (started.listen, started.admin_listen):
            log("restart needed: listen addresses changed", logging.WARNING)
        if settings.revocation_store != started.revocation_store:
            log("restart needed: revocation_store changed", logging.WARNING)
        if settings.workers != started.workers:
            log("restart needed: number of workers changed", logging.WARNING)

    def _install(self, settings: Settings) -> None:
        """Use these settings from the next request on.

        There is no await here, so no request can find the new cache with the old services.
        """
        self._settings = settings
        self._state.renew_cache(settings)
        self._metrics.set_report_only(settings.mode == "report-only")
        self._servers.use(build_services(settings, self._state, self._resources))
        for notice in settings.notices:
            log("configuration notice", logging.WARNING, notice=notice)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(
            signal.SIGHUP, lambda: self._spawn(self._reloading.reload(), "reload")
        )
        # ``main`` and the supervisor have blocked the signals until a handler exists.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED_SIGNALS)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = start_task(work, name)
        self._tasks.add(task)  # for ``_close``
        task.add_done_callback(self._tasks.discard)

    async def _send_heartbeats(self) -> None:
        """Send heartbeats from the event loop itself, because a blocked loop must send none."""
        while self._lifecycle.heartbeat_interval is not None:
            self._lifecycle.heartbeat()
            await asyncio.sleep(self._lifecycle.heartbeat_interval)

    async def _publish_metrics(self) -> None:
        """Bring the values up to date that all workers read, and drop revocations that ended."""
        revocations = self._state.revocations
        while True:
            revocations.purge()
            up = revocations.store.problem is None
            self._metrics.set_revocations(len(revocations), up=up)
            self._metrics.flush()
            await asyncio.sleep(_METRICS_SECONDS)

    async def _close(self) -> None:
        """Close tasks and resources, but no longer than ``CLOSING_SECONDS``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                for task in tuple(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self._resources.close()
        self._metrics.flush()
