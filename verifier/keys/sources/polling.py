"""Background work at a fixed interval: the task that repeats it, and the check of files.

Everything is found by looking again: due work by comparing times, changed files by comparing what
``stat`` says. Nothing depends on a timer or a file event that could get lost. Network mounts and
Kubernetes volumes send no file events, and a test can call ``tick`` itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from verifier.background import start_task
from verifier.keys.sources.base import Timing
from verifier.log import log_internal_error, traceback_summary

POLL_SECONDS: Final = 1.0

FileSignature: TypeAlias = tuple[tuple[str, int, int, int, int] | None, ...]
"""Real path, device, inode, modification time and size of each file; None for a missing file."""


class PollingTask:
    """Calls ``tick`` at a fixed interval until it is closed.

    Args:
        name: A fixed phrase for the log.
        tick: Does what is due.
        timing: The clocks.
        interval: The pause between two calls, seconds.
    """

    def __init__(
        self,
        name: str,
        tick: Callable[[], Awaitable[None]],
        timing: Timing,
        interval: float = POLL_SECONDS,
    ) -> None:
        self._name = name
        self._tick = tick
        self._sleep = timing.sleep
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task; the event loop makes the first call in its next turn."""
        self._task = start_task(self._run(), self._name)

    async def close(self) -> None:
        """End the task, even in the middle of a call."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._tick()
            except Exception as error:  # noqa: BLE001  # after a bug, keys must still be refreshed
                log_internal_error(traceback_summary(error), work=self._name)
            await self._sleep(self._interval)


class FileWatch:
    """Finds out whether files have changed since they were last read.

    =========  =========================================  ==================================
    state      meaning                                    next state
    =========  =========================================  ==================================
    unchanged  the files look as when they were read      a check finds a difference: changing
    changing   the last check found a difference          the next check finds the same files:
                                                          stable; other files: changing
    stable     two checks in a row agree; ``changed``     unchanged
               returns True
    =========  =========================================  ==================================

    Two checks must agree because a program may still be writing a file at the first check.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._last_read: FileSignature = _signature(self._paths)
        self._last_seen = self._last_read

    async def changed(self) -> bool:
        """Check the files; return True once for every change, when two checks agree."""
        if not self._paths:
            return False
        before = self._last_seen
        # In a thread: stat on a network mount can block for minutes.
        self._last_seen = await asyncio.to_thread(_signature, self._paths)
        if self._last_seen == self._last_read or self._last_seen != before:
            return False
        self._last_read = self._last_seen
        return True


def _signature(paths: Sequence[Path]) -> FileSignature:
    return tuple(map(_signature_of, paths))


def _signature_of(path: Path) -> tuple[str, int, int, int, int] | None:
    try:
        found = path.stat()
        # Kubernetes replaces a volume's files by pointing its link ``..data`` to a new directory.
        real = os.path.realpath(path)
    except OSError:
        return None
    return real, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
