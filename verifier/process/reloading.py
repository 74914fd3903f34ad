"""When the configuration is read again, what follows from a failure, and which are reported.

A reload begins at SIGHUP, when the file of a secret changes, and some time after a failure:

========== ============================================== =====================================
state      event                                          next state
========== ============================================== =====================================
succeeded  a reload fails; it is reported                 failing, next attempt after 2 s
failing    the time has come, and the attempt fails;      failing, after twice the pause, at
           reported only if the reason is another one     most 60 s
failing    SIGHUP or a changed file, and the reload       failing, next attempt after 2 s
           fails; it is reported
failing    a reload succeeds                              succeeded
========== ============================================== =====================================

An attempt may succeed without a change of the files: a disk responds again, or a directory exists
that was missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Final

from verifier.config import Settings
from verifier.keys.sources.polling import FileWatch
from verifier.log import log, traceback_summary
from verifier.observability.metrics import Metrics
from verifier.process.blocking import READ_SECONDS, BoundedReader, not_in_time, start_blocking
from verifier.process.exit_status import CONFIGURATION_ERRORS
from verifier.process.lifecycle import Lifecycle

_FILE_POLL_SECONDS: Final = 2.0
_FIRST_PAUSE: Final = 2.0  # seconds
_LONGEST_PAUSE: Final = 60.0


class ReloadRetry:
    """The next attempt of a reload.

    Args:
        clock: Monotonic time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._due_at: float | None = None
        self._reason = ""

    @property
    def is_due(self) -> bool:
        """Whether a reload that failed should be tried again now."""
        return self._due_at is not None and self._clock() >= self._due_at

    def failed(self, reason: str, *, again: bool) -> bool:
        """Plan the next attempt; return whether to report this failure.

        Args:
            reason: Why the reload failed.
            again: Whether this was such an attempt, and not a reload for SIGHUP or a change.
        """
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if again else _FIRST_PAUSE
        self._due_at = self._clock() + self._pause
        known, self._reason = self._reason, reason
        return not again or reason != known

    def succeeded(self) -> None:
        """Plan no further attempt."""
        self._due_at = None


class Reloading:
    """Reads the configuration again, and has the process use it.

    Args:
        settings: The configuration to start with.
        read: Reads the configuration; raises ``ConfigError``.
        prepare: Opens what other settings need, or raises an error; returns the function that makes
            the process use them.
        metrics: Counts reloads.
        lifecycle: Receives the reports of this process.

    Attributes:
        settings: The configuration in use.
        lock: Is held while a reload runs.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        prepare: Callable[[Settings], Awaitable[Callable[[], None]]],
        metrics: Metrics,
        lifecycle: Lifecycle,
    ) -> None:
        self.settings = settings
        self.lock = asyncio.Lock()
        self._reader = BoundedReader(read)
        self._prepare = prepare
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._retry = ReloadRetry()
        self._is_waiting = False  # a reload was requested and has not begun

    async def reload(self) -> None:
        """Read the configuration again. Several calls before a reload begins are one reload."""
        if self._is_waiting:
            return
        self._is_waiting = True
        async with self.lock:
            self._is_waiting = False
            self._lifecycle.reloading()
            await self._try()

    async def watch_files(self) -> None:
        """Reload when the file of a secret changes; key files are watched by their key source.

        A watch alone is not enough. A file may change after it was read and before the watch
        begins. To find this, the method reads the configuration and compares it with the one in
        use. After a reload that failed, it tries again.
        """
        while True:
            settings = self.settings
            every = (settings, *settings.hosts.values())
            key_files = {path for each in every for path in each.public_keys.values()}
            paths = [path for path in settings.watched_files if path not in key_files]
            watch = await start_blocking(partial(FileWatch, paths), "watch of files")
            outdated = await self._is_outdated(settings)
            while settings is self.settings:
                if outdated or await watch.changed():
                    outdated = False
                    await self.reload()
                elif self._retry.is_due and not self.lock.locked():
                    async with self.lock:
                        await self._try(again=True)
                await asyncio.sleep(_FILE_POLL_SECONDS)

    async def _try(self, *, again: bool = False) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                settings = await self._reader.read()
                use = await self._prepare(settings)
        except Exception as error:  # noqa: BLE001  # a bug must not end the process either
            self._report_failure(not_in_time() if type(error) is TimeoutError else error, again)
            return
        # An error from here on is a bug that leaves the process half changed. It ends the process.
        use()
        self.settings = settings
        self._retry.succeeded()
        self._metrics.count_reload(successful=True)
        log("configuration reloaded")
        self._lifecycle.reloaded(settings)

    def _report_failure(self, error: Exception, again: bool) -> None:
        explained = isinstance(error, CONFIGURATION_ERRORS)
        text = str(error) if explained else traceback_summary(error)
        if self._retry.failed(text, again=again):
            log("configuration not reloaded", logging.ERROR, error=text)
        self._metrics.count_reload(successful=False, again=again)
        if not again:
            self._lifecycle.reloaded(None)

    async def _is_outdated(self, settings: Settings) -> bool:
        """Return whether the configuration differs from these settings, or cannot be read."""
        if not settings.watched_files:
            return False
        try:
            return await self._reader.read() != settings
        except Exception:  # noqa: BLE001  # the reload will meet it too, and report it
            return True
