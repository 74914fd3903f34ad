"""Keeps others out of this process' memory, where secrets and tokens are in clear.

Knows of no secret, and nothing of what it is that runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # <linux/prctl.h>


def close_memory() -> None:
    """Have no core file of this process written, and nobody but root look into it.

    On Linux ``/proc/PID/environ``, ``mem``, ``maps`` and ``fd`` are then closed to other processes
    of the same user, and so are debuggers (prctl(2), PR_SET_DUMPABLE); no handler in
    ``kernel.core_pattern`` is given a dump either, which no resource limit would prevent.
    Processes that are forked keep it, programs that are started do not. Elsewhere the limit on
    core files is all there is.
    """
    with contextlib.suppress(ValueError, OSError):  # a limit that cannot be lowered is 0 already
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(AttributeError, OSError):  # there is no such call elsewhere
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, *(ctypes.c_ulong(0),) * 4)
