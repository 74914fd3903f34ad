"""A store in Redis that is closed while the client library swallows the cancellation."""

from __future__ import annotations

import asyncio
import time

from verifier.revocation.stores.redis import RedisStore
from verifier.storage.redis_url import parse_redis_url
from verifier.storage.worker_counters import SINGLE_WORKER


async def test_a_swallowed_cancellation_does_not_delay_the_end() -> None:
    swallowed = asyncio.Event()

    async def swallow_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    store = RedisStore(parse_redis_url("redis://127.0.0.1:1/0"), time.time, SINGLE_WORKER)
    store._task = asyncio.create_task(swallow_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await store.close()
    assert swallowed.is_set()
    assert store._task.cancelled()
