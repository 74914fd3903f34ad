from __future__ import annotations

import asyncio

import pytest

from tests.support.key_server import FakeTime, surroundings, until
from verifier.keys.sources import Missing, Timing
from verifier.keys.sources.limits import Lookups, TokenBucket
from verifier.keys.sources.polling import PollingTask


def drain(bucket: TokenBucket, *, again: bool) -> int:
    taken = 0
    while bucket.has_one(again=again):
        bucket.take()
        taken += 1
    return taken


def test_a_bucket_lets_its_rate_pass_in_the_mean(time: FakeTime) -> None:
    bucket = TokenBucket(10, time.timing.monotonic)
    assert drain(bucket, again=False) == 50
    for _ in range(100):
        time.advance(0.5)
        assert drain(bucket, again=False) == 5


def test_a_bucket_keeps_something_back_for_those_who_ask_again(time: FakeTime) -> None:
    bucket = TokenBucket(10, time.timing.monotonic)
    drain(bucket, again=False)
    assert drain(bucket, again=True) == 10
    time.advance(1)
    assert drain(bucket, again=False) == 0
    assert drain(bucket, again=True) == 10


def test_a_bucket_never_holds_more_than_six_seconds_worth(time: FakeTime) -> None:
    bucket = TokenBucket(10, time.timing.monotonic)
    time.advance(3600)
    assert drain(bucket, again=True) == 60


@pytest.mark.parametrize("rate", [0.01, 0.5, 1, 1000])
def test_any_rate_lets_something_pass(time: FakeTime, rate: float) -> None:
    bucket = TokenBucket(rate, time.timing.monotonic)
    drain(bucket, again=False)
    time.advance(1.01 / rate + 1.01)
    assert drain(bucket, again=True) >= 1


async def test_key_ids_are_remembered_by_their_hash_for_a_bounded_time(time: FakeTime) -> None:
    lookups = Lookups(surroundings(time))
    asked_at = time.timing.monotonic()
    lookups.remember("k", Missing.UNKNOWN, asked_at)
    assert lookups.recall("k") is Missing.UNKNOWN
    time.advance(10)
    assert lookups.recall("k") is None
    assert lookups.last_word("k") is Missing.UNKNOWN
    time.advance(50)
    assert lookups.last_word("k") is None


async def test_what_is_remembered_is_bounded(time: FakeTime) -> None:
    lookups = Lookups(surroundings(time, key_lookup_rate=1e9))
    for number in range(10_001):
        lookups.remember(str(number), Missing.UNKNOWN, 0)
    assert lookups.last_word("0") is None
    assert lookups.last_word("10000") is Missing.UNKNOWN


async def test_a_look_up_that_goes_wrong_is_not_kept(time: FakeTime) -> None:
    lookups = Lookups(surroundings(time))

    async def break_down() -> Missing:
        raise RuntimeError("a bug")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            await lookups.share("k", break_down)
    assert not lookups.is_flying("k")


async def test_a_bug_does_not_end_the_work_in_the_background(
    caplog: pytest.LogCaptureFixture,
) -> None:
    beats = 0

    async def tick() -> None:
        nonlocal beats
        beats += 1
        if beats == 1:
            raise RuntimeError("hush-hush")

    background = PollingTask("asap", tick, Timing(), pause=0)
    background.start()
    await until(lambda: beats > 2)
    await background.close()
    assert [record.message for record in caplog.records] == ["keys: internal error"]
    assert "hush" not in caplog.text


async def test_whoever_waits_too_long_is_told_so_while_the_look_up_goes_on(
    time: FakeTime,
) -> None:
    lookups = Lookups(surroundings(time, key_fetch_timeout=0.05))
    release = asyncio.Event()

    async def look_up() -> Missing:
        await release.wait()
        return Missing.UNKNOWN

    assert await lookups.share("k", look_up) is Missing.UNAVAILABLE
    assert lookups.is_flying("k")
    release.set()
    assert await lookups.share("k", look_up) is Missing.UNKNOWN
