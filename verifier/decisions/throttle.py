"""Checks of public-key signatures take turns: a flood of forged tokens does not delay others.

One check takes as long as several responses from the cache. The event loop makes at most one check
in each of its rounds, and does all cheap work in between. This module knows neither tokens nor
keys.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_WAITING: Final = 1_024
"""The number of checks that may wait for their turn.

A check takes about 0.03 ms with RS256 and 0.15 ms with ES256, so the last one waits about 0.03 s or
0.15 s. With ES384 or ES512, it waits about 1.5 s.
"""


class SignatureThrottle:
    """Gives one turn in each round of the event loop.

    Args:
        max_waiting: How many checks may wait.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._taken = False
        self._queue: deque[Callable[[], None]] = deque()

    def take(self) -> bool:
        """Take this round's turn; return False if it is taken, or if other checks wait."""
        if self._taken:
            return False
        self._taken = True
        asyncio.get_running_loop().call_soon(self._next)
        return True

    def queue(self, go: Callable[[], None]) -> bool:
        """Call ``go`` when its turn has come; return False if too many checks wait already."""
        if len(self._queue) >= self._max_waiting:
            return False
        self._queue.append(go)
        return True

    async def wait(self) -> bool:
        """Wait for a turn; return False if too many checks wait already."""
        turn = asyncio.Event()
        if not self.queue(turn.set):
            return False
        await turn.wait()
        return True

    def _next(self) -> None:
        if not self._queue:
            self._taken = False
            return
        # Before the check runs, because an error in the check must not stop the queue.
        asyncio.get_running_loop().call_soon(self._next)
        self._queue.popleft()()
