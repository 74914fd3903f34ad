"""The end of a store, whatever its Redis and the client library do at that moment."""

from __future__ import annotations

import asyncio
import time

from verifier.revocation.stores.redis import RedisStore
from verifier.storage.redis_url import parse_redis_url


async def test_a_cancellation_that_gets_lost_does_not_hold_up_the_end() -> None:
    lost = asyncio.Event()

    async def deaf_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.set()
        await asyncio.Event().wait()

    store = RedisStore(parse_redis_url("redis://127.0.0.1:1/0"), time.time)
    store._task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await store.close()
    assert lost.is_set()
    assert store._task.cancelled()
