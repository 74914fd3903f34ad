from __future__ import annotations

import asyncio
from functools import partial

import pytest

from verifier.decisions.throttle import MAX_ROUND_SECONDS, SignatureThrottle


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Clock:
    """Stands still, unless a test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_throttle(max_turns: int = 1, max_waiting: int = 10) -> SignatureThrottle:
    return SignatureThrottle(max_waiting, max_turns, Clock())


async def test_each_loop_round_has_a_few_turns() -> None:
    for turns in (1, 3):
        throttle = make_throttle(turns)
        for _ in range(3):
            assert [throttle.take() for _ in range(turns + 1)] == [True] * turns + [False]
            await rounds(1)


async def test_slow_checks_leave_no_turn_in_their_round() -> None:
    clock, done = Clock(), list[int]()
    throttle = SignatureThrottle(10, 3, clock)

    def check(number: int, seconds: float) -> None:
        done.append(number)
        clock.now += seconds

    assert throttle.take()
    clock.now += 1
    assert not throttle.take()
    for number, seconds in enumerate((0, MAX_ROUND_SECONDS, 0, 0, 0)):
        assert throttle.queue(partial(check, number, seconds))
    await rounds(1)
    assert done == [0, 1]
    await rounds(1)
    assert done == [0, 1, 2, 3, 4]


async def test_longest_wait_goes_first() -> None:
    for turns in (1, 2):
        throttle, done = make_throttle(turns), list[int]()
        for _ in range(turns):
            assert throttle.take()
        for number in range(4):
            assert throttle.queue(partial(done.append, number))
        for round_number in range(1, 4 // turns + 1):
            await rounds(1)
            assert done == list(range(round_number * turns))


async def test_turn_cannot_be_taken_while_others_wait() -> None:
    throttle, done = make_throttle(), list[str]()
    throttle.take()
    throttle.queue(lambda: done.append("first"))
    throttle.queue(lambda: done.append("second"))
    await rounds(1)
    assert not throttle.take()
    throttle.queue(lambda: done.append("third"))
    await rounds(2)
    assert done == ["first", "second", "third"]
    await rounds(1)
    assert throttle.take()


async def test_turn_that_the_queue_left_can_be_taken() -> None:
    throttle, done = make_throttle(2), list[str]()
    assert throttle.take()
    throttle.queue(lambda: done.append("first"))
    assert not throttle.take()
    await rounds(1)
    assert done == ["first"]
    assert throttle.take()
    assert not throttle.take()


async def test_queue_runs_without_a_turn_taken_before() -> None:
    throttle, done = make_throttle(), list[str]()
    throttle.queue(lambda: done.append("first"))
    await rounds(1)
    assert done == ["first"]


async def test_queue_is_bounded() -> None:
    throttle = make_throttle(max_waiting=2)
    throttle.take()
    assert [throttle.queue(lambda: None) for _ in range(3)] == [True, True, False]
    assert throttle.submit(lambda: None) is None
    await rounds(3)
    assert throttle.take()


async def test_error_in_a_turn_does_not_stop_the_queue() -> None:
    loop, failures, done = asyncio.get_running_loop(), list[type](), list[str]()

    def fail() -> None:
        raise ValueError

    loop.set_exception_handler(lambda _, context: failures.append(type(context["exception"])))
    throttle = make_throttle(2)
    throttle.queue(fail)
    throttle.queue(lambda: done.append("next"))
    await rounds(3)
    assert (len(failures), done) == (1, ["next"])
    assert throttle.take()


async def test_submitted_work_has_a_result_or_an_error() -> None:
    throttle = make_throttle()
    result, failure = throttle.submit(lambda: 42), throttle.submit(lambda: 1 // 0)
    assert result is not None
    assert failure is not None
    assert await result == 42
    with pytest.raises(ZeroDivisionError):
        await failure


async def test_cancelled_work_does_not_run_or_stop_the_queue() -> None:
    throttle, done = make_throttle(), list[str]()
    throttle.take()
    cancelled = throttle.submit(lambda: done.append("cancelled"))
    assert cancelled is not None
    cancelled.cancel()
    throttle.queue(lambda: done.append("next"))
    await rounds(3)
    assert done == ["next"]
