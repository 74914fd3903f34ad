"""A revocation is acknowledged when the other workers know it, or after a short wait."""

from __future__ import annotations

import asyncio

import pytest

from verifier.revocation.stores.redis_data import Position
from verifier.revocation.stores.worker_positions import WorkerPositions
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity

REACHED = Position("epoch", 7)


def workers(count: int) -> list[WorkerPositions]:
    counters = WorkerCounters(count)
    return [WorkerPositions(WorkerIdentity(worker, counters)) for worker in range(count)]


async def is_waiting(task: asyncio.Task[None]) -> bool:
    done, _ = await asyncio.wait([task], timeout=0.01)
    return not done


@pytest.mark.parametrize("before", [Position("epoch", 6), Position("another", 8)])
@pytest.mark.parametrize("after", [REACHED, Position("epoch", 8), None])
async def test_wait_ends_when_all_workers_have_reached_the_position(
    before: Position, after: Position | None
) -> None:
    first, second, third = workers(3)
    second.publish(before)
    third.publish(REACHED)
    task = asyncio.create_task(first.wait_for(REACHED))
    assert await is_waiting(task)
    second.publish(after)
    await asyncio.wait_for(task, 10)


async def test_workers_that_have_read_nothing_are_not_waited_for() -> None:
    first, *_ = workers(3)
    first.publish(Position("epoch", 6))  # the worker's own message may arrive later
    await asyncio.wait_for(asyncio.create_task(first.wait_for(REACHED)), 10)


async def test_wait_for_a_worker_is_bounded() -> None:
    first, second = workers(2)
    second.publish(Position("epoch", 6))
    await asyncio.wait_for(asyncio.create_task(first.wait_for(REACHED)), 10)
