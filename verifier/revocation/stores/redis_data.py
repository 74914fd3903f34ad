"""The revocations as they are in a Redis: each command a step that everybody sees at once.

Knows nothing of what this process knows, and when to ask for what.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from verifier.revocation.model import Revocation
from verifier.revocation.stores import redis_scripts as scripts
from verifier.storage.redis import RedisLink

_PIECE: Final = 100  # some 1.5 ms, for which nobody is decided about

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a Redis has: which data, and how many changes they have seen."""

    epoch: str
    version: int


class RedisData:
    """Asks a Redis; every method raises ``StoreUnavailableError`` where that fails.

    Args:
        link: Leads to it.
        database: Its number, by which changes are announced.
    """

    def __init__(self, link: RedisLink, database: int) -> None:
        self._link = link
        self.channel = scripts.CHANNEL.format(database=database)

    async def look(self, last: Seen | None) -> Seen:
        """Say what there is; data that went back since the last look are others."""
        fresh = secrets.token_hex(8)
        seen = _seen(await self._run(scripts.LOOK, fresh))
        if last is None or last.epoch != seen.epoch or last.version <= seen.version:
            return seen
        return _seen(await self._run(scripts.RENEW, last.epoch, last.version, fresh))

    async def change(self, last: Seen, name: str, value: str) -> int | None:
        """Store JSON under a name, or with no JSON remove it, and tell everybody.

        Returns:
            The number of the change, 0 where there was nothing to remove; None, having done
            nothing, where these are other data than were last seen.
        """
        done = await self._run(scripts.CHANGE, last.epoch, last.version, self.channel, name, value)
        return None if done is None else int(done)

    async def restore(self, revocations: Sequence[Revocation]) -> int:
        """Store what is not there; gives how many."""
        missing = 0
        for piece in _pieces(revocations):
            values = [text for each in piece for text in (each.name, each.to_json())]
            missing += await self._run(scripts.RESTORE, *values)
        return missing

    async def purge(self, values: Sequence[tuple[str, str | bytes]]) -> None:
        """Delete names that still have these values."""
        for piece in _pieces(values):
            await self._run(scripts.PURGE, *(text for pair in piece for text in pair))

    async def pieces(self) -> AsyncIterator[dict[str, bytes]]:
        """Give everything, a piece at a time; what changes meanwhile may be missing, or be old."""
        cursor = None
        while cursor != 0:
            cursor, values = await self._link.ask(
                "HSCAN", scripts.KEYS[0], cursor or 0, "COUNT", _PIECE
            )
            found = {name.decode("utf-8", "replace"): value for name, value in values.items()}
            found.pop(scripts.EPOCH, None)
            yield found

    async def _run(self, script: str, *arguments: str | bytes | float) -> Any:
        return await self._link.ask("EVAL", script, len(scripts.KEYS), *scripts.KEYS, *arguments)


def _seen(answer: Iterable[Any]) -> Seen:
    epoch, version = answer
    return Seen(epoch.decode("ascii", "replace"), version)


def _pieces(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _PIECE):
        yield items[start : start + _PIECE]
