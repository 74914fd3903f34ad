from __future__ import annotations

import asyncio
from functools import partial

import pytest

from verifier.decisions.throttle import SignatureThrottle


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_round_of_the_loop_has_one_turn() -> None:
    turns = SignatureThrottle()
    for _ in range(3):
        assert turns.take()
        assert not turns.take()
        await rounds(1)


async def test_who_has_waited_longest_goes_first_one_in_each_round() -> None:
    turns, gone = SignatureThrottle(), list[int]()
    assert turns.take()
    for number in range(3):
        assert turns.queue(partial(gone.append, number))
    for number in range(3):
        await rounds(1)
        assert gone == list(range(number + 1))


async def test_nobody_goes_before_those_who_wait() -> None:
    turns, gone = SignatureThrottle(), list[str]()
    turns.take()
    turns.queue(lambda: gone.append("first"))
    turns.queue(lambda: gone.append("second"))
    await rounds(1)
    assert not turns.take()
    turns.queue(lambda: gone.append("third"))
    await rounds(2)
    assert gone == ["first", "second", "third"]
    await rounds(1)
    assert turns.take()


async def test_both_ways_to_wait_share_one_line() -> None:
    turns, gone = SignatureThrottle(), list[str]()

    async def wait(name: str) -> None:
        assert await turns.wait()
        gone.append(name)

    turns.take()
    tasks = [asyncio.create_task(wait("first"))]
    await asyncio.sleep(0)
    turns.take()
    turns.queue(lambda: gone.append("second"))
    await asyncio.gather(*tasks)
    await rounds(2)
    assert sorted(gone) == ["first", "second"]
    assert turns.take()


async def test_no_more_than_so_many_wait() -> None:
    turns = SignatureThrottle(max_waiting=2)
    turns.take()
    assert [turns.queue(lambda: None) for _ in range(3)] == [True, True, False]
    assert not await turns.wait()
    await rounds(3)
    assert turns.take()


async def test_whoever_fails_at_its_turn_does_not_stop_the_line() -> None:
    loop, failures, gone = asyncio.get_running_loop(), list[type](), list[str]()

    def fail() -> None:
        raise ValueError

    loop.set_exception_handler(lambda _, context: failures.append(type(context["exception"])))
    turns = SignatureThrottle()
    turns.take()
    turns.queue(fail)
    turns.queue(lambda: gone.append("next"))
    await rounds(3)
    assert (len(failures), gone) == (1, ["next"])
    assert turns.take()


async def test_who_no_longer_waits_does_not_stop_the_line() -> None:
    turns, gone = SignatureThrottle(), list[str]()
    turns.take()
    waiting = asyncio.create_task(turns.wait())
    await rounds(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    turns.take()
    turns.queue(lambda: gone.append("next"))
    await rounds(3)
    assert gone == ["next"]
