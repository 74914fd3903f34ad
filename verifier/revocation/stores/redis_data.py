"""What is in Redis: two keys, the scripts that change them, and the messages that announce changes.

``jitsi-verifier:revocations``
    A hash: ``Revocation.id`` to the revocation as JSON. The field ``:epoch`` contains a random
    word, which is created with the hash and is lost with it.
``jitsi-verifier:revocations:version``
    The number of changes so far.
``jitsi-verifier:DATABASE:revocations``
    The channel of messages ``VERSION EPOCH ID JSON``, one for each change; without JSON where the
    revocation was removed. Channels are common to all databases of a Redis, so that the name
    contains the number of the database.

Epoch and version together are a position. They show whether a copy of the data is up to date:

=========================  ======================================================================
Redis, compared with copy  Meaning
=========================  ======================================================================
same epoch, same version   The copy is up to date.
same epoch, later version  Changes are missing in the copy.
another epoch              Redis has lost its data, or parts of them (restart without persistence,
                           eviction, failover).
same epoch, earlier        Redis went back to older data (backup, failover). ``RENEW_EPOCH`` gives
version                    the data another epoch at once. Otherwise a replica that looks later
                           would see a version that has grown again, and would notice nothing.
=========================  ======================================================================

Each script is atomic: no other client sees a half of it. Other programs may write to the same
Redis. What is read is therefore checked like any input; ``read_message`` and ``read_value`` return
None for what this program has not written.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from verifier.revocation.model import BadRevocationError, Revocation
from verifier.storage.redis import RedisLink

_PREFIX: Final = "jitsi-verifier:"
HASH: Final = f"{_PREFIX}revocations"
VERSION: Final = f"{_PREFIX}revocations:version"
EPOCH_FIELD: Final = ":epoch"  # no ID contains a colon
_CHANNEL: Final = _PREFIX + "{database}:revocations"

_CHUNK: Final = 100  # revocations: about 1.5 ms, during which no request is decided

# All scripts: KEYS[1] is the hash, KEYS[2] the version.

_READ_STATE: Final = """
-- HSETNX changes nothing where the field exists: nothing is sent to replicas or written to a disk.
-- Redis refuses it all the same where it would refuse to store a revocation: memory full, disk
-- full, too few replicas. The data can be read then, so that only a read-only replica is an error:
-- other connections may lead to the primary.
local result = redis.pcall('HSETNX', KEYS[1], ':epoch', ARGV[1])
local refusal = type(result) == 'table' and result.err or ''
local epoch = redis.call('HGET', KEYS[1], ':epoch')
if not epoch or string.find(refusal, 'READONLY', 1, true) then return result end
return {epoch, tonumber(redis.call('GET', KEYS[2]) or 0), refusal}
"""
"""Argument: an epoch for data that have none. Returns epoch, version, and the error with which
Redis would refuse to store a revocation, or nothing."""

_RENEW_EPOCH: Final = """
local epoch, version, new_epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if redis.call('HGET', KEYS[1], ':epoch') == epoch
    and tonumber(redis.call('GET', KEYS[2]) or 0) < version then
  redis.call('HSET', KEYS[1], ':epoch', new_epoch)
end
return {redis.call('HGET', KEYS[1], ':epoch'), tonumber(redis.call('GET', KEYS[2]) or 0)}
"""
"""Arguments: epoch and version of the caller's copy, and a new epoch for data that went back to an
earlier version. Returns epoch and version."""

_CHANGE: Final = """
local epoch, version, channel, id, json = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
-- After a loss of data, the caller has to write back what it knows before it changes anything.
if redis.call('HGET', KEYS[1], ':epoch') ~= epoch then return false end
if tonumber(redis.call('GET', KEYS[2]) or 0) < version then return false end
local removed = 0
if json == '' then
  removed = redis.call('HDEL', KEYS[1], id)
else
  redis.call('HSET', KEYS[1], id, json)
end
-- Also where there was nothing to remove: a copy may have what Redis has lost.
local new_version = redis.call('INCR', KEYS[2])
redis.call('PUBLISH', channel, new_version .. ' ' .. epoch .. ' ' .. id .. ' ' .. json)
return {new_version, removed}
"""
"""Arguments: epoch and version of the caller's copy, the channel, an ID, and JSON, which is empty
to remove the revocation. Returns the new version, and 1 where a revocation was removed; nil,
without a change, where Redis has lost data since the copy was made."""

_WRITE_BACK: Final = """
local missing = 0
for i = 1, #ARGV, 2 do
  local id, json = ARGV[i], ARGV[i + 1]
  missing = missing + redis.call('HSETNX', KEYS[1], id, json)
end
-- There is no message for these. The new version makes all replicas read everything again.
if missing > 0 then redis.call('INCR', KEYS[2]) end
return missing
"""
"""Arguments: IDs and JSON in turns. Stores those that are missing; returns their number."""

_PURGE: Final = """
-- The clock of one replica may be wrong, so the clock of Redis must agree.
local ended_before = redis.call('TIME')[1] - ARGV[1]
for i = 2, #ARGV, 3 do
  local id, json, expires = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if expires < ended_before and redis.call('HGET', KEYS[1], id) == json then
    redis.call('HDEL', KEYS[1], id)
  end
end
"""
"""Arguments: seconds for which revocations must have ended; then ID, JSON and end of each. Deletes
those that are unchanged. The version stays: the revocations have ended, so that no decision depends
on them."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a copy of the data has read.

    Attributes:
        epoch: Identifies the data.
        version: The number of changes of these data.
    """

    epoch: str
    version: int

    def includes(self, other: Position) -> bool:
        """Return whether a copy at this position contains all changes up to another position."""
        return self.epoch == other.epoch and self.version >= other.version


@dataclass(frozen=True, slots=True)
class State:
    """What a look at the data has shown.

    Attributes:
        position: The position of the data.
        refusal: Why Redis would not store a revocation now, for people; None where it would.
    """

    position: Position
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """One change, as it was announced.

    Attributes:
        position: The position that Redis reached by the change.
        revocation_id: The revocation that was changed.
        value: The revocation as JSON; empty where it was removed.
    """

    position: Position
    revocation_id: str
    value: str


def read_message(data: bytes) -> Message | None:
    """Read a message of ``_CHANGE``; returns None for any other."""
    try:
        version, epoch, revocation_id, value = data.decode().split(" ", 3)
        return Message(Position(epoch, int(version)), revocation_id, value)
    except ValueError:
        return None


def read_value(revocation_id: str, value: str | bytes) -> Revocation | None:
    """Read a stored revocation; returns None for anything else."""
    try:
        revocation = Revocation.from_json(value)
    except BadRevocationError:
        return None
    # A request to undo a revocation computes the ID. Under another ID it could not be undone.
    return revocation if revocation.id == revocation_id else None


class RedisData:
    """Reads and changes the data in a Redis.

    All methods raise ``StoreUnavailableError`` where Redis does not carry out the command.

    Args:
        link: The connections to the Redis.
        database: The number of the database.
    """

    def __init__(self, link: RedisLink, database: int) -> None:
        self._link = link
        self.channel = _CHANNEL.format(database=database)

    async def read_state(self, last: Position | None) -> State:
        """Return the position of the data, and whether they can be changed.

        Args:
            last: The position of the caller's copy. Data that went back behind this position get
                another epoch.
        """
        new_epoch = secrets.token_hex(8)
        *answer, refusal = await self._run(_READ_STATE, new_epoch)
        position = _position(answer)
        if last is not None and last.epoch == position.epoch and position.version < last.version:
            position = _position(await self._run(_RENEW_EPOCH, last.epoch, last.version, new_epoch))
        text = refusal.decode("utf-8", "replace")
        return State(position, self._link.refusal_text(text) if text else None)

    async def change(
        self, last: Position, revocation_id: str, value: str
    ) -> tuple[Position, bool] | None:
        """Store or remove a revocation, and announce that to all replicas.

        Args:
            last: The position of the caller's copy.
            revocation_id: The revocation.
            value: The revocation as JSON; empty to remove it.

        Returns:
            The position that the change has, and whether a revocation was removed. None, without a
            change, where Redis has lost data since ``last``.
        """
        arguments = (last.epoch, last.version, self.channel, revocation_id, value)
        answer = await self._run(_CHANGE, *arguments)
        if answer is None:
            return None
        version, removed = answer
        return Position(last.epoch, version), bool(removed)

    async def write_back(self, revocations: Sequence[Revocation]) -> int:
        """Store those revocations that are missing; returns their number."""
        missing = 0
        for chunk in _chunks(revocations):
            arguments = [
                text for revocation in chunk for text in (revocation.id, revocation.to_json())
            ]
            missing += await self._run(_WRITE_BACK, *arguments)
        return missing

    async def purge(self, revocations: Sequence[Revocation], seconds: float) -> None:
        """Delete revocations that are unchanged, and have ended before so many seconds."""
        for chunk in _chunks(revocations):
            triples = [(each.id, each.to_json(), each.expires) for each in chunk]
            await self._run(_PURGE, seconds, *(value for triple in triples for value in triple))

    async def chunks(self) -> AsyncIterator[dict[str, bytes]]:
        """Yield all values by ID, in chunks.

        What changes meanwhile may be missing, or may have its earlier value (``HSCAN``).
        """
        cursor = None
        while cursor != 0:
            command = ("HSCAN", HASH, cursor or 0, "COUNT", _CHUNK)
            cursor, values = await self._link.execute(*command)
            chunk = {field.decode("utf-8", "replace"): value for field, value in values.items()}
            chunk.pop(EPOCH_FIELD, None)
            yield chunk

    async def _run(self, script: str, *arguments: str | bytes | float) -> Any:
        # EVAL and not EVALSHA: Redis keeps a script by its text, and forgets it with a restart.
        return await self._link.execute("EVAL", script, 2, HASH, VERSION, *arguments)


def _position(answer: Iterable[Any]) -> Position:
    epoch, version = answer
    return Position(epoch.decode("ascii", "replace"), version)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
