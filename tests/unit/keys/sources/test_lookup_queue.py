"""The queue of key lookups beside a key server that takes its time, in simulated time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.support.key_server import FakeTime, source_context
from verifier.keys.sources.lookup_queue import LookupQueue

TICK = 0.01


@pytest.mark.parametrize("response_time", [0.02, 0.05, 0.1, 0.15])
async def test_no_real_key_is_refused_because_its_server_is_far_away(response_time: float) -> None:
    """200 real key ids in the first second, beside 300 invented ones in every second."""
    time = FakeTime()
    queue = LookupQueue(source_context(time))
    answers = Counter[str]()
    tasks: list[asyncio.Task[None]] = []

    async def look_up(key_id: str) -> None:
        named = time.elapsed
        if not await queue.wait(key_id):
            answers[f"{key_id[:4]} refused"] += 1
            return
        with queue.lookup(key_id) as lookup:
            ends = time.elapsed + response_time
            while time.elapsed < ends:  # noqa: ASYNC110  # simulated time reports nothing
                await asyncio.sleep(0)
            lookup.found = key_id.startswith("real")
        in_time = time.elapsed - named <= 5.0  # key_fetch_timeout
        answers[f"{key_id[:4]} {'in time' if in_time else 'late'}"] += 1

    for tick in range(500):
        key_ids = [f"invented {tick} {number}" for number in range(3)]
        if tick < 100:
            key_ids[1:1] = [f"real {tick} {number}" for number in range(2)]
        tasks += [asyncio.create_task(look_up(key_id)) for key_id in key_ids]
        for _ in range(3):
            await asyncio.sleep(0)
        time.advance(TICK)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    queue.close()
    assert {what: count for what, count in answers.items() if what.startswith("real")} == {
        "real in time": 200
    }
