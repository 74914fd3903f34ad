"""What is in Redis: three keys, the scripts that change them, and the messages about changes.

``jitsi-verifier:revocations``
    A hash: ``Revocation.id`` to the revocation as JSON. The field ``:epoch`` contains a random
    word, which is created with the hash and is lost with it.
``jitsi-verifier:revocations:version``
    The number of changes so far.
``jitsi-verifier:revocations:tags``
    A hash: the version modulo 128 to ``VERSION TAG`` for the last changes. A tag is a random word.
``jitsi-verifier:DATABASE:revocations``
    The channel of messages ``VERSION EPOCH PREVIOUS-TAG TAG ID JSON``, one for each change; without
    JSON where the revocation was removed. Channels are common to all databases of a Redis, so that
    the name contains the number of the database.

Epoch, version and the tag of that version are a position. They show whether a copy of the data is
up to date:

=========================  ======================================================================
Redis, compared with copy  Meaning
=========================  ======================================================================
same epoch, same version   The copy is up to date.
same epoch, later version  Changes are missing in the copy.
another epoch              Redis has lost its data, or parts of them (restart without persistence,
                           eviction, failover).
same epoch, earlier        Redis went back to older data (backup, failover). ``_READ_STATE`` gives
version, or another tag    the data another epoch at once. Otherwise a replica that looks later
of the copy's version      would see a version that has grown again, and would notice nothing.
=========================  ======================================================================

Tags are needed because the versions alone can agree by chance: after a failover that lost one
change, the next change gets the same version. A tag is not known any more after 128 changes, or
where Redis has evicted it. Such a tag is not compared.

Each script is atomic: no other client sees a half of it. Other programs may write to the same
Redis. What is read is therefore checked like any input; ``read_message`` and ``read_value`` return
None for what this program has not written.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from verifier.revocation.model import BadRevocationError, Revocation
from verifier.storage.redis import RedisLink

_PREFIX: Final = "jitsi-verifier:"
HASH: Final = f"{_PREFIX}revocations"
VERSION: Final = f"{_PREFIX}revocations:version"
EPOCH_FIELD: Final = ":epoch"  # no ID contains a colon
_TAGS: Final = f"{_PREFIX}revocations:tags"
_CHANNEL: Final = _PREFIX + "{database}:revocations"

_CHUNK: Final = 100  # revocations: about 1.5 ms, during which no request is decided

# All scripts: KEYS[1] is the hash, KEYS[2] the version, KEYS[3] the tags.

_FUNCTIONS: Final = """
local function read_version()
  return tonumber(redis.call('GET', KEYS[2]) or 0)
end
local function tag_of(version)
  local stored = redis.call('HGET', KEYS[3], version % 128) or ''
  local stored_version, tag = string.match(stored, '^(%d+) (%w+)$')
  return tonumber(stored_version) == version and tag or '-'
end
-- Returns whether a copy at this position has changes that these data have not.
local function went_back(version, tag)
  if read_version() < version then return true end
  local stored = tag_of(version)
  return stored ~= tag and stored ~= '-' and tag ~= '-'
end
local function add_version(tag)
  local version = redis.call('INCR', KEYS[2])
  redis.call('HSET', KEYS[3], version % 128, version .. ' ' .. tag)
  return version
end
"""

_READ_STATE: Final = """
local new_epoch, last_epoch, last_version, last_tag = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
-- HSETNX changes nothing where the field exists: nothing is sent to replicas or written to a disk.
-- Redis refuses it all the same where it would refuse to store a revocation: memory full, disk
-- full, too few replicas. The data can be read then, so that only a read-only replica is an error:
-- other connections may lead to the primary.
local result = redis.pcall('HSETNX', KEYS[1], ':epoch', new_epoch)
local refusal = type(result) == 'table' and result.err or ''
local epoch = redis.call('HGET', KEYS[1], ':epoch')
if not epoch or string.find(refusal, 'READONLY', 1, true) then return result end
if epoch == last_epoch and went_back(last_version, last_tag) then
  epoch = new_epoch
  redis.call('HSET', KEYS[1], ':epoch', epoch)
end
local version = read_version()
return {epoch, version, tag_of(version), refusal}
"""
"""Arguments: a new epoch, for data that have none or went back; epoch, version and tag of the
caller's copy. Returns epoch, version and tag of the data, and the error with which Redis would
refuse to store a revocation, or nothing."""

_CHANGE: Final = """
local epoch, version, tag, channel, id, json, new_tag = unpack(ARGV)
-- After a loss of data, the caller has to write back what it knows before it changes anything.
if redis.call('HGET', KEYS[1], ':epoch') ~= epoch then return false end
if went_back(tonumber(version), tag) then return false end
local previous_tag = tag_of(read_version())
local removed = 0
if json == '' then
  removed = redis.call('HDEL', KEYS[1], id)
else
  redis.call('HSET', KEYS[1], id, json)
end
-- Also where there was nothing to remove: a copy may have what Redis has lost.
local new_version = add_version(new_tag)
local message = {new_version, epoch, previous_tag, new_tag, id, json}
redis.call('PUBLISH', channel, table.concat(message, ' '))
return {new_version, removed}
"""
"""Arguments: epoch, version and tag of the caller's copy, the channel, an ID, JSON, which is empty
to remove the revocation, and a new tag. Returns the new version, and 1 where a revocation was
removed; nil, without a change, where Redis has lost data since the copy was made."""

_WRITE_BACK: Final = """
local missing = 0
for i = 2, #ARGV, 2 do
  local id, json = ARGV[i], ARGV[i + 1]
  missing = missing + redis.call('HSETNX', KEYS[1], id, json)
end
-- There is no message for these. The new version makes all replicas read everything again.
if missing > 0 then add_version(ARGV[1]) end
return missing
"""
"""Arguments: a new tag; then IDs and JSON in turns. Stores those that are missing; returns their
number."""

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
        tag: The random word of the last change; ``-`` if it is not known.
    """

    epoch: str
    version: int
    tag: str = "-"

    def includes(self, other: Position) -> bool:
        """Return whether a copy at this position contains all changes up to another position."""
        return self.epoch == other.epoch and self.version >= other.version


_NOTHING: Final = Position("", 0)
"""The position of a copy that has read nothing."""


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
        previous_tag: The tag of the change before.
        revocation_id: The revocation that was changed.
        value: The revocation as JSON; empty where it was removed.
    """

    position: Position
    previous_tag: str
    revocation_id: str
    value: str


def read_message(data: bytes) -> Message | None:
    """Read a message of ``_CHANGE``; returns None for any other."""
    try:
        version, epoch, previous_tag, tag, revocation_id, value = data.decode().split(" ", 5)
        position = Position(epoch, int(version), tag)
        return Message(position, previous_tag, revocation_id, value)
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
        known = last or _NOTHING
        answer = await self._run(
            _READ_STATE, secrets.token_hex(8), known.epoch, known.version, known.tag
        )
        epoch, version, tag, refusal = answer
        position = Position(_text(epoch), version, _text(tag))
        return State(position, self._link.refusal_text(_text(refusal)) if refusal else None)

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
        tag = _new_tag()
        copy = (last.epoch, last.version, last.tag)
        answer = await self._run(_CHANGE, *copy, self.channel, revocation_id, value, tag)
        if answer is None:
            return None
        version, removed = answer
        return Position(last.epoch, version, tag), bool(removed)

    async def write_back(self, revocations: Sequence[Revocation]) -> int:
        """Store those revocations that are missing; returns their number."""
        missing = 0
        for chunk in _chunks(revocations):
            arguments = [
                text for revocation in chunk for text in (revocation.id, revocation.to_json())
            ]
            missing += await self._run(_WRITE_BACK, _new_tag(), *arguments)
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
        text = _FUNCTIONS + script
        return await self._link.execute("EVAL", text, 3, HASH, VERSION, _TAGS, *arguments)


def _new_tag() -> str:
    return secrets.token_hex(4)


def _text(word: bytes) -> str:
    return word.decode("ascii", "replace")


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
