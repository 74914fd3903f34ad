"""Calls that may block for ever, for example on a network disk whose server is gone.

Such a call runs in a daemon thread of its own. The executor of asyncio would not do: it has few
threads, which blocked calls would use up one by one, and ``asyncio.run`` joins them at the end of
the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from verifier.config import ConfigError, Problem

T = TypeVar("T")

READ_SECONDS: Final = 30.0
"""The longest time for reading the configuration, and for opening what it names."""


def start_blocking(function: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Call a function in a daemon thread, and return a future for its result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():  # the caller may have been cancelled
            set_outcome(outcome)

    def run() -> None:
        settled: tuple[Callable[[Any], None], Any]
        try:
            settled = future.set_result, function()
        except Exception as error:  # noqa: BLE001  # passed on to the caller
            settled = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the event loop may be closed by now
            loop.call_soon_threadsafe(settle, *settled)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


class BoundedReader(Generic[T]):
    """Reads the configuration, but waits no longer than ``READ_SECONDS`` for it.

    There is one thread at most: while a call is blocked, no other one begins.

    Args:
        read: Reads the configuration.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = asyncio.Lock()
        self._running: asyncio.Future[T] | None = None

    async def read(self) -> T:
        """Return the configuration as it is now.

        Raises:
            ConfigError: the configuration is wrong, or could not be read in time.
        """
        try:
            async with asyncio.timeout(READ_SECONDS), self._lock:
                if self._running is not None:  # from a call that did not end in time
                    await asyncio.wait([self._running])
                self._running = start_blocking(self._read, "configuration")
                # asyncio would log an error for which no caller waits any more.
                self._running.add_done_callback(lambda done: done.cancelled() or done.exception())
                return await asyncio.shield(self._running)
        except TimeoutError:
            raise not_in_time() from None


def not_in_time() -> ConfigError:
    """Return the error of a disk that does not respond."""
    found = f"no end after {READ_SECONDS:g} seconds"
    expected = "files on a disk that responds"
    return ConfigError([Problem("", "reading the configuration", found, expected)])
