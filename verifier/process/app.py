"""One process that answers: its parts, and the signals that change and end them.

Nothing else builds parts. Whether it is the only process, it does not know; ``serve`` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from aiohttp import web

from verifier.config import ConfigError, Settings
from verifier.decisions.bypass import Bypass
from verifier.decisions.cache import DecisionCache
from verifier.decisions.hosts import Hosts
from verifier.decisions.throttle import SignatureThrottle
from verifier.decisions.verifier import Verifier
from verifier.http.admin.api import AdminService
from verifier.http.admin.revocations import RevocationsEndpoint
from verifier.http.fast_lane import Deliver, Later
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import derive_key
from verifier.http.pages import Pages
from verifier.http.proxy_auth import GateOptions
from verifier.http.server import HardenedServer
from verifier.http.service import DecisionService
from verifier.keys.resolver import KeyResolvers
from verifier.keys.sources.base import KeySourceError, SourceContext
from verifier.keys.sources.http import open_session
from verifier.keys.sources.polling import FileWatch
from verifier.log import configure, log, log_bug, traceback_summary
from verifier.observability.decision_log import DecisionLog
from verifier.observability.metrics import PrometheusObserver
from verifier.observability.sinks import DecisionSinks, SinkError
from verifier.process.lifecycle import Lifecycle, StandaloneLifecycle
from verifier.process.shutdown import CLOSING_SECONDS, apart, end_within, longest
from verifier.process.sockets import Listener, Listeners
from verifier.process.systemd import Notifier
from verifier.revocation.cache import RevocationCache
from verifier.revocation.stores import open_store
from verifier.single_use import SingleUse, open_redemptions
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity
from verifier.version import VERSION

_FILE_POLL_SECONDS: Final = 2.0
_METRICS_SECONDS: Final = 0.25
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
_HANDLED: Final = (*_STOPPING, signal.SIGHUP)
# At one wake-up, where no other worker would take them as well; others are answered between two.
_ACCEPTED_AT_ONCE: Final = 16
_DRAIN_BY_OURSELVES: Final = 3600.0  # seconds: the option says how long, not aiohttp


_UNSUPERVISED: Final = StandaloneLifecycle(Notifier())


class App:
    """One process: its parts, and how they are replaced while it runs.

    Args:
        settings: What to begin with.
        read: Reads the configuration again; raises ``ConfigError``.
        listeners: Where to accept connections.
        observer: Counts what happens.
        overseer: Is told how this process fares.
        sibling: Which of the service's workers it is.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # all that differs between processes
        self,
        settings: Settings,
        read: Callable[[], Settings],
        listeners: Listeners,
        observer: PrometheusObserver,
        overseer: Lifecycle = _UNSUPERVISED,
        sibling: WorkerIdentity = SINGLE_WORKER,
    ) -> None:
        self._settings = settings
        self._read = read
        self._listeners = listeners
        self._observer = observer
        self._overseer = overseer
        self._cache = DecisionCache(settings.decision_ttl, settings.decision_cache_size)
        self._observer.watch_cache_size(lambda: len(self._cache))
        self._at_start = settings
        store = open_store(settings.revocation_store, sibling)
        self._uses = open_redemptions(settings.revocation_store, sibling)
        self._revocations = RevocationCache(store, lambda: self._cache.clear())  # noqa: PLW0108  # of its time
        self._turns = SignatureThrottle()
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._asked = False  # for a reload that has not begun
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen, reload on SIGHUP, and drain on SIGTERM.

        Raises:
            KeySourceError: a configured key cannot be used.
            StoreConfigError: revocations cannot be kept where they are to be kept.
            OSError: an address cannot be listened on.
        """
        self._overseer.when_alone(self._stop.set)
        async with open_session() as session, contextlib.AsyncExitStack() as stack:
            self._session = session
            self._handle_signals()
            self._spawn(self._show_life())
            async with self._reloading:  # a reload that is asked for by now waits for its turn
                await self._start_store(stack)
                self._sinks, self._resolvers = await self._open(self._settings, None)
                stack.push_async_callback(self._close)
                self._install(self._settings)
            await stack.enter_async_context(self._listening())
            self._overseer.listening()
            self._spawn(self._watch_files())
            self._spawn(self._keep_metrics())
            # What lives now lives as long as the process: no collection needs to look at it.
            gc.collect()
            gc.freeze()
            await self._stop.wait()
            log("stopping")
            seconds = longest(self._settings.drain_timeout)
            end_within(seconds)
            self._overseer.stopping(seconds)

    async def _start_store(self, stack: contextlib.AsyncExitStack) -> None:
        stack.push_async_callback(self._uses.close)
        stack.push_async_callback(self._revocations.store.close)
        await self._revocations.store.start(self._revocations)

    async def reload(self) -> None:
        """Read the configuration again, once for all who ask before that begins.

        What is wrong leaves everything as it is.
        """
        if self._asked:
            return
        self._asked = True
        async with self._reloading:
            self._asked = False
            await self._reload()

    async def _reload(self) -> None:
        self._overseer.reloading()
        try:
            settings = await asyncio.to_thread(self._read)
            self._listeners.check(settings)
            sinks, resolvers = await self._open(settings, self._resolvers)
        except Exception as error:  # noqa: BLE001  # whatever it is, the process lives on
            known = isinstance(error, ConfigError | KeySourceError | SinkError)
            self._observer.count_reload(successful=False)
            text = str(error) if known else traceback_summary(error)
            log("configuration not reloaded", logging.ERROR, error=text)
            self._overseer.reloaded(successful=False)
            return
        replaced, self._resolvers = self._resolvers, resolvers
        resolvers.take_over_metrics(replaced)
        self._spawn(_retire(replaced, self._sinks, self._settings.key_fetch_timeout))
        self._sinks = sinks
        self._warn_of_what_stays(settings)
        configure(settings.log_format, settings.log_level)
        self._install(settings)
        self._observer.count_reload(successful=True)
        log("configuration reloaded")
        self._overseer.reloaded(successful=True)

    def _warn_of_what_stays(self, settings: Settings) -> None:
        before = self._at_start
        if (settings.listen, settings.admin_listen) != (before.listen, before.admin_listen):
            log("listen addresses change at a restart only", logging.WARNING)
        if settings.revocation_store != before.revocation_store:
            log("the store of revocations changes at a restart only", logging.WARNING)
        if settings.workers != before.workers:
            log("the number of workers changes at a restart only", logging.WARNING)

    async def _open(
        self, settings: Settings, replaced: KeyResolvers | None
    ) -> tuple[DecisionSinks, KeyResolvers]:
        """Open what can fail to open: all of it, or nothing."""
        sinks = DecisionSinks(settings.audit_log, tracing=settings.tracing)
        try:
            return sinks, await self._open_resolvers(settings, sinks, replaced)
        except BaseException:
            sinks.close()
            raise

    async def _open_resolvers(
        self, settings: Settings, sinks: DecisionSinks, replaced: KeyResolvers | None
    ) -> KeyResolvers:
        context = SourceContext(
            settings.key_source_settings(),
            sinks.key_observer(self._observer),
            lambda _key_ids: self._cache.clear(),
        )
        locations = [each.key_locations() for each in (settings, *settings.hosts.values())]
        resolvers = KeyResolvers(locations, self._session, context)
        if replaced is not None:
            resolvers.copy_from(replaced)
        await resolvers.start()
        return resolvers

    def _install(self, settings: Settings) -> None:
        """Put new parts in the place of the old ones, between two requests."""
        self._settings = settings
        self._cache = DecisionCache(settings.decision_ttl, settings.decision_cache_size)
        secret = settings.cookie_secret()
        handoff = Handoff(derive_key(secret.encode()), time.time) if secret else None
        by_host = {host: self._verifier(each) for host, each in settings.hosts.items()}
        hosts = Hosts(self._verifier(settings), by_host, strict=settings.strict_hosts)
        report_only = settings.mode == "report-only"
        self._decisions = DecisionService(
            hosts,
            self._cache,
            self._observer,
            DecisionLog(self._sinks.all, report_only=report_only),
            GateOptions(
                settings.decision_ttl,
                settings.token_cookie,
                Bypass(settings.bypass, settings.trusted_proxies),
                Pages(settings.denied_redirect_url, handoff),
                report_only,
            ),
            self._revocations.refresh,
        )
        self._admin = AdminService(
            self._observer.expose,
            self._resolvers.status,
            hosts,
            settings.admin_token,
            RevocationsEndpoint(self._revocations, time.time, settings.longest_leeway),
        )
        for notice in settings.notices:
            log("notice", logging.WARNING, notice=notice)

    def _verifier(self, settings: Settings) -> Verifier:
        resolver = self._resolvers.resolver_for(settings.key_locations())
        revoked = self._revocations.check
        once = SingleUse(self._uses, settings.single_use_window)
        single_use = None if settings.single_use == "off" else once
        return Verifier(settings.policy(), resolver, time.time, self._turns, revoked, single_use)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self.reload()))
        # Whoever started this process has kept them back until here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _show_life(self) -> None:
        """Tell from the loop itself that it turns: one that is stuck tells nothing."""
        while self._overseer.beat is not None:
            self._overseer.alive()
            await asyncio.sleep(self._overseer.beat)

    async def _close(self) -> None:
        """End all parts; who takes too long to take leave is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._close_all()
        self._observer.flush()

    async def _close_all(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._resolvers.close()
        await apart(self._sinks.close)

    async def _keep_metrics(self) -> None:
        """Hand over what was counted, for other workers may be asked for it."""
        known = self._revocations
        while True:
            known.purge(time.time())
            self._observer.set_revocations(len(known), up=known.store.problem is None)
            self._observer.flush()
            await asyncio.sleep(_METRICS_SECONDS)

    async def _watch_files(self) -> None:
        """Reload when a secret's file changes; key files are watched by their source.

        A file may have changed between its reading and the first look, and one that cannot be read
        now may become readable without changing: both are found by reading, not by looking.
        """
        while True:
            settings = self._settings
            every = (settings, *settings.hosts.values())
            keys = {path for each in every for path in each.public_keys.values()}
            watch = FileWatch([path for path in settings.watched_files if path not in keys])
            overtaken = await self._is_overtaken(settings)
            while settings is self._settings:
                if await watch.changed():
                    await self.reload()
                    overtaken = settings is self._settings
                elif overtaken and await self._is_overtaken(settings):
                    await self.reload()
                await asyncio.sleep(_FILE_POLL_SECONDS)

    async def _is_overtaken(self, settings: Settings) -> bool:
        """Tell whether the configuration can be read, and says something else by now."""
        if not settings.watched_files:
            return False
        try:
            return await asyncio.to_thread(self._read) != settings
        except Exception:  # noqa: BLE001  # the watch goes on; a reload would say what is wrong
            return False

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """Listen on every address; at the end, take no more and finish what is in flight."""
        at_once = 1 if self._at_start.workers > 1 else _ACCEPTED_AT_ONCE
        admin = HardenedServer(self._handle_admin, report=log_bug)
        gate = HardenedServer(self._handle_decision, report=log_bug, fast=self._answer_fast)
        servers = ((admin, self._listeners.admin), (gate, self._listeners.decisions))
        runners = [await _start(*each, at_once) for each in servers]
        try:
            log(
                "serving",
                version=VERSION,
                listen=[str(each) for each in self._listeners.decisions],
                admin_listen=[str(each) for each in self._listeners.admin],
            )
            yield
        finally:
            await self._drain(runners, (admin, gate))

    async def _drain(
        self, runners: Sequence[web.ServerRunner], servers: Sequence[HardenedServer]
    ) -> None:
        """Take no more; finish what is in flight, on all addresses at once."""
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                await asyncio.gather(*(runner.cleanup() for runner in runners))
        except TimeoutError:
            cut = sum(server.abort() for server in servers)
            log("requests were cut off", logging.WARNING, count=cut)

    async def _handle_decision(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._decisions.handle(request)

    def _answer_fast(
        self, head: bytes, transport: asyncio.Transport, deliver: Deliver
    ) -> bytes | Later | None:
        return self._decisions.fast_lane.answer(head, transport, deliver)

    async def _handle_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._admin.handle(request)


async def _retire(resolvers: KeyResolvers, sinks: DecisionSinks, seconds: float) -> None:
    """Close resolvers and sinks once nobody can be waiting for a fetch or write down its end."""
    try:
        await asyncio.sleep(seconds)
    finally:
        await resolvers.close()
        await apart(sinks.close)


async def _start(
    server: HardenedServer, listeners: Iterable[Listener], at_once: int
) -> web.ServerRunner:
    runner = web.ServerRunner(server, shutdown_timeout=_DRAIN_BY_OURSELVES)
    await runner.setup()
    for listener in listeners:
        await web.SockSite(runner, listener, backlog=at_once).start()
    return runner
