"""What workers do, and what their supervisor does for them: the seam between the two."""

from __future__ import annotations

import socket
from typing import Protocol


class Job(Protocol):
    """What the workers do, and what the supervisor does for them."""

    def work(self, worker: int, end: socket.socket, beat: float) -> int:
        """Be a worker until the end, in its own process; gives the exit status.

        The signals that the supervisor passes on are blocked until they can be handled. A sign of
        life is expected every ``beat`` seconds.
        """

    def patience(self) -> float:
        """Give the seconds that workers may take to end; then they are killed."""

    def died(self, worker: int) -> None:
        """Put right what a dead worker has left behind; it will be started again."""

    def asked(self) -> None:
        """Read the configuration that workers are about to be asked to read."""

    def reloaded(self, *, asked: bool) -> None:
        """Take what a worker has now for those that are yet to start.

        Args:
            asked: Whether it is what was read when workers were asked; else it reloaded by itself.
        """

    def release(self) -> None:
        """Let go of the listeners: the service ends."""
