"""How a process ends within a known time, whatever holds it: a collector, a disk, a resolver.

Three steps, each with its bound: requests in flight (the option ``drain_timeout``), then what waits
to be written down, then the process itself. Knows none of those things.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from verifier.log import log

CLOSING_SECONDS: Final = 5.0
"""For sinks and key sources to end, once the last request has its answer."""

_LAST_RESORT: Final = 1.0  # seconds more, and the process is gone


def longest(drain_timeout: float) -> float:
    """Give the seconds within which a process has ended that was told to."""
    return drain_timeout + CLOSING_SECONDS + _LAST_RESORT


async def apart(call: Callable[[], None]) -> None:
    """Call in a thread that nobody has to wait for: asyncio's own are joined at the end."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            call()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="closing", daemon=True).start()
    await done.wait()


def end_within(seconds: float) -> None:
    """End this process after so long at the latest.

    Python waits for every thread of an executor, and one that resolves a name takes its time.
    """
    timer = threading.Timer(seconds, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    log("the end took too long", logging.WARNING)
    os._exit(0)  # every request has its answer, or has had its time
