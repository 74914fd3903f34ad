"""Uses in a Redis or Valkey, for several replicas; its clock is the one that counts.

A process remembers those that it has seen itself, and tells them to a Redis that has lost them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from verifier.single_use.base import Redemption
from verifier.storage.redis import RedisLink
from verifier.storage.redis_url import RedisUrl

_KEY: Final = "jitsi-verifier:use:"
_LONGEST: Final = 10 * 365 * 86_400.0
_REMEMBERED: Final = 50_000
_CLAIM: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local window, browser, lasts, remembered = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local mine = string.format('%.6f', now + window) .. ' ' .. browser
local first = remembered == '' and mine or remembered
if redis.call('SET', KEYS[1], first, 'NX', 'EX', lasts) and remembered == '' then
  return {1, mine}
end
local found = redis.call('GET', KEYS[1])
local open_until, owner = string.match(found, '^([0-9.]+) (.*)$')
if browser ~= '' and browser == owner then
  redis.call('SET', KEYS[1], mine, 'XX', 'KEEPTTL')
  return {1, mine}
end
if open_until and now < tonumber(open_until) then return {1, found} end
return {0, found}
"""
"""Arguments: the window, seconds; the browser or nothing; how long, seconds, to keep the use; what
the asker remembers of it, or nothing. Gives whether to let in, and what to remember."""


class RedisRedemptions:
    """Uses in a Redis.

    Args:
        url: Where it is.
        clock: Unix time, seconds.
    """

    def __init__(self, url: RedisUrl, clock: Callable[[], float]) -> None:
        self._link = RedisLink(url)
        self._clock = clock
        self._seen: OrderedDict[str, bytes] = OrderedDict()

    async def claim(self, use: Redemption) -> bool:
        """Let the first one in, and again within the window (``Uses``).

        A wait that was too long may have recorded the use: a browser with a cookie is let in when
        it tries again, anybody else within the window.
        """
        lasts = math.ceil(min(max(use.keep_until - self._clock(), 1.0), _LONGEST))
        remembered = self._seen.get(use.name, b"")
        allowed, record = await self._link.ask(
            "EVAL", _CLAIM, 1, _KEY + use.name, use.window, use.browser or "", lasts, remembered
        )
        self._seen[use.name] = record
        self._seen.move_to_end(use.name)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return bool(allowed)

    async def close(self) -> None:
        """Close every connection."""
        await self._link.close()
