"""The order in which unknown key ids are looked up at a key server, and how often.

Any client can invent key ids, and nothing in a token tells an invented key id from a real one
before the key server was asked. So this queue neither refuses a key id nor guesses. It bounds how
often the server is asked in vain, and shares those requests so that no flood can take all of them:

**The budget** counts only requests for key ids that turn out to have no key. It gains
``key_lookup_rate`` a second and holds six seconds of it (60). A lookup takes 1. A lookup that finds
a key fills the budget up:

- Real keys are found as fast as the server answers, for example 200 of them after a start. As long
  as every sixtieth lookup finds a key, no lookup waits for the budget.
- When 60 lookups in turn have found nothing, ``key_lookup_rate`` lookups a second go on. So a
  flood of invented key ids causes that many requests, plus at most 60 for each real key that is
  found meanwhile. A key counts once: it is in the cache then, and its tokens cause no lookup.

No order needs fewer requests when 200 real key ids come among 300 invented ones, because they look
alike: to find all real ones, most of the others must be looked up, too.

**The order.** While the budget is at least half full, the key id that has waited for longest is
next: after a start, all are looked up in the order in which they came. With less, three of four
lookups start at the newest end of the queue, and the fourth at the oldest:

==========  ================================  ==================================================
end         key id that is looked up next     which flood it withstands
==========  ================================  ==================================================
newest      named for the first time most     one of the same few thousand key ids, sent again and
            recently, and never looked up     again: a real key id that appears is first
oldest      waits for longest since it was    one of ever new key ids, which are named once: a
            first named or last looked up     real key id is named again and again, by a client
                                              that retries and by other clients, and is the oldest
                                              after a few seconds. A key id that had a key before
                                              (cache full, key unused for a day) goes first of all
==========  ================================  ==================================================

A flood would have to do both at once, and then it still shares the lookups with the real key ids.

**The bounds.** 1,024 key ids wait, each no longer than ``key_fetch_timeout``. That is enough for a
start with 200 real key ids in the first second beside 300 invented ones in every second, if a
response takes 150 ms and 16 requests run at a time. One more takes the place of one that is chosen
by chance, so that no client can fill the queue in advance, or keep a place in it. A key id that
loses its place is answered "unavailable", so that its client tries again; it is remembered for ten
minutes when it was first named. What is remembered is bounded too (10,000 key ids, the least
recently named one is dropped), and consists of hashes, because a ``kid`` can be several kilobytes
long.

This module knows neither HTTP nor key material.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from cachetools import TTLCache

from verifier.keys.model import key_id_digest
from verifier.keys.sources.base import SourceContext

MAX_WAITING: Final = 1024
_REMEMBERED: Final = 10_000
_REMEMBERED_SECONDS: Final = 600.0
# How many seconds of its rate the budget holds.
_BURST_SECONDS: Final = 6.0
_OLDEST_EVERY: Final = 4
_LONG_AGO: Final = float("-inf")


@dataclass(slots=True)
class _Named:
    """What is remembered of a key id.

    Attributes:
        since: When it was first named, or last looked up (monotonic).
        looked_up: Whether it was looked up.
    """

    since: float
    looked_up: bool = False


@dataclass(slots=True)
class Lookup:
    """A lookup whose turn has come; ``found`` is to be set before it ends."""

    found: bool = False


class LookupQueue:
    """Gives each unknown key id its turn.

    Args:
        context: The rate, the longest wait, and clocks.
    """

    def __init__(self, context: SourceContext) -> None:
        settings, self._timing = context.settings, context.timing
        self._rate = settings.key_lookup_rate
        self._longest_wait = settings.key_fetch_timeout
        self._parallel = settings.key_fetch_connections
        # At least one lookup must fit in, or a rate below a half would allow nothing.
        self._capacity = max(1.0, self._rate * _BURST_SECONDS)
        self._budget = self._capacity
        self._filled_at = self._timing.monotonic()
        self._named: TTLCache[str, _Named] = TTLCache(
            _REMEMBERED, _REMEMBERED_SECONDS, self._timing.monotonic
        )
        self._waiting: dict[str, tuple[_Named, asyncio.Future[bool]]] = {}
        self._running = 0
        self._started = 0
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, key_id: str) -> bool:
        """Wait for the turn of a key id; False if it lost its place, or waited too long.

        After True, the lookup must be made within ``lookup``.
        """
        digest = key_id_digest(key_id)
        named = self._named.get(digest) or _Named(self._timing.monotonic())
        self._named[digest] = named
        if len(self._waiting) >= MAX_WAITING:
            self._drop_one()
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[digest] = named, turn
        give_up = turn.get_loop().call_later(self._longest_wait, _answer, turn, False)
        self._advance()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._running -= 1
            raise
        finally:
            give_up.cancel()
            self._waiting.pop(digest, None)

    @contextmanager
    def lookup(self, key_id: str) -> Iterator[Lookup]:
        """Account for a lookup whose turn has come."""
        lookup = Lookup()
        try:
            yield lookup
        finally:
            self._running -= 1
            since = _LONG_AGO if lookup.found else self._timing.monotonic()
            self._named[key_id_digest(key_id)] = _Named(since, looked_up=True)
            if lookup.found:
                self._budget = self._capacity
            self._advance()

    def drop_all(self) -> None:
        """Answer all that wait, because the server fails."""
        for _, turn in self._waiting.values():
            _answer(turn, False)
        self._waiting.clear()

    def close(self) -> None:
        """Let no further lookup start."""
        self.drop_all()
        if self._timer is not None:
            self._timer.cancel()

    def _advance(self) -> None:
        """Start as many lookups as the connections and the budget allow."""
        while self._waiting and self._running < self._parallel:
            self._fill()
            if self._budget < 1.0:
                self._advance_later()
                return
            _, turn = self._waiting.pop(self._next())
            if not turn.done():
                self._budget -= 1.0
                self._running += 1
                turn.set_result(True)

    def _next(self) -> str:
        """Return the digest of the key id whose turn is next; see the table above."""
        self._started += 1
        if self._budget < self._capacity / 2 and self._started % _OLDEST_EVERY:
            new = [digest for digest, (named, _) in self._waiting.items() if not named.looked_up]
            if new:
                return max(new, key=self._since)
        return min(self._waiting, key=self._since)

    def _since(self, digest: str) -> float:
        return self._waiting[digest][0].since

    def _drop_one(self) -> None:
        number = int(self._timing.random() * len(self._waiting))
        digest = next(islice(self._waiting, number, None))
        _answer(self._waiting.pop(digest)[1], False)

    def _fill(self) -> None:
        now = self._timing.monotonic()
        gained = (now - self._filled_at) * self._rate
        self._budget = min(self._capacity, self._budget + gained)
        self._filled_at = now

    def _advance_later(self) -> None:
        if self._timer is None:
            seconds = (1.0 - self._budget) / self._rate
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._advance()


def _answer(turn: asyncio.Future[bool], answer: bool) -> None:  # a callback
    if not turn.done():
        turn.set_result(answer)
