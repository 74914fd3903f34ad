"""Log files as arguments of a command: their names, or ``-`` for standard input."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from io import BufferedIOBase
from typing import Final

from verifier.cli.arguments import UsageError
from verifier.replay.log_file import LogLines, open_log, size_of_log

STANDARD_INPUT: Final = "-"
"""The argument that means standard input."""


def size_of(name: str) -> int | None:
    """Return the size of a log, bytes; None if it is not known before its end.

    Raises:
        UsageError: The log cannot be read.
    """
    if name == STANDARD_INPUT:
        _standard_input()
        return None
    try:
        return size_of_log(name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise UsageError(f"{name}: {reason}; expected a log file that can be read, or -") from None


def open_argument(name: str) -> AbstractContextManager[LogLines]:
    """Open a log whose ``size_of`` was read."""
    if name == STANDARD_INPUT:
        # read1 returns what a pipe has; read would wait until the whole chunk is there.
        return nullcontext(LogLines(_standard_input().read1))
    return open_log(name)


def _standard_input() -> BufferedIOBase:
    buffer = getattr(sys.stdin, "buffer", None)
    if not isinstance(buffer, BufferedIOBase):
        raise UsageError("'-': there is no standard input")
    return buffer
