"""The logs that a command line names, opened one at a time: there may be hundreds."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from errno import EISDIR
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

from verifier.cli.arguments import UsageError
from verifier.replay import LogLines

_STANDARD_INPUT: Final = "-"


def size_of(name: str) -> int | None:
    """Say how many bytes a log has, if that is known; see that it can be read.

    Raises:
        UsageError: it cannot.
    """
    if name == _STANDARD_INPUT:
        _standard_input()
        return None
    try:
        status = os.stat(name)  # noqa: PTH116  # a Path would take "" for the folder
        if S_ISDIR(status.st_mode):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if not S_ISREG(status.st_mode):
            return None
        Path(name).open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no file can have this name"
        raise UsageError(f"{name}: {why}; expected a log file that can be read, or -") from None
    return status.st_size


def _standard_input() -> io.BufferedIOBase:
    buffer = getattr(sys.stdin, "buffer", None)
    if not isinstance(buffer, io.BufferedIOBase):
        raise UsageError("'-': there is no standard input")
    return buffer


@contextmanager
def opened(name: str) -> Iterator[LogLines]:
    """Open a log; of one that has gone since it was looked at, the lines know that."""
    if name == _STANDARD_INPUT:
        yield LogLines(_standard_input().read1)
        return
    read: Callable[[int], bytes]
    with ExitStack() as stack:
        try:
            read = stack.enter_context(Path(name).open("rb", buffering=0)).read
        except OSError as error:
            read = _failing(error)
        yield LogLines(read)


def _failing(error: OSError) -> Callable[[int], bytes]:
    def read(_size: int) -> bytes:
        raise error

    return read
