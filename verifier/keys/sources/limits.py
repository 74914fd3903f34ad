"""Protection of a key server against unknown key ids: two small mechanisms.

Any client can invent key ids, and every lookup of one causes a request to the key server.

``SingleFlight`` runs one request for all tokens that wait for the same key id (or document):

===========  ==============================  ===============================================
state        a token names the key id        next state
===========  ==============================  ===============================================
idle         the request starts              running
running      the token waits for the same    request ends: idle (all waiting tokens get the
             request, at most 5 s            result); source closed: idle
===========  ==============================  ===============================================

``NegativeCache`` remembers "no such key" per key id (times are the defaults):

===========  ==============================  ===============================================
age          a token names the key id        why
===========  ==============================  ===============================================
0 to 10 s    answered from memory            ``key_recheck``: one key id causes at most one
                                             request in this time
10 to 60 s   looked up again; answered from  a newly published key must be accepted within
             memory only while the server    10 s; an answer of the last minute is better
             fails                           than "unavailable"
over 60 s    looked up                       ``key_negative_lifetime``
===========  ==============================  ===============================================

``NegativeCache`` holds at most 10,000 key ids and drops the least recently used one. It stores
hashes, because a ``kid`` can be several kilobytes long. How often the others are looked up, and in
which order, is decided by ``lookup_queue``.

This module knows neither HTTP nor key material.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from cachetools import TTLCache

from verifier.keys.model import key_id_digest
from verifier.keys.sources.base import Missing, SourceContext

T = TypeVar("T")

_REMEMBERED: Final = 10_000


class NegativeCache:
    """Remembers for a bounded time that a key id has no key."""

    def __init__(self, context: SourceContext) -> None:
        settings, self._monotonic = context.settings, context.timing.monotonic
        self._recheck = settings.key_recheck
        self._answers: TTLCache[str, tuple[float, Missing]] = TTLCache(
            _REMEMBERED, settings.key_negative_lifetime, self._monotonic
        )

    def add(self, key_id: str, answer: Missing, requested_at: float) -> None:
        """Remember the answer to a token that came at ``requested_at`` (monotonic)."""
        # The token's arrival counts, not the response's: the key may have been published since.
        self._answers[key_id_digest(key_id)] = (requested_at, answer)

    def current(self, key_id: str) -> Missing | None:
        """Return an answer that is so young that the key id must not be looked up again."""
        remembered = self._answers.get(key_id_digest(key_id))
        if remembered is None:
            return None
        requested_at, answer = remembered
        return answer if self._monotonic() - requested_at < self._recheck else None

    def latest(self, key_id: str) -> Missing | None:
        """Return the last answer, for a key id that cannot be looked up now."""
        remembered = self._answers.get(key_id_digest(key_id))
        return None if remembered is None else remembered[1]


class SingleFlight(Generic[T]):
    """Runs at most one task for each key; all callers wait for the same task.

    Args:
        timeout: The longest time that ``wait`` waits, seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._tasks: dict[str, asyncio.Task[T]] = {}

    def running(self, key: str) -> asyncio.Task[T] | None:
        """Return the task that runs for this key, if there is one."""
        return self._tasks.get(key)

    def start(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Return the task that runs for this key; start ``work`` if there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._run(key, work))
        return task

    async def wait(self, task: asyncio.Task[T], *, default: T) -> T:
        """Return the task's result, or ``default`` if the time is over or the source is closed."""
        try:
            async with asyncio.timeout(self._timeout):
                # Shielded: the other callers still wait, and the result is cached for later.
                return await asyncio.shield(task)
        except TimeoutError:
            return default
        except asyncio.CancelledError:
            # Two causes look alike: the source was closed, or this caller's own request ended.
            if task.cancelled():
                return default
            raise

    async def close(self) -> None:
        """Cancel all tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await work()
        finally:
            del self._tasks[key]
