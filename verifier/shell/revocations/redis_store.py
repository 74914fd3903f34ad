"""Revocations in a Redis or Valkey: several replicas share them, and each goes on without it.

Changes come as messages; each has a number, so that one that was missed shows with the next one,
or with a look at the number once a second. Then everything is read again, in pieces. If Redis has
lost data, what this process knows goes on holding and is written back first; that may bring back
a revocation that another replica has taken back meanwhile: to refuse too much is the safer side.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from redis.asyncio.client import PubSub

from verifier.core.revocation import Revocation
from verifier.shell.logs import log
from verifier.shell.redisdb.link import FAILURES, RedisLink
from verifier.shell.redisdb.url import RedisUrl
from verifier.shell.revocations import redis_scripts as scripts
from verifier.shell.revocations.interface import Copy, StoreUnavailableError
from verifier.shell.revocations.redis_values import Changed, read_message, read_value

_LOOK_SECONDS: Final = 1.0
_LATE_SECONDS: Final = 0.25  # that a message may come behind the number that it announces
_CHANGE_SECONDS: Final = 1.5
_PURGE_SECONDS: Final = 60.0
_CLOCKS_DIFFER: Final = 300.0  # seconds; who deletes is not the only one to judge
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 2.0
_PIECE: Final = 200

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Redis has: which data, and how many changes they have seen."""

    epoch: str
    version: int


class RedisStore:
    """The store of the revocations that are in a Redis.

    Args:
        url: Where it is.
        clock: Unix time, seconds.
    """

    def __init__(self, url: RedisUrl, clock: Callable[[], float]) -> None:
        self._url = url
        self._link = RedisLink(url)
        self._channel = scripts.CHANNEL.format(database=url.database)
        self._clock = clock
        self._known: dict[str, Revocation] = {}
        self._epoch: str | None = None
        self._version = 0
        self._problem: str | None = None
        self._tried = asyncio.Event()
        self._catching_up = asyncio.Lock()
        # What has changed while everything is read, and would be lost with what was read before.
        self._meanwhile: dict[str, Revocation | None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        """Whether everything has been read once; until then nothing is known to hold."""
        return self._epoch is not None

    @property
    def problem(self) -> str | None:
        """Why the copy may not be up to date, in words; None while it is."""
        return self._problem

    async def start(self, copy: Copy) -> None:
        """Read everything, if it can be read now, and keep the copy true from then on."""
        self._copy = copy
        self._task = asyncio.create_task(self._keep_true())
        await self._tried.wait()

    def refresh(self) -> None:
        """Do nothing: changes come by themselves."""

    async def put(self, revocation: Revocation) -> None:
        """Keep a revocation.

        Raises:
            StoreUnavailableError: Redis has not said that it is stored; after a wait it may be.
        """
        await self._change(revocation.name, revocation.to_json())
        self._apply(revocation.name, revocation)

    async def remove(self, name: str) -> bool:
        """Take a revocation back; returns False where there is none of that name.

        Raises:
            StoreUnavailableError: it may still be stored.
        """
        version = await self._change(name, "")
        self._apply(name, None)
        return version > 0

    async def close(self) -> None:
        """Let go of everything."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._link.close()

    async def _keep_true(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._link.listen() as messages:
                    await messages.subscribe(self._channel)
                    await self._catch_up(await self._look())
                    self._reached()
                    wait = _FIRST_WAIT
                    await self._follow(messages)
            except StoreUnavailableError as error:
                self._lost(str(error))
            except FAILURES as error:
                self._lost(str(self._link.unavailable(error)))
            except Exception as error:  # noqa: BLE001  # nobody else would go on trying
                self._lost(f"{self._url}: internal error ({type(error).__name__})")
            self._tried.set()
            if self._problem is not None:
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)

    def _reached(self) -> None:
        if self._problem is not None:
            log("revocation store available again", store=str(self._url))
        self._problem = None
        self._tried.set()

    def _lost(self, problem: str) -> None:
        if self._problem is None:
            log("revocation store unavailable", logging.ERROR, error=problem)
        self._problem = problem

    async def _follow(self, messages: PubSub) -> None:
        """Take messages until one was missed, for which their connection may be to blame."""
        loop = asyncio.get_running_loop()
        purge_at = loop.time() + _PURGE_SECONDS
        while True:
            await self._hear(messages, _LOOK_SECONDS, lambda: False)
            seen = await self._look()
            await self._hear(messages, _LATE_SECONDS, partial(self._has, seen))
            if not self._has(seen):
                return
            if loop.time() >= purge_at:
                purge_at = loop.time() + _PURGE_SECONDS
                await self._purge_known()

    async def _hear(self, messages: PubSub, seconds: float, enough: Callable[[], bool]) -> None:
        """Take messages for so long, or until it is enough, or one is missing."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not enough() and (left := end - loop.time()) > 0:
            message = await messages.get_message(timeout=left)
            if message is None or message["type"] != "message":
                continue
            changed = read_message(message["data"])
            async with self._catching_up:
                if changed is not None and not self._take(changed):
                    return

    def _take(self, changed: Changed) -> bool:
        """Apply a message; tells whether none is missing before it."""
        if changed.epoch != self._epoch or changed.version > self._version + 1:
            return False
        if changed.version == self._version + 1:
            self._version = changed.version
            revocation = read_value(changed.name, changed.value) if changed.value else None
            if changed.value and revocation is None:
                self._skipped(1)
            else:
                self._apply(changed.name, revocation)
        return True

    def _has(self, seen: _Seen) -> bool:
        return seen.epoch == self._epoch and seen.version <= self._version

    async def _look(self) -> _Seen:
        """Ask what Redis has; data that went back since this process looked are others."""
        epoch, version, fresh = self._epoch, self._version, secrets.token_hex(8)
        seen = _seen(await self._run(scripts.LOOK, fresh))
        if epoch == seen.epoch and seen.version < version:
            return _seen(await self._run(scripts.RENEW, epoch, version, fresh))
        return seen

    async def _catch_up(self, seen: _Seen) -> None:
        async with self._catching_up:
            if self._has(seen):
                return
            if self._epoch not in {None, seen.epoch}:
                await self._restore()
                seen = await self._look()
            await self._read(seen)

    async def _restore(self) -> None:
        """Write back what is known here and missing there."""
        now, missing = self._clock(), 0
        known = [each for each in self._known.values() if each.expires > now]
        for piece in _pieces(known):
            values = [text for each in piece for text in (each.name, each.to_json())]
            missing += await self._run(scripts.RESTORE, *values)
        log("revocations written back", logging.WARNING, count=missing, store=str(self._url))

    async def _read(self, seen: _Seen) -> None:
        """Read everything, in pieces: Redis and this process have others to answer."""
        self._meanwhile = {}
        try:
            found = await self._scan()
            for name, revocation in self._meanwhile.items():
                _set(found, name, revocation)
        finally:
            self._meanwhile = None
        self._known = found
        self._epoch, self._version = seen.epoch, seen.version
        self._copy.replace(found.values())

    async def _scan(self) -> dict[str, Revocation]:
        found: dict[str, Revocation] = {}
        ended: list[tuple[str, str | bytes, float]] = []
        cursor, unreadable, now = -1, 0, self._clock()
        while cursor:
            cursor, values = await self._link.ask(
                "HSCAN", scripts.KEYS[0], max(cursor, 0), "COUNT", _PIECE
            )
            for field, value in values.items():
                name = field.decode("utf-8", "replace")
                revocation = read_value(name, value)
                if revocation is None:
                    unreadable += 1
                elif revocation.expires > now:
                    found[name] = revocation
                else:
                    ended.append((name, value, revocation.expires))
        if unreadable:
            self._skipped(unreadable)
        await self._purge(ended, now)
        return found

    async def _purge_known(self) -> None:
        """Delete what everybody has forgotten by now."""
        now = self._clock()
        ended = [each for each in self._known.values() if each.expires <= now]
        for each in ended:
            del self._known[each.name]
        await self._purge([(each.name, each.to_json(), each.expires) for each in ended], now)

    async def _purge(self, ended: list[tuple[str, str | bytes, float]], now: float) -> None:
        old = [(name, value) for name, value, expires in ended if expires + _CLOCKS_DIFFER <= now]
        for piece in _pieces(old):
            await self._run(scripts.PURGE, *(text for pair in piece for text in pair))

    async def _change(self, name: str, value: str) -> int:
        """Change one; gives the number of the change, 0 where there was nothing to do."""
        try:
            async with asyncio.timeout(_CHANGE_SECONDS):
                for _ in range(2):
                    if self._epoch is not None:
                        had = (self._epoch, self._version)
                        done = await self._run(scripts.CHANGE, *had, self._channel, name, value)
                        if done is not None:
                            return int(done)
                    await self._catch_up(await self._look())
        except TimeoutError as error:
            raise self._link.unavailable(error) from None
        raise StoreUnavailableError(f"{self._url}: what it has lost is being written back")

    def _apply(self, name: str, revocation: Revocation | None) -> None:
        _set(self._known, name, revocation)
        if self._meanwhile is not None:
            self._meanwhile[name] = revocation
        if revocation is None:
            self._copy.remove([name])
        else:
            self._copy.put([revocation])

    async def _run(self, script: str, *arguments: str | bytes | float) -> Any:
        return await self._link.ask("EVAL", script, len(scripts.KEYS), *scripts.KEYS, *arguments)

    def _skipped(self, count: int) -> None:
        log("revocations not read", logging.WARNING, count=count, store=str(self._url))


def _seen(answer: list[Any]) -> _Seen:
    epoch, version = answer
    return _Seen(epoch.decode("ascii", "replace"), version)


def _set(known: dict[str, Revocation], name: str, revocation: Revocation | None) -> None:
    if revocation is None:
        known.pop(name, None)
    else:
        known[name] = revocation


def _pieces(items: list[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), _PIECE):
        yield items[start : start + _PIECE]
