"""When a reload that failed is tried again, and which failures are reported.

========== ============================================== =====================================
state      event                                          next state
========== ============================================== =====================================
succeeded  a reload fails; it is reported                 failing, next attempt after 2 s
failing    the time has come, and the attempt fails;      failing, after twice the pause, at
           reported only if the reason is another one     most 60 s
failing    SIGHUP or a changed file, and the reload       failing, next attempt after 2 s
           fails; it is reported
failing    a reload succeeds                              succeeded
========== ============================================== =====================================

An attempt may succeed without a change of the files: a disk responds again, or a directory exists
that was missing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

_FIRST_PAUSE: Final = 2.0  # seconds
_LONGEST_PAUSE: Final = 60.0


class ReloadRetry:
    """The next attempt of a reload.

    Args:
        clock: Monotonic time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._due_at: float | None = None
        self._reason = ""

    @property
    def is_due(self) -> bool:
        """Whether a reload that failed should be tried again now."""
        return self._due_at is not None and self._clock() >= self._due_at

    def failed(self, reason: str, *, again: bool) -> bool:
        """Plan the next attempt; return whether to report this failure.

        Args:
            reason: Why the reload failed.
            again: Whether this was such an attempt, and not a reload for SIGHUP or a change.
        """
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if again else _FIRST_PAUSE
        self._due_at = self._clock() + self._pause
        known, self._reason = self._reason, reason
        return not again or reason != known

    def succeeded(self) -> None:
        """Plan no further attempt."""
        self._due_at = None
