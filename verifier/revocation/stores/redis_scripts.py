"""What is done to the revocations in a Redis, each step of it at once and for everybody.

Two keys: a hash of the revocations by name, and the number of changes so far. In the hash is an
epoch, too: a random word that lasts as long as the data does, and goes with them. Whoever reads
another epoch than before, or fewer changes, knows that Redis has lost data. A change is announced
with both, so that a missed one is noticed.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "jitsi-verifier:"
KEYS: Final = tuple(f"{PREFIX}revocations{part}" for part in ("", ":version"))

EPOCH: Final = ":epoch"
"""The field of the epoch; no revocation has such a name."""

CHANNEL: Final = PREFIX + "{database}:revocations"
"""Messages know no databases, hence the number in the name."""

CHANGE: Final = """
if redis.call('HGET', KEYS[1], ':epoch') ~= ARGV[1] then return false end
if tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[2]) then return false end
local name, value = ARGV[4], ARGV[5]
if value == '' then
  if redis.call('HDEL', KEYS[1], name) == 0 then return 0 end
else
  redis.call('HSET', KEYS[1], name, value)
end
local version = redis.call('INCR', KEYS[2])
redis.call('PUBLISH', ARGV[3], version .. ' ' .. ARGV[1] .. ' ' .. name .. ' ' .. value)
return version
"""
"""Arguments: the epoch and the version that the writer has, the channel, a name, and JSON or, to
remove it, nothing. Gives the new version; 0 where there was nothing to remove; nil, having done
nothing, where data was lost since the writer looked: what it knows is to be written back first."""

LOOK: Final = """
redis.call('HDEL', KEYS[1], '')
local epoch = redis.call('HGET', KEYS[1], ':epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], ':epoch', epoch)
end
return {epoch, tonumber(redis.call('GET', KEYS[2]) or 0)}
"""
"""Argument: the epoch for data that has none. Gives epoch and version. To delete what is not there
is refused where nothing can be written, such as by a replica, but not for want of memory: what
there is can be read then."""

RENEW: Final = """
if redis.call('HGET', KEYS[1], ':epoch') == ARGV[1]
    and tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ':epoch', ARGV[3])
end
return {redis.call('HGET', KEYS[1], ':epoch'), tonumber(redis.call('GET', KEYS[2]) or 0)}
"""
"""Arguments: the epoch and the version that the looker had, and another epoch. Data that went back
within its epoch gets the other one, so that everybody notices, however many changes follow."""

RESTORE: Final = """
local missing = 0
for i = 1, #ARGV, 2 do
  missing = missing + redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
end
if missing > 0 then redis.call('INCR', KEYS[2]) end
return missing
"""
"""Arguments: names and JSON in turns, for whatever is not there. Gives how many were not."""

PURGE: Final = """
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""
"""Arguments: names and values in turns, which are deleted if they are still that. No change: what
has expired nobody knows any more."""
