"""Unknown key ids: who may have the source asked, who shares an answer, what is remembered.

The sources' shield against floods of invented key ids. Knows neither HTTP nor keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from cachetools import TTLCache

from verifier.keys.sources.base import Found, Missing
from verifier.keys.sources.entry import key_digest
from verifier.keys.sources.settings import SourceContext

_REMEMBERED: Final = 10_000
# What the bucket holds, in seconds of its rate: after a restart all real keys are unknown at once.
_BURST: Final = 6.0
# What first-time key ids must leave in it: a flood of new inventions cannot keep out a key id
# that is asked for a second time, as every real one is.
_RESERVE: Final = 1.0


class TokenBucket:
    """Lets ``rate`` things a second pass in the mean, and six seconds' worth at once."""

    def __init__(self, rate: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate * _BURST)
        self._reserve = min(rate * _RESERVE, self._capacity - 1.0)
        self._monotonic = monotonic
        self._level = self._capacity
        self._filled_at = monotonic()

    def has_one(self, *, again: bool) -> bool:
        """Tell whether there is one to take; ``again`` reaches into the reserve."""
        now = self._monotonic()
        gained = (now - self._filled_at) * self._rate
        self._level = min(self._capacity, self._level + gained)
        self._filled_at = now
        return self._level - 1.0 >= (0.0 if again else self._reserve)

    def take(self) -> None:
        """Take one that there is."""
        self._level -= 1.0


class Lookups:
    """Shares, bounds and remembers look-ups of unknown key ids.

    "No such key" is remembered for a minute, but answers alone for only ``key_recheck`` seconds:
    a key id that is asked for after that has the source asked again, and its request waits. In
    the rest of the minute the memory answers where the source cannot be asked.
    """

    def __init__(self, surroundings: SourceContext) -> None:
        settings, timing = surroundings.settings, surroundings.timing
        self._timeout = settings.key_fetch_timeout
        self._recheck = settings.key_recheck
        self._monotonic = timing.monotonic
        self._bucket = TokenBucket(settings.key_lookup_rate, timing.monotonic)
        self._flights: dict[str, asyncio.Task[Found]] = {}
        self._negative: TTLCache[str, tuple[float, Missing]] = TTLCache(
            _REMEMBERED, settings.key_negative_lifetime, timing.monotonic
        )
        self._turned_away: TTLCache[str, None] = TTLCache(
            _REMEMBERED, settings.key_negative_lifetime, timing.monotonic
        )

    def is_flying(self, key_id: str) -> bool:
        """Tell whether a look-up is under way that can be shared."""
        return key_id in self._flights

    def recall(self, key_id: str) -> Missing | None:
        """Give an answer that needs no asking."""
        remembered = self._negative.get(key_digest(key_id))
        if remembered is None:
            return None
        asked_at, answer = remembered
        return answer if self._monotonic() - asked_at < self._recheck else None

    def last_word(self, key_id: str) -> Missing | None:
        """Give what the source said within the last minute."""
        remembered = self._negative.get(key_digest(key_id))
        return None if remembered is None else remembered[1]

    def remember(self, key_id: str, answer: Missing, asked_at: float) -> None:
        """Keep an answer that a token got which came at ``asked_at`` (monotonic)."""
        self._negative[key_digest(key_id)] = (asked_at, answer)

    def admits(self, key_id: str) -> bool:
        """Tell whether this key id may be looked up now."""
        digest = key_digest(key_id)
        again = digest in self._turned_away or digest in self._negative
        return self._bucket.has_one(again=again)

    def admit(self, key_id: str) -> None:
        """Take note that this key id is looked up."""
        self._bucket.take()
        self._turned_away.pop(key_digest(key_id), None)

    def turn_away(self, key_id: str) -> None:
        """Take note that this key id was not looked up: it comes before new ones."""
        self._turned_away[key_digest(key_id)] = None

    async def share(self, key_id: str, look_up: Callable[[], Awaitable[Found]]) -> Found:
        """Look a key id up once for all who ask for it; wait no longer than the time-out."""
        flight = self._flights.get(key_id)
        if flight is None:
            flight = asyncio.create_task(self._fly(key_id, look_up))
            self._flights[key_id] = flight
        try:
            async with asyncio.timeout(self._timeout):
                # The look-up goes on without those who leave or are out of time.
                return await asyncio.shield(flight)
        except TimeoutError:
            return Missing.UNAVAILABLE
        except asyncio.CancelledError:
            if flight.cancelled():  # the source was closed, not whoever waits here
                return Missing.UNAVAILABLE
            raise

    async def close(self) -> None:
        """Give up all look-ups."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, key_id: str, look_up: Callable[[], Awaitable[Found]]) -> Found:
        try:
            return await look_up()
        finally:
            del self._flights[key_id]
