"""The composition root: settings in, listeners out, and the signals that change them.

Nothing else builds parts or reads the environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from verifier.http.admin import AdminService
from verifier.http.bypass import Bypass
from verifier.http.connection import describe
from verifier.http.fast_lane import Deliver, Later
from verifier.http.gatekeeper import GateOptions
from verifier.http.handoff import Handoff
from verifier.http.pages import Pages
from verifier.http.server import HAS_C_PARSER, HardenedServer
from verifier.http.service import DecisionService
from verifier.shell.addresses import Address, TcpAddress
from verifier.shell.decision_cache import DecisionCache
from verifier.shell.decision_log import DecisionLog
from verifier.shell.hosts import Hosts
from verifier.shell.keysource import (
    FileWatch,
    KeySourceError,
    Rings,
    Surroundings,
    open_session,
)
from verifier.shell.logs import configure, log, log_bug
from verifier.shell.metrics import PrometheusObserver
from verifier.shell.service import Verifier
from verifier.shell.settings import ConfigError, Settings, load
from verifier.shell.turns import Turns
from verifier.shell.version import VERSION

DRAIN_SECONDS: Final = 10.0
_NO_C_PARSER: Final = (
    "aiohttp's C parser is missing (AIOHTTP_NO_EXTENSIONS, or a build without it); expected it,"
    " since the listeners rely on what it refuses"
)
_FILE_POLL_SECONDS: Final = 2.0
_SOCKET_MODE: Final = 0o666
_ADMIN_SOCKET_MODE: Final = 0o600


def serve(config: Path | None) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: The TOML file; None for the one that the environment names, if any.

    Returns:
        0 after a clean end, 78 for a bad configuration, 1 if an address cannot be listened on.
    """
    if not HAS_C_PARSER:
        print(_NO_C_PARSER, file=sys.stderr)  # noqa: T201  # before there is a log
        return os.EX_CONFIG

    def read() -> Settings:
        return load(os.environ, config, terminal=sys.stderr.isatty())

    try:
        settings = read()
        configure(settings.log_format, settings.log_level)
        asyncio.run(App(settings, read).run())
    except (ConfigError, KeySourceError) as error:
        print(error, file=sys.stderr)  # noqa: T201  # before there is a log, or instead of one
        return os.EX_CONFIG
    except OSError as error:
        log("cannot listen", logging.ERROR, error=error.strerror or str(error))
        return 1
    return 0


class App:
    """One process: its parts, and how they are replaced while it runs.

    Args:
        settings: What to begin with.
        read: Reads the configuration again; raises ``ConfigError``.
    """

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        self._settings = settings
        self._read = read
        self._observer = PrometheusObserver()
        self._cache = DecisionCache(settings.decision_ttl, settings.decision_cache_size)
        self._observer.cache_size(lambda: len(self._cache))
        self._bound = (settings.listen, settings.admin_listen)
        self._turns = Turns()
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen, reload on SIGHUP, and drain on SIGTERM.

        Raises:
            KeySourceError: a configured key cannot be used.
            OSError: an address cannot be listened on.
        """
        async with open_session() as session, contextlib.AsyncExitStack() as stack:
            self._session = session
            self._handle_signals()
            async with self._reloading:  # a reload that is asked for by now waits for its turn
                self._rings = await self._open_rings(self._settings, None)
                stack.push_async_callback(self._close)
                self._install(self._settings)
            await stack.enter_async_context(self._listening())
            self._spawn(self._watch_files())
            # What lives now lives as long as the process: no collection needs to look at it.
            gc.collect()
            gc.freeze()
            await self._stop.wait()
            log("stopping")

    async def reload(self) -> None:
        """Read the configuration again; what is wrong leaves everything as it is."""
        async with self._reloading:
            try:
                settings = await asyncio.to_thread(self._read)
                rings = await self._open_rings(settings, self._rings)
            except Exception as error:  # noqa: BLE001  # whatever it is, the process lives on
                known = isinstance(error, ConfigError | KeySourceError)
                self._observer.reloaded(successful=False)
                text = str(error) if known else describe(error)
                log("configuration not reloaded", logging.ERROR, error=text)
                return
            replaced, self._rings = self._rings, rings
            rings.take_over(replaced)
            self._spawn(_retire(replaced, self._settings.key_fetch_timeout))
            if (settings.listen, settings.admin_listen) != self._bound:
                log("listen addresses change at a restart only", logging.WARNING)
            configure(settings.log_format, settings.log_level)
            self._install(settings)
            self._observer.reloaded(successful=True)
            log("configuration reloaded")

    async def _open_rings(self, settings: Settings, replaced: Rings | None) -> Rings:
        surroundings = Surroundings(
            settings.key_source_settings(), self._observer, lambda _key_ids: self._cache.clear()
        )
        locations = [each.key_locations() for each in (settings, *settings.hosts.values())]
        rings = Rings(locations, self._session, surroundings)
        if replaced is not None:
            rings.inherit(replaced)
        await rings.start()
        return rings

    def _install(self, settings: Settings) -> None:
        """Put new parts in the place of the old ones, between two requests."""
        self._settings = settings
        self._cache = DecisionCache(settings.decision_ttl, settings.decision_cache_size)
        key = settings.handoff_key()
        by_host = {host: self._verifier(each) for host, each in settings.hosts.items()}
        hosts = Hosts(self._verifier(settings), by_host, strict=settings.strict_hosts)
        report_only = settings.mode == "report-only"
        self._decisions = DecisionService(
            hosts,
            self._cache,
            self._observer,
            DecisionLog(report_only=report_only),
            GateOptions(
                settings.decision_ttl,
                settings.token_cookie,
                Bypass(settings.bypass, settings.trusted_proxies),
                Pages(settings.denied_redirect_url, Handoff(key, time.time) if key else None),
                report_only,
            ),
        )
        self._admin = AdminService(
            self._observer.expose, self._rings.status, hosts, settings.admin_token
        )
        for notice in settings.notices:
            log("notice", logging.WARNING, notice=notice)

    def _verifier(self, settings: Settings) -> Verifier:
        ring = self._rings.of(settings.key_locations())
        return Verifier(settings.policy(), ring, time.time, self._turns)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self.reload()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rings.close()

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
        async with contextlib.AsyncExitStack() as stack:
            admin = await _start(stack, HardenedServer(self._handle_admin, report=log_bug))
            addresses, admin_address = self._bound
            await _listen(admin, admin_address, _ADMIN_SOCKET_MODE)
            gate = HardenedServer(self._handle_decision, report=log_bug, fast=self._answer_fast)
            decisions = await _start(stack, gate)
            for address in addresses:
                await _listen(decisions, address, _SOCKET_MODE)
            log(
                "serving",
                version=VERSION,
                listen=[_shown(name) for name in decisions.addresses],
                admin_listen=[_shown(name) for name in admin.addresses],
            )
            yield

    async def _handle_decision(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._decisions.handle(request)

    def _answer_fast(
        self, head: bytes, transport: asyncio.Transport, deliver: Deliver
    ) -> bytes | Later | None:
        return self._decisions.fast_lane.answer(head, transport, deliver)

    async def _handle_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._admin.handle(request)


async def _retire(rings: Rings, seconds: float) -> None:
    """Close rings once nobody can be waiting for one of its fetches any more."""
    try:
        await asyncio.sleep(seconds)
    finally:
        await rings.close()


async def _start(stack: contextlib.AsyncExitStack, server: HardenedServer) -> web.ServerRunner:
    runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def _listen(runner: web.ServerRunner, address: Address, mode: int) -> None:
    if isinstance(address, TcpAddress):
        await web.TCPSite(runner, address.host, address.port).start()
        return
    await web.UnixSite(runner, address.path).start()
    # Who may connect is for the directory to say; to nginx' user it has to be writable.
    os.chmod(address.path, mode)  # noqa: PTH101  # Path.chmod counts as blocking, as this would


def _shown(name: Any) -> str:
    return f"unix:{name}" if isinstance(name, str) else "{}:{}".format(*name[:2])
