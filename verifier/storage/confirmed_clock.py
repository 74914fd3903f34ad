"""The clock by which stores delete what has ended.

A deletion cannot be taken back. If the system clock jumps forward and is corrected later, a record
that was deleted meanwhile is missing: a revoked or used token is accepted again. Deletions
therefore use a time that the system clock has already shown for an hour, by the monotonic clock,
which never jumps. So a jump that is corrected within an hour deletes nothing, and nothing is
deleted in the first hour of a process, whose clock may be wrong from the start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

_CONFIRMATION: Final = 3_600.0  # seconds


class ConfirmedClock:
    """Unix time, seconds, that is an hour or more behind, and does not follow short jumps.

    Args:
        clock: Unix time, seconds.
        monotonic: The time by the monotonic clock, seconds.
    """

    def __init__(
        self, clock: Callable[[], float], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._confirmed = -math.inf
        self._noted, self._noted_at = clock(), monotonic()

    def __call__(self) -> float:
        """Return the time; minus infinity in the first hour. Call it every few minutes."""
        now, monotonic = self._clock(), self._monotonic()
        if monotonic - self._noted_at >= _CONFIRMATION:
            self._confirmed = self._noted
            self._noted, self._noted_at = now, monotonic
        # A clock that was set back proves that the time before was wrong.
        return min(self._confirmed, self._noted, now)
