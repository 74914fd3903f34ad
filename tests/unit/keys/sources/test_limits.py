from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.support.key_server import FakeTime, source_context
from verifier.keys.sources.base import Missing
from verifier.keys.sources.limits import LookupLimiter, NegativeCache, SingleFlight


def take_all(limiter: LookupLimiter, *, seen_before: bool) -> int:
    """Take permissions until none is left; return how many."""
    for number in itertools.count():
        if not limiter.allows("k", seen_before=seen_before):
            return number
        limiter.take("k")
    raise AssertionError


# LookupLimiter


def test_limiter_allows_its_rate_in_the_mean(time: FakeTime) -> None:
    limiter = LookupLimiter(source_context(time, key_lookup_rate=10))
    assert take_all(limiter, seen_before=False) == 50
    for _ in range(100):
        time.advance(0.5)
        assert take_all(limiter, seen_before=False) == 5


def test_limiter_keeps_a_reserve_for_repeated_key_ids(time: FakeTime) -> None:
    limiter = LookupLimiter(source_context(time, key_lookup_rate=10))
    take_all(limiter, seen_before=False)
    assert take_all(limiter, seen_before=True) == 10
    time.advance(1)
    assert take_all(limiter, seen_before=False) == 0
    assert take_all(limiter, seen_before=True) == 10


def test_limiter_holds_at_most_six_seconds_of_its_rate(time: FakeTime) -> None:
    limiter = LookupLimiter(source_context(time, key_lookup_rate=10))
    time.advance(3600)
    assert take_all(limiter, seen_before=True) == 60


@pytest.mark.parametrize("rate", [0.01, 0.5, 1, 1000])
def test_limiter_allows_something_at_any_rate(time: FakeTime, rate: float) -> None:
    limiter = LookupLimiter(source_context(time, key_lookup_rate=rate))
    take_all(limiter, seen_before=False)
    time.advance(1.01 / rate + 1.01)
    assert take_all(limiter, seen_before=True) >= 1


def test_rejected_key_id_may_use_the_reserve_once(time: FakeTime) -> None:
    limiter = LookupLimiter(source_context(time))
    take_all(limiter, seen_before=False)
    assert not limiter.allows("real")
    limiter.remember_rejection("real")
    assert limiter.allows("real")
    assert not limiter.allows("other")
    limiter.take("real")
    assert not limiter.allows("real")


# NegativeCache


def test_key_ids_are_remembered_for_a_minute(time: FakeTime) -> None:
    negative = NegativeCache(source_context(time))
    negative.add("k", Missing.UNKNOWN, time.timing.monotonic())
    assert negative.current("k") is Missing.UNKNOWN
    time.advance(10)
    assert negative.current("k") is None
    assert negative.latest("k") is Missing.UNKNOWN
    assert "k" in negative
    time.advance(50)
    assert negative.latest("k") is None
    assert "k" not in negative


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
