"""Wrong admin tokens: counted, logged at most once a second, and answered late.

The delay before an answer grows with each wrong token and is forgotten after a quiet minute:

=====================================  =========================================================
event                                  what happens
=====================================  =========================================================
a right token                          it is answered at once, whatever else happens here
a wrong token                          its answer waits: 0.05 s, then twice as long each time,
                                       up to 2 s
a wrong token while ``_MOST_WAITING``  its connection is closed without an answer
others wait
no wrong token for a minute            the next delay is 0.05 s again
=====================================  =========================================================

Why one delay for the whole process, and none for each address: an attacker has as many addresses
as an IPv6 network, a table of them would need memory, and behind a proxy the operator has the
attacker's address. One delay needs two numbers. It cannot lock the operator out, because it only
concerns tokens that are already known to be wrong.

What remains: an attacker who gives up each connection after a few milliseconds does not wait. The
delay stops simple programs and makes guessing visible; what makes it hopeless is the length of the
token, for which the configuration demands 16 bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from verifier.log import log

_FIRST_DELAY: Final = 0.05  # seconds
_LONGEST_DELAY: Final = 2.0
_FORGET_SECONDS: Final = 60.0
_MOST_WAITING: Final = 64  # each holds a connection, and so a file descriptor
_LOG_SECONDS: Final = 1.0


class WrongTokens:
    """Counts the wrong admin tokens of one process, and delays their answers.

    Args:
        count: Counts one wrong token, in the metrics.
        sleep: Waits for so many seconds.
        clock: Monotonic time, in seconds.
    """

    def __init__(
        self,
        count: Callable[[], None],
        sleep: Callable[[float], Any] = asyncio.sleep,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._count = count
        self._sleep = sleep
        self._clock = clock
        self._delay = 0.0
        self._last = float("-inf")
        self._waiting = 0
        self._unlogged = 0
        self._logged_at = float("-inf")

    async def delay(self, client: str) -> bool:
        """Count a wrong token, and wait before its answer.

        Args:
            client: The address that sent the token, for the log.

        Returns:
            Whether to answer; False if so many wait that the connection must be closed instead.
        """
        self._count()
        self._unlogged += 1
        self._report(client)
        delay = self._next_delay()
        if self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        try:
            await self._sleep(delay)
        finally:
            self._waiting -= 1
        # Also after the last wrong token of a flood, those that were not logged are reported.
        self._report(client)
        return True

    def _next_delay(self) -> float:
        now = self._clock()
        quiet = now - self._last >= _FORGET_SECONDS
        self._last = now
        self._delay = _FIRST_DELAY if quiet else min(self._delay * 2, _LONGEST_DELAY)
        return self._delay

    def _report(self, client: str) -> None:
        now = self._clock()
        if self._unlogged and now - self._logged_at >= _LOG_SECONDS:
            log("wrong admin token", logging.WARNING, count=self._unlogged, client=client)
            self._unlogged, self._logged_at = 0, now
