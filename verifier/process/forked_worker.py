"""One worker as its supervisor sees it: a forked process, its channel and its restarts.

The states of a worker:

========= ======== ============ =========== ===================================================
state     ``pid``  ``start_at`` `listening` what ends the state
========= ======== ============ =========== ===================================================
unused    None     None         False       the first worker listens: ``waiting``, due at once
waiting   None     a time       False       the time has come: ``starting``
starting  a number None         False       LISTENING arrives: ``listening``
listening a number None         True        the process ends: ``waiting``, after a delay
========= ======== ============ =========== ===================================================

A worker whose process ends in the state ``starting`` goes back to ``waiting`` too. The supervisor
kills a process that sends no heartbeat, and so ends its state. When the service stops, no state
leads to ``waiting``.

``reload_pending`` is independent of the state: the worker was told to reload, and has not answered.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from verifier.process.lifecycle import open_channel

FORWARDED_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""The signals that a supervisor passes on to its workers."""

_FIRST_DELAY: Final = 0.1  # seconds
_LONGEST_DELAY: Final = 30.0
_HEALTHY_LIFETIME: Final = 10.0  # seconds; a worker that ran so long was in no crash loop


class Backoff:
    """The delay before a worker is started again.

    The delay doubles with each worker that ends within ``_HEALTHY_LIFETIME`` after its start.
    """

    def __init__(self) -> None:
        self._delay = 0.0

    def after(self, lifetime: float) -> float:
        """Return the delay, in seconds, after a worker that ran for ``lifetime`` seconds."""
        longer = min(self._delay * 2, _LONGEST_DELAY)
        self._delay = _FIRST_DELAY if lifetime >= _HEALTHY_LIFETIME else max(longer, _FIRST_DELAY)
        return self._delay


@dataclass(slots=True)
class ForkedWorker:
    """One of the supervisor's workers. Times are those of a monotonic clock, in seconds.

    Attributes:
        index: The number of the worker, from 0; its successors keep it.
        pid: The process id; None while there is no process.
        channel: The supervisor's end of the channel; None while there is no process.
        started_at: When the process was started.
        start_at: When the process is to be started; None if no start is planned.
        listening: Whether the worker accepts connections.
        reload_pending: Whether the answer to a reload is missing.
        last_heartbeat: When the last message of any kind came.
        backoff: The delays before restarts.
    """

    index: int
    pid: int | None = None
    channel: socket.socket | None = None
    started_at: float = 0.0
    start_at: float | None = None
    listening: bool = False
    reload_pending: bool = False
    last_heartbeat: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)

    def fork(self, now: float, run: Callable[[socket.socket], NoReturn]) -> socket.socket:
        """Start the process, and return the supervisor's end of the channel.

        Args:
            now: The time of the start.
            run: Is called in the new process, with the worker's end of the channel.

        Raises:
            OSError: the system has no resources left for another process.
        """
        ours, theirs = open_channel()
        self.started_at = self.last_heartbeat = now
        try:
            self.pid = _fork(ours, lambda: run(theirs))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.channel = ours
        return ours

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        # The kernel gives the process id to no other process before `reap` has waited for this
        # one, even if it has ended already.
        if self.pid is not None:
            os.kill(self.pid, number)

    def reap(self) -> int | None:
        """Return the exit code if the process has ended: negative for a signal; else None."""
        if self.pid is None:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def forget_process(self) -> None:
        """Close the channel; there is no process any more."""
        if self.channel is not None:
            self.channel.close()
        self.pid, self.channel, self.listening = None, None, False


def _fork(supervisor_end: socket.socket, run: Callable[[], NoReturn]) -> int:
    # Otherwise, both processes would write the text that is buffered now.
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal must wait until the worker has its own handlers. The inherited handlers would wake
    # the supervisor instead.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            supervisor_end.close()
            run()
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED_SIGNALS)
