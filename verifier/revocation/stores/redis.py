"""Revocations in a Redis or Valkey: several replicas share them, and each goes on without it.

Changes come as messages; each has a number, so that one that was missed shows with the next one,
or with a look at the number once a second. Then everything is read again, in pieces. If Redis has
lost data, what this process knows goes on holding and is written back first; that may bring back
a revocation that another replica has taken back meanwhile: to refuse too much is the safer side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from redis.asyncio.client import PubSub

from verifier.log import log
from verifier.revocation.model import Revocation
from verifier.revocation.stores.base import RevocationSink, StoreUnavailableError
from verifier.revocation.stores.redis_data import RedisData, Seen
from verifier.revocation.stores.redis_values import Changed, read_message, read_value
from verifier.revocation.stores.worker_positions import Siblings
from verifier.storage.redis import FAILURES, RedisLink
from verifier.storage.redis_url import RedisUrl
from verifier.storage.worker_counters import WorkerCounters

_LOOK_SECONDS: Final = 1.0
_LATE_SECONDS: Final = 0.25  # that a message may come behind the number that it announces
_CHANGE_SECONDS: Final = 1.5
_PURGE_SECONDS: Final = 60.0
_CLOCKS_DIFFER: Final = 300.0  # seconds; who deletes is not the only one to judge
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 2.0


class RedisStore:
    """The store of the revocations that are in a Redis.

    Args:
        url: Where it is.
        clock: Unix time, seconds.
        bell: Tells this service's other workers; None for a service of one.
        worker: Which of them this is.
    """

    def __init__(
        self,
        url: RedisUrl,
        clock: Callable[[], float],
        bell: WorkerCounters | None = None,
        worker: int = 0,
    ) -> None:
        self._url = url
        self._siblings = Siblings(bell or WorkerCounters(), worker)
        self._link = RedisLink(url)
        self._data = RedisData(self._link, url.database)
        self._clock = clock
        self._known: dict[str, Revocation] = {}
        self._last: Seen | None = None
        self._problem: str | None = None
        self._tried = asyncio.Event()
        self._catching_up = asyncio.Lock()
        # What has changed here while everything is read: what is read of it may be older.
        self._meanwhile: set[str] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        """Whether everything has been read once; until then nothing is known to hold."""
        return self._last is not None

    @property
    def problem(self) -> str | None:
        """Why the copy may not be up to date, in words; None while it is."""
        return self._problem

    async def start(self, copy: RevocationSink) -> None:
        """Read everything, if it can be read now, and keep the copy true from then on."""
        self._copy = copy
        self._siblings.show(None)
        self._task = asyncio.create_task(self._keep_true())
        await self._tried.wait()

    def refresh(self) -> None:
        """Do nothing: changes come by themselves."""

    async def put(self, revocation: Revocation) -> None:
        """Keep a revocation; the service's other workers know it, too, when this returns.

        Raises:
            StoreUnavailableError: Redis has not said that it is stored; after a wait it may be.
        """
        changed = await self._change(revocation.name, revocation.to_json())
        self._apply(revocation.name, revocation)
        await self._siblings.know(changed)

    async def remove(self, name: str) -> bool:
        """Take a revocation back; returns False where there is none of that name.

        Raises:
            StoreUnavailableError: it may still be stored.
        """
        changed = await self._change(name, "")
        self._apply(name, None)
        return changed.version > 0

    async def close(self) -> None:
        """Let go of everything."""
        self._siblings.show(None)
        # Where a connection is in trouble at that moment, a cancellation may get lost on its way.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_LATE_SECONDS)
        await self._link.close()

    async def _keep_true(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._link.listen() as messages:
                    await messages.subscribe(self._data.channel)
                    await messages.get_message(timeout=_LOOK_SECONDS)  # that this is allowed
                    await self._catch_up(await self._data.look(self._last))
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
            seen = await self._data.look(self._last)
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
        last = self._last
        if last is None or changed.epoch != last.epoch or changed.version > last.version + 1:
            return False
        if changed.version == last.version + 1:
            revocation = read_value(changed.name, changed.value) if changed.value else None
            if changed.value and revocation is None:
                self._skipped(1)
            else:
                self._apply(changed.name, revocation)
            self._judge_by(Seen(last.epoch, changed.version))
        return True

    def _judge_by(self, seen: Seen) -> None:
        self._last = seen
        self._siblings.show(seen)

    def _has(self, seen: Seen) -> bool:
        last = self._last
        return last is not None and seen.epoch == last.epoch and seen.version <= last.version

    async def _catch_up(self, seen: Seen) -> None:
        async with self._catching_up:
            if self._has(seen):
                return
            if self._last is not None and self._last.epoch != seen.epoch:
                await self._restore()
                seen = await self._data.look(None)
            await self._read()
            self._judge_by(seen)

    async def _restore(self) -> None:
        """Write back what is known here and missing there."""
        now = self._clock()
        standing = [each for each in self._known.values() if each.expires > now]
        missing = await self._data.restore(standing)
        log("revocations written back", logging.WARNING, count=missing, store=str(self._url))

    async def _read(self) -> None:
        """Read everything, in pieces: Redis and this process have others to answer."""
        self._meanwhile = set()
        try:
            names = await self._scan(self._meanwhile) | self._meanwhile
            gone = [name for name in self._known if name not in names]
        finally:
            self._meanwhile = None
        self._forget(gone)

    async def _scan(self, newer: set[str]) -> set[str]:
        """Take what there is, but for what is known to be newer here; gives all names."""
        names: set[str] = set()
        ended: list[tuple[str, bytes]] = []
        unreadable, now = 0, self._clock()
        async for piece in self._data.pieces():
            found = {name: read_value(name, value) for name, value in piece.items()}
            good = [each for each in found.values() if each is not None]
            unreadable += len(found) - len(good)
            standing = [each for each in good if each.expires > now]
            names.update(each.name for each in standing)
            self._take_over([each for each in standing if each.name not in newer])
            ended += [(each.name, piece[each.name]) for each in good if _has_long_ended(each, now)]
        if unreadable:
            self._skipped(unreadable)
        await self._data.purge(ended)
        return names

    def _take_over(self, revocations: list[Revocation]) -> None:
        """Know what is not known yet."""
        news = [each for each in revocations if self._known.get(each.name) != each]
        if news:
            self._known.update((each.name, each) for each in news)
            self._copy.put(news)

    def _forget(self, names: list[str]) -> None:
        for name in names:
            del self._known[name]
        if names:
            self._copy.remove(names)

    async def _purge_known(self) -> None:
        """Delete what everybody has forgotten by now."""
        now = self._clock()
        ended = [each for each in self._known.values() if _has_long_ended(each, now)]
        await self._data.purge([(each.name, each.to_json()) for each in ended])
        self._forget([each.name for each in ended if self._known.get(each.name) is each])

    async def _change(self, name: str, value: str) -> Seen:
        """Change one; gives what there is then, with version 0 where there was nothing to do."""
        try:
            async with asyncio.timeout(_CHANGE_SECONDS):
                for _ in range(2):
                    if (last := self._last) is not None:
                        done = await self._data.change(last, name, value)
                        if done is not None:
                            return Seen(last.epoch, done)
                    await self._catch_up(await self._data.look(self._last))
        except TimeoutError as error:
            raise self._link.unavailable(error) from None
        raise StoreUnavailableError(f"{self._url}: what it has lost is being written back")

    def _apply(self, name: str, revocation: Revocation | None) -> None:
        if self._meanwhile is not None:
            self._meanwhile.add(name)
        if revocation is None:
            self._known.pop(name, None)
            self._copy.remove([name])
        else:
            self._known[name] = revocation
            self._copy.put([revocation])

    def _skipped(self, count: int) -> None:
        log("revocations not read", logging.WARNING, count=count, store=str(self._url))


def _has_long_ended(revocation: Revocation, now: float) -> bool:
    """Tell whether no replica's clock can say otherwise."""
    return revocation.expires + _CLOCKS_DIFFER <= now
