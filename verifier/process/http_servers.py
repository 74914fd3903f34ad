"""The HTTP servers of one process: started once, and drained at the end.

A server lives as long as the process, and a reload replaces the services. The old services answer a
request that began before the reload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from verifier.http.admin.api import AdminService
from verifier.http.decision_service import DecisionService
from verifier.http.server import HttpServer
from verifier.log import log, log_internal_error
from verifier.process.service_factory import Services
from verifier.process.sockets import Listener, Listeners
from verifier.version import VERSION

# Connections that a single process accepts before it answers requests again.
_ACCEPTED_AT_ONCE: Final = 16


class HttpServers:
    """The servers of both listeners.

    Args:
        listeners: Where connections are accepted.
        shared: Whether other workers accept from the same listeners; each takes one connection at
            a time then (see ``sockets``).
    """

    def __init__(self, listeners: Listeners, *, shared: bool) -> None:
        self._listeners = listeners
        self._accepted_at_once = 1 if shared else _ACCEPTED_AT_ONCE
        self._admin = HttpServer(takes_body=AdminService.takes_body, report=log_internal_error)
        self._decisions = HttpServer(
            takes_body=DecisionService.takes_body, report=log_internal_error
        )
        self._acceptors: list[asyncio.Server] = []

    def use(self, services: Services) -> None:
        """Have these services answer from the next request on."""
        self._admin.respond = services.admin.respond
        self._decisions.respond = services.decisions.respond

    async def start(self) -> None:
        """Accept connections on every address.

        Raises:
            OSError: a socket cannot be listened on.
        """
        # /readyz must not be 200 before decisions are made.
        await self._start(self._decisions, self._listeners.decisions)
        await self._start(self._admin, self._listeners.admin)
        log(
            "serving",
            version=VERSION,
            listen=[str(listener) for listener in self._listeners.decisions],
            admin_listen=[str(listener) for listener in self._listeners.admin],
        )

    async def _start(self, server: HttpServer, listeners: Iterable[Listener]) -> None:
        loop = asyncio.get_running_loop()
        for listener in listeners:
            self._acceptors.append(
                await loop.create_server(server, sock=listener, backlog=self._accepted_at_once)
            )

    async def drain(self, drain_timeout: float) -> None:
        """Stop accepting, and answer the requests in flight.

        Args:
            drain_timeout: The longest time for that, in seconds; then connections are closed.
        """
        await self._stop_accepting()
        try:
            async with asyncio.timeout(drain_timeout):
                # All addresses at the same time, because they share the timeout.
                await asyncio.gather(self._admin.close(), self._decisions.close())
        except TimeoutError:
            count = self._admin.abort() + self._decisions.abort()
            log("drain timeout: connections closed", logging.WARNING, count=count)

    async def _stop_accepting(self) -> None:
        """Accept no more connections, and lose none that was accepted.

        asyncio drops a connection that it has accepted if its server is closed before the next
        round of the event loop.
        """
        loop = asyncio.get_running_loop()
        for acceptor in self._acceptors:
            for listener in acceptor.sockets:
                loop.remove_reader(listener)
        for _ in range(2):
            await asyncio.sleep(0)
        for acceptor in self._acceptors:
            acceptor.close()
