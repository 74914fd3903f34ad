"""A source's work in the background: one task that looks every second for what is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from verifier.keys.model import Source
from verifier.keys.sources.settings import Timing
from verifier.log import log

TICK: Final = 1.0  # seconds


class PollingTask:
    """Calls ``tick`` again and again until it is closed.

    A plain beat instead of timers: what is due follows from the clock alone, so that nothing can
    be forgotten, and a test can beat for itself.
    """

    def __init__(
        self,
        name: Source,
        tick: Callable[[], Awaitable[None]],
        timing: Timing,
        pause: float = TICK,
    ) -> None:
        self._name: Source = name
        self._tick = tick
        self._sleep = timing.sleep
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first call comes as soon as the event loop turns."""
        self._task = asyncio.create_task(self._run(), name=f"{self._name} keys")

    async def close(self) -> None:
        """Stop, also in the middle of a call."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._tick()
            except Exception as error:  # noqa: BLE001  # keys must stay fresh after a bug as well
                kind = type(error).__name__
                log("keys: internal error", logging.ERROR, source=self._name, error=kind)
            await self._sleep(self._pause)
