"""Keeps other processes out of this process' memory, which holds secrets and tokens in clear text.

This module knows no secret, and does not know which command runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # <linux/prctl.h>


def protect_memory() -> None:
    """Forbid core files of this process, and access to its memory by other processes.

    On Linux, ``/proc/PID/environ``, ``mem``, ``maps`` and ``fd`` are closed to other processes of
    the same user afterwards, and debuggers cannot attach; root still can (prctl(2),
    PR_SET_DUMPABLE). A handler in ``kernel.core_pattern`` gets no dump either, which the resource
    limit on core files alone would not prevent. A forked process keeps this protection; a program
    that is executed does not. Other systems have the limit on core files only.
    """
    # A ValueError means that the hard limit is lower already: it is 0.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Systems other than Linux have no prctl in their C library.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, *(ctypes.c_ulong(0),) * 4)
