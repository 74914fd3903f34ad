"""The delay after wrong admin tokens, with a clock that only the test moves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from verifier.http.admin.wrong_tokens import WrongTokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        self.wake = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    async def hold(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await self.wake.wait()


async def test_delay_doubles_up_to_its_limit() -> None:
    clock = Clock()
    wrong = WrongTokens(lambda: None, clock.sleep, clock)
    for _ in range(10):
        assert await wrong.delay("192.0.2.1")
    assert clock.sleeps == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2, 2]


async def test_delay_is_forgotten_after_a_quiet_minute() -> None:
    clock = Clock()
    wrong = WrongTokens(lambda: None, clock.sleep, clock)
    for pause in (0, 59, 61):
        clock.now += pause
        await wrong.delay("192.0.2.1")
    assert clock.sleeps == [0.05, 0.1, 0.05]


async def test_every_wrong_token_is_counted_and_few_are_held() -> None:
    clock, counted = Clock(), []
    wrong = WrongTokens(lambda: counted.append(1), clock.hold, clock)
    guesses = [asyncio.create_task(wrong.delay("192.0.2.1")) for _ in range(1000)]
    await asyncio.sleep(0)
    clock.wake.set()
    answered = await asyncio.gather(*guesses)
    assert len(counted) == 1000
    assert answered == [True] * 64 + [False] * 936


async def test_log_has_one_line_a_second_with_all_of_them(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("verifier"), "propagate", True)
    clock = Clock()
    wrong = WrongTokens(lambda: None, clock.hold, clock)
    guesses = [asyncio.create_task(wrong.delay("192.0.2.1")) for _ in range(50)]
    await asyncio.sleep(0)
    clock.now += 1
    clock.wake.set()
    await asyncio.gather(*guesses)
    fields = [vars(record)["fields"] for record in caplog.records]
    assert fields == [
        {"count": 1, "client": "192.0.2.1"},
        {"count": 49, "client": "192.0.2.1"},
    ]
