"""How a process ends within a known time, even if a collector, a disk or a resolver blocks.

The shutdown has three phases, and each has an upper bound:

1. Requests in flight are answered, within the option ``drain_timeout`` (``http_servers``).
2. Sinks and key sources are closed, within ``CLOSING_SECONDS`` (``app``).
3. The process exits, by itself or through ``exit_within``, ``_EXIT_MARGIN`` seconds later.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from verifier.log import log

CLOSING_SECONDS: Final = 5.0
"""The longest time for closing sinks and key sources, after the last request was answered."""

_EXIT_MARGIN: Final = 1.0  # seconds


def shutdown_seconds(drain_timeout: float) -> float:
    """Return the seconds from SIGTERM within which the process has ended."""
    return drain_timeout + CLOSING_SECONDS + _EXIT_MARGIN


def exit_within(seconds: float, status: int = 0) -> None:
    """Exit this process with a status after so many seconds, if it has not ended by itself.

    At its end, Python waits for every thread of an executor. A thread that resolves a host name
    can take minutes, and cannot be interrupted.
    """
    timer = threading.Timer(seconds, _exit, [status])
    timer.daemon = True
    timer.start()


def _exit(status: int) -> None:
    log("shutdown timeout: process exits", logging.WARNING)
    # Without a failure, the status is 0: every request in flight was answered, or had the time that
    # the operator allows.
    os._exit(status)
