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
import copyreg
import os
import pickle
import socket
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, Protocol

from verifier.config import Settings
from verifier.process.systemd import Notifier

LISTENING: Final = b"listening"
"""The worker's start is over, and the worker accepts connections."""

RELOADED: Final = b"reloaded"
"""The worker has replaced its configuration; a descriptor of the new one comes with the message."""

RELOAD_REFUSED: Final = b"refused"
"""The worker was told to replace its configuration, and keeps the old one."""

HEARTBEAT: Final = b"alive"
"""The worker's event loop runs."""

MESSAGE_BYTES: Final = 64 * 1024
"""Upper bound on the length of a message."""

_HEARTBEATS_PER_WATCHDOG: Final = 3  # two heartbeats in a row may be late


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# pickle does not find this class by its name.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))


def pack_settings(settings: Settings) -> bytes:
    """Return the settings as bytes for ``unpack_settings`` in the supervisor.

    The supervisor does not read the configuration itself, because a disk that does not respond
    would block it. A worker hands over what it has read.
    """
    return pickle.dumps(settings)


def unpack_settings(packed: bytes) -> Settings:
    """Return the settings that a worker has handed over."""
    # A worker is trusted with pickle: it runs as the same user, and has the same secrets.
    settings = pickle.loads(packed)  # noqa: S301
    if not isinstance(settings, Settings):
        raise TypeError("expected settings")
    return settings


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

    def reloaded(self, settings: Settings | None) -> None:
        """Report the end of a reload: the settings that are used now; None if it was refused."""

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

    def reloaded(self, settings: Settings | None) -> None:
        """Report that the reload is over."""
        self._notifier.serving(reload_refused=settings is None)

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

    def reloaded(self, settings: Settings | None) -> None:
        """Report whether this worker has replaced its configuration, and pass on the new one."""
        if settings is None:
            self._send(RELOAD_REFUSED)
            return
        with contextlib.suppress(OSError), os.fdopen(os.memfd_create("settings"), "wb") as file:
            file.write(pack_settings(settings))
            file.flush()
            socket.send_fds(self._channel, [RELOADED], [file.fileno()])

    def stopping(self, seconds: float) -> None:
        """Report nothing: the supervisor told the workers to stop, and knows it."""

    def on_supervisor_death(self, callback: Callable[[], None]) -> None:
        """Call back in the running event loop when the supervisor has died."""
        loop = asyncio.get_running_loop()
        self._channel.setblocking(False)
        loop.add_reader(self._channel, self._read, callback)

    def _read(self, callback: Callable[[], None]) -> None:
        # The supervisor never sends, so a read can only find the end of the stream. This is a reset
        # if the supervisor died before it had read all reports.
        try:
            ended = not self._channel.recv(MESSAGE_BYTES)
        except ConnectionResetError:
            ended = True
        if ended:
            asyncio.get_running_loop().remove_reader(self._channel)
            self.orphaned = True
            callback()

    def _send(self, message: bytes) -> None:
        # A send fails if the supervisor is dead, which `_read` notices too, or if the supervisor
        # does not read. Neither may stop the worker from answering requests.
        with contextlib.suppress(OSError):
            self._channel.send(message)
