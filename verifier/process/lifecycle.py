"""Whoever started a process that answers, and wants to know how it fares.

For a worker that is the supervisor (``channel.Supervised``); for the only process there is, the
service manager, if any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from verifier.process.systemd import Notifier

_BEATS: Final = 3  # within the time that the manager gives: two may be late


class Lifecycle(Protocol):
    """Takes note of what a process does."""

    @property
    def beat(self) -> float | None:
        """How often, seconds, a sign of life is wanted; None for never."""

    def alive(self) -> None:
        """Take note that the event loop turns."""

    def listening(self) -> None:
        """Take note that connections are accepted from now on."""

    def reloading(self) -> None:
        """Take note that the configuration is being read again."""

    def reloaded(self, *, successful: bool) -> None:
        """Take note whether a configuration that was read again has replaced the one before."""

    def stopping(self, seconds: float) -> None:
        """Take note that the end has begun, and how many seconds it may take."""

    def when_alone(self, call: Callable[[], None]) -> None:
        """Call back, in the running loop, once nobody oversees this process any more."""


class StandaloneLifecycle:
    """The overseer of the only process there is.

    Args:
        manager: The service manager.
    """

    def __init__(self, manager: Notifier) -> None:
        self._manager = manager

    @property
    def beat(self) -> float | None:
        """How often, seconds, the manager's watchdog is to be fed."""
        watchdog = self._manager.watchdog
        return None if watchdog is None else watchdog / _BEATS

    def alive(self) -> None:
        """Feed the watchdog."""
        self._manager.alive()

    def listening(self) -> None:
        """Tell that the start is over."""
        self._manager.ready("serves")

    def reloading(self) -> None:
        """Tell that a reload has begun."""
        self._manager.reloading()

    def reloaded(self, *, successful: bool) -> None:
        """Tell that it is over."""
        self._manager.ready(served(reloaded=successful))

    def stopping(self, seconds: float) -> None:
        """Tell that the end has begun."""
        self._manager.stopping(seconds)

    def when_alone(self, call: Callable[[], None]) -> None:
        """Never call: being alone is nothing new."""


def served(*, reloaded: bool) -> str:
    """Put into words how a reload went, for the service manager."""
    return "serves" if reloaded else "serves; the last reload was refused, the log says why"
