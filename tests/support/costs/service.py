"""The service of one configuration in this process, asked by bytes, and the CPU time it takes.

Everything but the socket is real: the configuration is loaded, the resources are opened, and the
bytes of a request go to the protocol of a new connection. So a cost contains all that a client can
cause: the parser, the decision, the records and the response.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import io
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

from verifier.config import Settings, load
from verifier.http.admin import wrong_tokens
from verifier.keys.sources.http import open_session
from verifier.log import configure_logging
from verifier.observability import sinks
from verifier.observability.metrics import Metrics
from verifier.process.http_servers import HttpServers
from verifier.process.resources import open_resources
from verifier.process.service_factory import build_services
from verifier.process.sockets import Listeners
from verifier.process.state import ProcessState
from verifier.storage.worker_counters import SINGLE_WORKER

_READ_BYTES = 256 * 1024  # of one read, as in asyncio's transports
_SECONDS = 10.0  # the longest time for a response
_ENDLESS = sys.maxsize


class Service:
    """Both addresses of a service.

    Args:
        state: What the service remembers.
        decisions: Makes the protocol of a connection to the decision address.
        admin: Makes the protocol of a connection to the admin address.
    """

    def __init__(
        self,
        state: ProcessState,
        decisions: Callable[[], asyncio.Protocol],
        admin: Callable[[], asyncio.Protocol],
    ) -> None:
        self._state = state
        self._decisions = decisions
        self._admin = admin
        self._caches = _lru_caches()

    def forget(self) -> None:
        """Forget cached decisions and other results, as if each request were a new one."""
        self._state.clear_cache()
        for cache in self._caches:
            cache.cache_clear()

    async def cpu_seconds(self, request: bytes, *, admin: bool = False) -> float:
        """Return the CPU time of this process from a request's first byte to its response."""
        return (await self.ask(request, admin=admin))[0]

    async def ask(self, request: bytes, *, admin: bool = False) -> tuple[float, bytes]:
        """Send one request on a new connection; return its CPU seconds and the response.

        Raises:
            TimeoutError: There is no whole response.
        """
        protocol, transport = (self._admin if admin else self._decisions)(), _Transport()
        protocol.connection_made(transport)
        started = process_time()
        for start in range(0, len(request), _READ_BYTES):
            protocol.data_received(request[start : start + _READ_BYTES])
        if not transport.is_answered:
            async with asyncio.timeout(_SECONDS):
                await transport.answered.wait()
        seconds = process_time() - started
        transport.close()
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        return seconds, bytes(transport.sent)


class _Transport(asyncio.Transport):
    """Collects what a protocol sends, until it is one response."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 8090)})
        self.sent = bytearray()
        self.answered = asyncio.Event()
        self._closing = False

    @property
    def is_answered(self) -> bool:
        return self.answered.is_set()

    def write(self, data: Any) -> None:
        self.sent += data
        head, blank, body = self.sent.partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        lengths = [int(field[15:]) for field in fields if field.startswith(b"content-length:")]
        if blank and len(body) >= max(lengths, default=0):
            self.answered.set()

    def close(self) -> None:
        self._closing = True
        self.answered.set()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        """Do nothing: the whole request has been sent."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def is_reading(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: every byte is sent at once."""


@contextlib.asynccontextmanager
async def open_service(toml: str, folder: Path) -> AsyncIterator[Service]:
    """Open the service that a configuration describes; its log goes nowhere.

    Args:
        toml: The configuration.
        folder: An existing folder for the configuration.
    """
    file = folder / "verifier.toml"
    file.write_text(toml)
    settings = load({}, file)
    with _all_lines_formatted(settings):
        async with open_session() as session, contextlib.AsyncExitStack() as stack:
            state = ProcessState(settings, Metrics(), SINGLE_WORKER)
            await stack.enter_async_context(state.open_stores())
            resources = await open_resources(settings, state, session)
            stack.push_async_callback(resources.close)
            services = build_services(settings, state, resources)
            servers = HttpServers(Listeners(), shared=False)
            servers.use(services)
            gc.collect()
            gc.freeze()
            try:
                yield Service(state, servers._decisions, servers._admin)
            finally:
                gc.unfreeze()


@contextlib.contextmanager
def _all_lines_formatted(settings: Settings) -> Any:
    """Format every line of the log, without the limit of lines a second, and drop it.

    Wrong admin tokens are answered at once.
    """
    logger = logging.getLogger("verifier")
    handlers, root = logger.handlers[:], logging.getLogger().handlers[:]
    level, propagate = logger.level, logger.propagate
    with contextlib.redirect_stderr(io.StringIO()):
        configure_logging(settings.log_format, settings.log_level)
    for handler in logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(_Nowhere())
    try:
        with (
            patch.object(sinks, "LINES_PER_SECOND", _ENDLESS),
            patch.multiple(wrong_tokens, _FIRST_DELAY=0, _LONGEST_DELAY=0),
        ):
            yield
    finally:
        logger.handlers[:], logging.getLogger().handlers[:] = handlers, root
        logger.level, logger.propagate = level, propagate


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def _lru_caches() -> list[Any]:
    """Return the caches of functions of the verifier."""
    modules = [module for name, module in sys.modules.items() if name.startswith("verifier.")]
    found = {id(value): value for module in modules for value in vars(module).values()}
    return [value for value in found.values() if isinstance(value, functools._lru_cache_wrapper)]
