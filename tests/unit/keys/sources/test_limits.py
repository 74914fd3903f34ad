from __future__ import annotations

import asyncio

import pytest

from tests.support.key_server import FakeTime, source_context
from verifier.keys.sources.base import Missing
from verifier.keys.sources.limits import NegativeCache, SingleFlight

# NegativeCache


def test_key_ids_are_remembered_for_a_minute(time: FakeTime) -> None:
    negative = NegativeCache(source_context(time))
    negative.add("k", Missing.UNKNOWN, time.timing.monotonic())
    assert negative.current("k") is Missing.UNKNOWN
    time.advance(10)
    assert negative.current("k") is None
    assert negative.latest("k") is Missing.UNKNOWN
    time.advance(50)
    assert negative.latest("k") is None


def test_at_most_ten_thousand_key_ids_are_remembered(time: FakeTime) -> None:
    negative = NegativeCache(source_context(time, key_lookup_rate=1e9))
    for number in range(10_001):
        negative.add(str(number), Missing.UNKNOWN, 0)
    assert negative.latest("0") is None
    assert negative.latest("10000") is Missing.UNKNOWN


# SingleFlight


async def test_failed_task_is_not_kept() -> None:
    flights: SingleFlight[Missing] = SingleFlight(5.0)

    async def fail() -> Missing:
        raise RuntimeError("a bug")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            await flights.wait(flights.start("k", fail), default=Missing.UNAVAILABLE)
    assert flights.running("k") is None


async def test_caller_times_out_while_the_task_goes_on() -> None:
    flights: SingleFlight[Missing] = SingleFlight(0.05)
    release = asyncio.Event()

    async def look_up() -> Missing:
        await release.wait()
        return Missing.UNKNOWN

    task = flights.start("k", look_up)
    assert await flights.wait(task, default=Missing.UNAVAILABLE) is Missing.UNAVAILABLE
    assert flights.running("k") is task
    release.set()
    assert await flights.wait(task, default=Missing.UNAVAILABLE) is Missing.UNKNOWN
