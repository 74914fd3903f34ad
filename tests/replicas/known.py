"""Replicas without a service around them: a store, and what it has told its process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from verifier.core.revocation import Revocation
from verifier.shell.redisdb.url import parse_redis_url
from verifier.shell.revocations.redis_store import RedisStore


class Known:
    """What a process would judge by."""

    def __init__(self) -> None:
        self.by_name: dict[str, Revocation] = {}
        self.replaced = 0

    def put(self, revocations: Iterable[Revocation]) -> None:
        self.by_name |= {each.name: each for each in revocations}

    def remove(self, names: Iterable[str]) -> int:
        return sum([self.by_name.pop(name, None) is not None for name in names])

    def replace(self, revocations: Iterable[Revocation]) -> None:
        self.by_name = {each.name: each for each in revocations}
        self.replaced += 1

    @property
    def ids(self) -> set[str | None]:
        return {each.jti for each in self.by_name.values()}


def revocation(jti: str, *, lasts: float = 3600) -> Revocation:
    return Revocation(jti=jti, reason="lost", expires=time.time() + lasts)


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[tuple[RedisStore, Known]]:
    store, known = RedisStore(parse_redis_url(url), time.time), Known()
    await store.start(known)
    try:
        yield store, known
    finally:
        await store.close()
