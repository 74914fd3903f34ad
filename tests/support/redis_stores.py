"""A revocation store in Redis without a service around it, and a sink that records its changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from verifier.revocation.model import Revocation
from verifier.revocation.stores.redis import RedisStore
from verifier.storage.redis_url import parse_redis_url
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity


class RecordingSink:
    """The revocations that a process would decide by."""

    def __init__(self) -> None:
        self.by_id: dict[str, Revocation] = {}

    def put(self, revocations: Iterable[Revocation]) -> None:
        """Add or replace revocations."""
        self.by_id |= {each.id: each for each in revocations}

    def remove(self, ids: Iterable[str]) -> int:
        """Remove revocations; returns how many there were."""
        return sum([self.by_id.pop(each, None) is not None for each in ids])

    @property
    def token_ids(self) -> set[str | None]:
        """The ``jti`` of all revocations."""
        return {each.jti for each in self.by_id.values()}


def revocation(jti: str, *, seconds: float = 3600) -> Revocation:
    """Return a revocation that ends after some time from now."""
    return Revocation(jti=jti, reason="lost", expires=time.time() + seconds)


@asynccontextmanager
async def running_store(
    url: str,
    identity: WorkerIdentity = SINGLE_WORKER,
    *,
    sink: RecordingSink | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[tuple[RedisStore, RecordingSink]]:
    """Run a store until the end of the block; with a new sink if none is given."""
    store, sink = RedisStore(parse_redis_url(url), clock, identity), sink or RecordingSink()
    await store.start(sink)
    try:
        yield store, sink
    finally:
        await store.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, but for 10 s at most."""

    async def wait() -> None:
        while not condition():  # noqa: ASYNC110  # the store signals nothing
            await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(wait(), 10)
    except TimeoutError:
        raise AssertionError(f"not within 10 s: {what}") from None
