"""What supervisor and worker say to each other: a socket pair, one packet for each message.

Its end is a message too: a worker whose supervisor has died sees the pair close and drains.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

LISTENING: Final = b"listening"
"""A worker's start is over, and it accepts connections."""
RELOADED: Final = b"reloaded"
"""A worker has replaced its configuration."""
REFUSED: Final = b"refused"
"""A worker was to replace its configuration, and keeps the one it has."""

ALIVE: Final = b"alive"
"""A worker's loop turns."""

PACKET: Final = 64 * 1024  # bytes; the longest message


def channel() -> tuple[socket.socket, socket.socket]:
    """Make the supervisor's end and the worker's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class WorkerLifecycle:
    """The worker's end.

    Args:
        end: The socket that the supervisor gave this worker.
        beat: How often, seconds, the supervisor wants a sign of life.
    """

    def __init__(self, end: socket.socket, beat: float) -> None:
        self._end = end
        self.beat: float | None = beat
        self.orphaned = False

    def alive(self) -> None:
        """Tell that this worker's loop turns."""
        self._tell(ALIVE)

    def reloading(self) -> None:
        """Tell nothing: the supervisor knows whom it has asked."""

    def stopping(self, seconds: float) -> None:
        """Tell nothing: the supervisor knows whom it has told."""

    def listening(self) -> None:
        """Tell that this worker accepts connections."""
        self._tell(LISTENING)

    def reloaded(self, *, successful: bool) -> None:
        """Tell whether this worker has replaced its configuration."""
        self._tell(RELOADED if successful else REFUSED)

    def when_alone(self, call: Callable[[], None]) -> None:
        """Call back, in the running loop, once the supervisor has died."""
        loop = asyncio.get_running_loop()
        self._end.setblocking(False)
        loop.add_reader(self._end, self._read, call)

    def _read(self, call: Callable[[], None]) -> None:
        if not self._end.recv(PACKET):
            asyncio.get_running_loop().remove_reader(self._end)
            self.orphaned = True
            call()

    def _tell(self, message: bytes) -> None:
        # A supervisor that cannot be told is dead or does not read: the first is seen elsewhere.
        with contextlib.suppress(OSError):
            self._end.send(message)
