"""A revocation is acknowledged when the other workers know it, or after a short wait."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest

from verifier.revocation.stores.redis_data import Position
from verifier.revocation.stores.worker_positions import WorkerPositions
from verifier.storage.worker_counters import WorkerCounters, WorkerIdentity

REACHED = Position("epoch", 7)

StartWorkers: TypeAlias = Callable[[int], list[WorkerPositions]]


@pytest.fixture
async def workers() -> AsyncIterator[StartWorkers]:
    """A function that starts the workers of one service."""
    started: list[WorkerPositions] = []

    def start(count: int) -> list[WorkerPositions]:
        counters = WorkerCounters(count)
        started.extend(WorkerPositions(WorkerIdentity(each, counters)) for each in range(count))
        for worker in started:
            worker.open()
        return started

    yield start
    for worker in started:
        worker.close()


async def is_waiting(task: asyncio.Task[None]) -> bool:
    done, _ = await asyncio.wait([task], timeout=0.01)
    return not done


@pytest.mark.parametrize("before", [Position("epoch", 6), Position("another", 8)])
@pytest.mark.parametrize("after", [REACHED, Position("epoch", 8), None])
async def test_wait_ends_when_all_workers_have_reached_the_position(
    workers: StartWorkers, before: Position, after: Position | None
) -> None:
    first, second, third = workers(3)
    second.publish(before)
    third.publish(REACHED)
    waiting = [asyncio.create_task(first.wait_for(REACHED)) for _ in range(2)]
    assert await is_waiting(waiting[0])
    if after is None:
        second.close()
    else:
        second.publish(after)
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_workers_that_have_read_nothing_are_not_waited_for(workers: StartWorkers) -> None:
    first, *_ = workers(3)
    first.publish(Position("epoch", 6))  # the worker's own message may arrive later
    await asyncio.wait_for(asyncio.create_task(first.wait_for(REACHED)), 10)


async def test_wait_for_a_worker_is_bounded(workers: StartWorkers) -> None:
    first, second = workers(2)
    second.publish(Position("epoch", 6))
    await asyncio.wait_for(asyncio.create_task(first.wait_for(REACHED)), 10)


async def test_a_waiting_worker_looks_only_after_changes(
    workers: StartWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = workers(2)
    second.publish(Position("epoch", 6))
    looks: list[int] = []
    monkeypatch.setattr(first, "_have_reached", looks.append)
    await asyncio.wait_for(asyncio.create_task(first.wait_for(REACHED)), 10)
    assert len(looks) <= 2  # at first, and after the change before


async def test_another_process_is_waited_for(workers: StartWorkers) -> None:
    first, second = workers(2)
    second.publish(Position("epoch", 6))
    waiting = asyncio.create_task(first.wait_for(REACHED))
    assert await is_waiting(waiting)
    if (pid := os.fork()) == 0:
        second.publish(REACHED)
        os._exit(0)
    await asyncio.wait_for(waiting, 10)
    assert await asyncio.to_thread(os.waitpid, pid, 0) == (pid, 0)
