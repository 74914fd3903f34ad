"""Redemptions in a Redis or Valkey, which several replicas share.

The script below runs atomically, and by the clock of Redis, so that the clocks of replicas need not
agree. Each process also remembers the redemptions that it has seen. If Redis loses its data, the
process sends what it remembers along with the next attempt, so that the token stays used.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from verifier.single_use.model import EntryAttempt
from verifier.storage.redis import RedisLink
from verifier.storage.redis_url import RedisUrl

_KEY_PREFIX: Final = "jitsi-verifier:use:"
_LONGEST: Final = 10 * 365 * 86_400.0  # seconds; Redis refuses a longer expiry at some point
_MAX_REMEMBERED: Final = 50_000  # redemptions, in less than 20 MB
_REDEEM: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local window, browser, lifetime, remembered = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- A record is the end of the window, and the browser that was first.
local record = string.format('%.6f', now + window) .. ' ' .. browser
local to_store = remembered == '' and record or remembered
if redis.call('SET', KEYS[1], to_store, 'NX', 'EX', lifetime) and remembered == '' then
  return {1, record}
end
-- Another attempt was first, or Redis has lost this record and has it back now.
local stored = redis.call('GET', KEYS[1])
local window_end, first_browser = string.match(stored, '^([0-9.]+) (.*)$')
if browser ~= '' and browser == first_browser then
  redis.call('SET', KEYS[1], record, 'XX', 'KEEPTTL')
  return {1, record}
end
if window_end and now < tonumber(window_end) then return {1, stored} end
return {0, stored}
"""
"""Key: the token. Arguments: the window, seconds; the browser, or nothing; seconds to keep the
record; the record that the caller remembers, or nothing. Returns whether to admit, and the
record."""


class RedisRedemptions:
    """A ``RedemptionStore`` in a Redis.

    Args:
        url: The address of the Redis.
        clock: Unix time, seconds.
    """

    def __init__(self, url: RedisUrl, clock: Callable[[], float]) -> None:
        self._link = RedisLink(url)
        self._clock = clock
        self._remembered: OrderedDict[str, bytes] = OrderedDict()  # by token; oldest first

    async def redeem(self, attempt: EntryAttempt) -> bool:
        """Record the first use of a token; returns whether to admit the browser.

        After a timeout, Redis may have recorded the redemption. The same browser is then admitted
        at its next attempt if it has a cookie, and any browser is admitted within the window.

        Raises:
            StoreUnavailableError: it is not known whether the token has been used.
        """
        token_id = attempt.token_id
        seconds = max(attempt.keep_until - self._clock(), 1.0)
        lifetime = math.ceil(min(seconds, _LONGEST))
        remembered = self._remembered.get(token_id, b"")
        arguments = (attempt.window, attempt.browser or "", lifetime, remembered)
        allowed, record = await self._link.execute(
            "EVAL", _REDEEM, 1, _KEY_PREFIX + token_id, *arguments
        )
        self._remember(token_id, record)
        return bool(allowed)

    def _remember(self, token_id: str, record: bytes) -> None:
        self._remembered[token_id] = record
        self._remembered.move_to_end(token_id)
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._link.close()
