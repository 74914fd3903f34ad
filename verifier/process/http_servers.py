"""The HTTP servers of one process: started once, and drained at the end.

A server lives as long as the process, and a reload replaces the services. The handlers therefore
look up the services for each request. The old services answer a request that began before the
reload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

from verifier.http.fast_lane import Deferred, RespondLater
from verifier.http.server import HardenedServer
from verifier.log import log, log_internal_error
from verifier.process.service_factory import Services
from verifier.process.sockets import Listener, Listeners
from verifier.version import VERSION

# Connections that a single process accepts before it answers requests again.
_ACCEPTED_AT_ONCE: Final = 16
_AIOHTTP_SHUTDOWN_SECONDS: Final = 3600.0  # never reached: ``drain`` has its own timeout


class HttpServers:
    """The servers of both listeners.

    Args:
        services: Returns the services that answer now.
        listeners: Where connections are accepted.
        shared: Whether other workers accept from the same listeners; each takes one connection at
            a time then (see ``sockets``).
    """

    def __init__(
        self, services: Callable[[], Services], listeners: Listeners, *, shared: bool
    ) -> None:
        self._services = services
        self._listeners = listeners
        self._accepted_at_once = 1 if shared else _ACCEPTED_AT_ONCE
        self._admin = HardenedServer(self._handle_admin, report=log_internal_error)
        self._decisions = HardenedServer(
            self._handle_decision, report=log_internal_error, fast_handler=self._answer_fast
        )
        self._runners: list[web.ServerRunner] = []

    async def start(self) -> None:
        """Accept connections on every address.

        Raises:
            OSError: a socket cannot be listened on.
        """
        await self._start(self._admin, self._listeners.admin)
        await self._start(self._decisions, self._listeners.decisions)
        log(
            "serving",
            version=VERSION,
            listen=[str(listener) for listener in self._listeners.decisions],
            admin_listen=[str(listener) for listener in self._listeners.admin],
        )

    async def _start(self, server: HardenedServer, listeners: Iterable[Listener]) -> None:
        runner = web.ServerRunner(server, shutdown_timeout=_AIOHTTP_SHUTDOWN_SECONDS)
        self._runners.append(runner)
        await runner.setup()
        for listener in listeners:
            await web.SockSite(runner, listener, backlog=self._accepted_at_once).start()

    async def drain(self, drain_timeout: float) -> None:
        """Stop accepting, and answer the requests in flight.

        Args:
            drain_timeout: The longest time for that, in seconds; then connections are closed.
        """
        try:
            async with asyncio.timeout(drain_timeout):
                # All addresses at the same time, because they share the timeout.
                await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        except TimeoutError:
            count = self._admin.abort() + self._decisions.abort()
            log("drain timeout: connections closed", logging.WARNING, count=count)

    async def _handle_admin(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._services().admin.handle(request)

    async def _handle_decision(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._services().decisions.handle(request)

    def _answer_fast(
        self, head: bytes, transport: asyncio.Transport, respond_later: RespondLater
    ) -> bytes | Deferred | None:
        return self._services().decisions.fast_lane.answer(head, transport, respond_later)
