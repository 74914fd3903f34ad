"""Who acknowledges a revocation waits for the other workers, but not for ever."""

from __future__ import annotations

import asyncio

import pytest

from verifier.revocation.stores.redis_data import Seen
from verifier.revocation.stores.worker_positions import Siblings
from verifier.storage.worker_counters import WorkerCounters

SEEN = Seen("epoch", 7)


def workers(count: int) -> list[Siblings]:
    bell = WorkerCounters(count)
    return [Siblings(bell, worker) for worker in range(count)]


async def is_waiting(task: asyncio.Task[None]) -> bool:
    done, _ = await asyncio.wait([task], timeout=0.01)
    return not done


@pytest.mark.parametrize("before", [Seen("epoch", 6), Seen("another", 8)])
@pytest.mark.parametrize("after", [SEEN, Seen("epoch", 8), None])
async def test_whoever_has_not_heard_is_waited_for(before: Seen, after: Seen | None) -> None:
    one, two, three = workers(3)
    two.show(before)
    three.show(SEEN)
    task = asyncio.create_task(one.know(SEEN))
    assert await is_waiting(task)
    two.show(after)
    await asyncio.wait_for(task, 10)


async def test_nobody_is_waited_for_who_judges_nothing_yet() -> None:
    one, *_ = workers(3)
    one.show(Seen("epoch", 6))  # its own message may come later
    await asyncio.wait_for(asyncio.create_task(one.know(SEEN)), 10)


async def test_who_never_hears_is_not_waited_for_for_ever() -> None:
    one, two = workers(2)
    two.show(Seen("epoch", 6))
    await asyncio.wait_for(asyncio.create_task(one.know(SEEN)), 10)
