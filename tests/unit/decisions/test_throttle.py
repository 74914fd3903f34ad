from __future__ import annotations

import asyncio
from functools import partial

import pytest

from verifier.decisions.throttle import SignatureThrottle


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_loop_round_has_one_turn() -> None:
    throttle = SignatureThrottle()
    for _ in range(3):
        assert throttle.take()
        assert not throttle.take()
        await rounds(1)


async def test_longest_wait_goes_first_one_per_round() -> None:
    throttle, done = SignatureThrottle(), list[int]()
    assert throttle.take()
    for number in range(3):
        assert throttle.queue(partial(done.append, number))
    for number in range(3):
        await rounds(1)
        assert done == list(range(number + 1))


async def test_turn_cannot_be_taken_while_others_wait() -> None:
    throttle, done = SignatureThrottle(), list[str]()
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


async def test_queue_and_wait_share_one_queue() -> None:
    throttle, done = SignatureThrottle(), list[str]()

    async def wait(name: str) -> None:
        assert await throttle.wait()
        done.append(name)

    throttle.take()
    tasks = [asyncio.create_task(wait("first"))]
    await asyncio.sleep(0)
    throttle.take()
    throttle.queue(lambda: done.append("second"))
    await asyncio.gather(*tasks)
    await rounds(2)
    assert sorted(done) == ["first", "second"]
    assert throttle.take()


async def test_queue_is_bounded() -> None:
    throttle = SignatureThrottle(max_waiting=2)
    throttle.take()
    assert [throttle.queue(lambda: None) for _ in range(3)] == [True, True, False]
    assert not await throttle.wait()
    await rounds(3)
    assert throttle.take()


async def test_error_in_a_turn_does_not_stop_the_queue() -> None:
    loop, failures, done = asyncio.get_running_loop(), list[type](), list[str]()

    def fail() -> None:
        raise ValueError

    loop.set_exception_handler(lambda _, context: failures.append(type(context["exception"])))
    throttle = SignatureThrottle()
    throttle.take()
    throttle.queue(fail)
    throttle.queue(lambda: done.append("next"))
    await rounds(3)
    assert (len(failures), done) == (1, ["next"])
    assert throttle.take()


async def test_cancelled_wait_does_not_stop_the_queue() -> None:
    throttle, done = SignatureThrottle(), list[str]()
    throttle.take()
    waiting = asyncio.create_task(throttle.wait())
    await rounds(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    throttle.take()
    throttle.queue(lambda: done.append("next"))
    await rounds(3)
    assert done == ["next"]
