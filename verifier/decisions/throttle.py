"""Public-key signatures take turns, so that a flood of bad ones does not make others wait.

Checking one takes as long as answering several cached questions: the event loop does one in each
of its rounds, and everything cheap in between. Knows neither tokens nor keys.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_WAITING: Final = 1_024
"""Questions that may wait for their turn; at 0.1 ms each, the last one waits 0.1 s."""


class SignatureThrottle:
    """One turn in each round of the event loop.

    Args:
        most: How many may wait.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._taken = False
        self._queue: deque[Callable[[], None]] = deque()

    def take(self) -> bool:
        """Take this round's turn; False where it is taken, or others have waited for it."""
        if self._taken:
            return False
        self._taken = True
        asyncio.get_running_loop().call_soon(self._next)
        return True

    def queue(self, go: Callable[[], None]) -> bool:
        """Have ``go`` called when its turn has come; False where too many wait already."""
        if len(self._queue) >= self._most:
            return False
        self._queue.append(go)
        return True

    async def wait(self) -> bool:
        """Wait for a turn; False where too many wait already."""
        turn = asyncio.Event()
        if not self.queue(turn.set):
            return False
        await turn.wait()
        return True

    def _next(self) -> None:
        if not self._queue:
            self._taken = False
            return
        asyncio.get_running_loop().call_soon(self._next)
        self._queue.popleft()()
