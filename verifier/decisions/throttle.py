"""Expensive checks take turns: a flood of forged tokens does not delay other requests.

Checking a public-key signature takes as long as several responses from the cache. The event loop
makes a few such checks in each of its rounds, and does all cheap work in between:

=========  =======================================  ==============================================
State      A check comes                            The next round of the loop begins
=========  =======================================  ==============================================
idle       it runs at once: running                 nothing happens
running    turns and time left: it runs at once;    idle
           else it waits: waiting
waiting    it waits, or is refused if               the longest waiting checks run, as many as the
           ``max_waiting`` checks wait              round has turns and time for; if none is left
                                                    to wait: running
=========  =======================================  ==============================================

This module knows neither tokens nor keys.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, TypeVar

T = TypeVar("T")

MAX_WAITING: Final = 1_024
"""The number of checks that may wait for their turn.

A check takes about 0.03 ms with RS256 and 0.15 ms with ES256, so the last one waits about 0.03 s or
0.15 s. With ES384 or ES512, it waits about 1.5 s.
"""

MAX_TURNS: Final = 3
"""The number of checks in one round of the event loop.

Each round costs time of its own: with one check in a round, a token signed with RS256 takes a fifth
more CPU time. With eight, a flood of forged tokens makes cached responses three times as late; with
three, less than twice (`make bench ONLY=attack`).
"""

MAX_ROUND_SECONDS: Final = 0.000_3
"""The time after which a round gives no other turn, because other requests wait for the round."""


class SignatureThrottle:
    """Gives a few turns in each round of the event loop.

    Args:
        max_waiting: How many checks may wait.
        max_turns: How many checks may run in one round.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        max_waiting: int = MAX_WAITING,
        max_turns: int = MAX_TURNS,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._max_waiting = max_waiting
        self._max_turns = max_turns
        self._clock = clock
        self._is_idle = True
        self._turns_left = 0
        self._round_ends = 0.0
        self._queue: deque[Callable[[], None]] = deque()

    def take(self) -> bool:
        """Take a turn of this round; return False if none is left, or if other checks wait."""
        if self._is_idle:
            self._begin_round()
        if self._queue or not self._has_turn():
            return False
        self._turns_left -= 1
        return True

    def queue(self, go: Callable[[], None]) -> bool:
        """Call ``go`` when its turn has come; return False if too many checks wait already."""
        if len(self._queue) >= self._max_waiting:
            return False
        if self._is_idle:
            self._begin_round()
        self._queue.append(go)
        return True

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T] | None:
        """Run ``work`` when its turn has come; return None if too many checks wait already.

        Returns:
            The future result of ``work``. If it is cancelled, ``work`` does not run.
        """
        future = asyncio.get_running_loop().create_future()

        def go() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001  # the waiting request reports it
                future.set_exception(error)

        return future if self.queue(go) else None

    def _begin_round(self) -> None:
        self._is_idle = False
        self._turns_left = self._max_turns
        self._round_ends = self._clock() + MAX_ROUND_SECONDS
        asyncio.get_running_loop().call_soon(self._next_round)

    def _has_turn(self) -> bool:
        if self._turns_left == self._max_turns:
            return True  # at least one, however slow the machine is
        return self._turns_left > 0 and self._clock() < self._round_ends

    def _next_round(self) -> None:
        if not self._queue:
            self._is_idle = True
            return
        # Before the checks run, because an error in a check must not stop the queue.
        self._begin_round()
        while self._queue and self._has_turn():
            self._turns_left -= 1
            self._queue.popleft()()


class NoThrottle(SignatureThrottle):
    """Gives every check its turn at once, for programs that have no other requests to delay."""

    def take(self) -> bool:
        """Return that it is this check's turn."""
        return True
