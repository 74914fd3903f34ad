"""What a serving process reports about itself, and to which process.

A single process reports to systemd (``StandaloneLifecycle``). A worker reports to its supervisor
(``WorkerLifecycle``), and the supervisor reports to systemd for all workers together.

Worker and supervisor are connected by a socket pair, which keeps the boundaries of messages. Only
the worker sends messages; the supervisor uses signals. When the supervisor dies, the kernel closes
the supervisor's end. The worker then reads the end of the stream and stops, so that no worker
outlives its supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, Protocol

from verifier.process.systemd import Notifier

LISTENING: Final = b"listening"
"""The worker's start is over, and the worker accepts connections."""

RELOADED: Final = b"reloaded"
"""The worker has replaced its configuration."""

RELOAD_REFUSED: Final = b"refused"
"""The worker was told to replace its configuration, and keeps the old one."""

HEARTBEAT: Final = b"alive"
"""The worker's event loop runs."""

MESSAGE_BYTES: Final = 64 * 1024
"""Upper bound on the length of a message."""

_HEARTBEATS_PER_WATCHDOG: Final = 3  # two heartbeats in a row may be late


def open_channel() -> tuple[socket.socket, socket.socket]:
    """Return the supervisor's end and the worker's end of a new channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Lifecycle(Protocol):
    """Receives the reports of one serving process."""

    @property
    def heartbeat_interval(self) -> float | None:
        """The seconds between two heartbeats; None if no heartbeat is expected."""

    def heartbeat(self) -> None:
        """Report that the event loop runs."""

    def listening(self) -> None:
        """Report that the process accepts connections from now on."""

    def reloading(self) -> None:
        """Report that the configuration is being read again."""

    def reloaded(self, *, successful: bool) -> None:
        """Report the end of a reload, and whether it replaced the configuration."""

    def stopping(self, seconds: float) -> None:
        """Report that the shutdown has begun, and how many seconds it may take."""

    def on_supervisor_death(self, callback: Callable[[], None]) -> None:
        """Call back in the running event loop when the supervisor has died."""


class StandaloneLifecycle:
    """Reports of the only process of a service, to the service manager.

    Args:
        notifier: Sends to the service manager.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    @property
    def heartbeat_interval(self) -> float | None:
        """The seconds between two heartbeats for the service manager's watchdog."""
        watchdog = self._notifier.watchdog
        return None if watchdog is None else watchdog / _HEARTBEATS_PER_WATCHDOG

    def heartbeat(self) -> None:
        """Send a heartbeat to the watchdog."""
        self._notifier.heartbeat()

    def listening(self) -> None:
        """Report that the start is over."""
        self._notifier.serving()

    def reloading(self) -> None:
        """Report that a reload has begun."""
        self._notifier.reloading()

    def reloaded(self, *, successful: bool) -> None:
        """Report that the reload is over."""
        self._notifier.serving(reload_refused=not successful)

    def stopping(self, seconds: float) -> None:
        """Report that the shutdown has begun."""
        self._notifier.stopping(seconds)

    def on_supervisor_death(self, callback: Callable[[], None]) -> None:
        """Ignore the callback: this process has no supervisor."""


UNSUPERVISED: Final = StandaloneLifecycle(Notifier())
"""The lifecycle of a process that reports to no other program."""


class WorkerLifecycle:
    """Reports of one worker, to its supervisor.

    Args:
        channel: The worker's end of the channel.
        heartbeat_interval: The seconds between two heartbeats that the supervisor expects.

    Attributes:
        orphaned: Whether the supervisor has died.
    """

    def __init__(self, channel: socket.socket, heartbeat_interval: float) -> None:
        self._channel = channel
        self.heartbeat_interval: float | None = heartbeat_interval
        self.orphaned = False

    def heartbeat(self) -> None:
        """Report that this worker's event loop runs."""
        self._send(HEARTBEAT)

    def listening(self) -> None:
        """Report that this worker accepts connections."""
        self._send(LISTENING)

    def reloading(self) -> None:
        """Report nothing: the supervisor told the workers to reload, and knows it."""

    def reloaded(self, *, successful: bool) -> None:
        """Report whether this worker has replaced its configuration."""
        self._send(RELOADED if successful else RELOAD_REFUSED)

    def stopping(self, seconds: float) -> None:
        """Report nothing: the supervisor told the workers to stop, and knows it."""

    def on_supervisor_death(self, callback: Callable[[], None]) -> None:
        """Call back in the running event loop when the supervisor has died."""
        loop = asyncio.get_running_loop()
        self._channel.setblocking(False)
        loop.add_reader(self._channel, self._read, callback)

    def _read(self, callback: Callable[[], None]) -> None:
        # The supervisor never sends, so a read can only find the end of the stream.
        if not self._channel.recv(MESSAGE_BYTES):
            asyncio.get_running_loop().remove_reader(self._channel)
            self.orphaned = True
            callback()

    def _send(self, message: bytes) -> None:
        # A send fails if the supervisor is dead, which `_read` notices too, or if the supervisor
        # does not read. Neither may stop the worker from answering requests.
        with contextlib.suppress(OSError):
            self._channel.send(message)
