"""Replicas without a service around them: a store, and what it has told its process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from verifier.revocation.model import Revocation
from verifier.revocation.stores.redis import RedisStore
from verifier.storage.redis_url import parse_redis_url
from verifier.storage.worker_counters import WorkerCounters


class Known:
    """What a process would judge by."""

    def __init__(self) -> None:
        self.by_name: dict[str, Revocation] = {}

    def put(self, revocations: Iterable[Revocation]) -> None:
        self.by_name |= {each.name: each for each in revocations}

    def remove(self, names: Iterable[str]) -> int:
        return sum([self.by_name.pop(name, None) is not None for name in names])

    @property
    def ids(self) -> set[str | None]:
        return {each.jti for each in self.by_name.values()}


def revocation(jti: str, *, lasts: float = 3600) -> Revocation:
    return Revocation(jti=jti, reason="lost", expires=time.time() + lasts)


@asynccontextmanager
async def replica(
    url: str, bell: WorkerCounters | None = None, worker: int = 0
) -> AsyncIterator[tuple[RedisStore, Known]]:
    store, known = RedisStore(parse_redis_url(url), time.time, bell, worker), Known()
    await store.start(known)
    try:
        yield store, known
    finally:
        await store.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(wait(), 10)
    except TimeoutError:
        raise AssertionError(f"not within 10 s: {what}") from None
