"""Sends what people ask, compares each answer with the model, and keeps count."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from tests.perf.soak.line import Answer, Line
from tests.perf.soak.model import ALLOWED, Outcome, outcomes
from tests.perf.soak.people import KEPT, Visit, World, arrive

LINES: Final = 64
_NEW: Final = 0.1  # the share of questions with which somebody comes
_AGAIN: Final = 0.5  # and of the others, that of the last who came
_SHOWN: Final = 20


@dataclass(slots=True)
class Seen:
    """What has been seen so far.

    Attributes:
        codes: How often each was answered.
        wrong: How many answers were not the model's.
        failed: How many of them were 5xx, or none.
        users: How many users have come.
        examples: The first wrong ones, without a token.
        seconds: How long each answer took.
    """

    codes: Counter[Outcome] = field(default_factory=Counter)
    wrong: int = 0
    failed: int = 0
    users: int = 0
    examples: list[str] = field(default_factory=list)
    seconds: array[float] = field(default_factory=lambda: array("d"))


class Traffic:
    """Many people behind as many addresses as there are lines.

    Args:
        port: nginx'.
        world: What verdicts depend on.
        users: How many there are.
        rate: Questions a second.
    """

    def __init__(self, port: int, world: World, users: int, rate: float) -> None:
        self.seen = Seen()
        self._port, self._world, self._users = port, world, users
        self._pause = LINES / rate
        self._began = time.time()
        self.guests: deque[Visit] = deque(maxlen=1000)
        """Who has come last with a good token."""

    async def run(self, seconds: float) -> None:
        """Ask for so long."""
        end = time.time() + seconds
        await asyncio.gather(*(self._people(number, end) for number in range(LINES)))

    async def _people(self, number: int, end: float) -> None:
        line = Line(self._port, f"127.0.1.{number + 1}")
        users = cycle(range(number, self._users, LINES))
        here: list[Visit] = []
        latest: deque[Visit] = deque(maxlen=4)
        due = time.time() + self._pause * number / LINES
        while due < end:
            await asyncio.sleep(due - time.time())
            due = max(due + self._pause, time.time() - 1)
            if not here or random.random() < _NEW:  # noqa: S311  # load
                here.append(arrive(next(users), self._world))
                latest.append(here[-1])
                if here[-1].verdict == ALLOWED:
                    self.guests.append(here[-1])
                self.seen.users += 1
            visit = _one_of(latest if random.random() < _AGAIN else here)  # noqa: S311  # load
            await self._ask(line, visit)
            if visit.ends < time.time():
                here = [each for each in here if each is not visit]
                if visit in latest:
                    latest.remove(visit)
        line.close()

    async def _ask(self, line: Line, visit: Visit) -> None:
        signalling = random.random() < 0.5 and visit.path == f"/{visit.room}"  # noqa: S311  # load
        head = _signalling(visit) if signalling else _page(visit)
        start = time.time()
        answer = await line.ask(head)
        end = time.time()
        self.seen.seconds.append(end - start)
        self._judge(visit, answer, signalling, start, end)

    def _judge(
        self, visit: Visit, answer: Answer, signalling: bool, start: float, end: float
    ) -> None:
        given = (answer.status, answer.code)
        self.seen.codes[given] += 1
        right = outcomes(visit.gates, visit.verdict, start, end, KEPT)
        if given in right and (given != ALLOWED or _is_for(visit, answer, signalling)):
            return
        self.seen.wrong += 1
        self.seen.failed += answer.status >= 500
        if len(self.seen.examples) < _SHOWN:
            self.seen.examples.append(
                f"{start - self._began:.1f} s, {(end - start) * 1000:.0f} ms: {visit.user} at"
                f" {visit.host}{' (signalling)' if signalling else ''}:"
                f" expected {sorted(right)}, found {given}"
            )


def _one_of(visits: list[Visit] | deque[Visit]) -> Visit:
    return visits[random.randrange(len(visits))]  # noqa: S311  # load


def _page(visit: Visit) -> bytes:
    return f"GET {visit.path}?{visit.query} HTTP/1.1\r\nHost: {visit.host}\r\n\r\n".encode()


def _signalling(visit: Visit) -> bytes:
    query = visit.query.replace("jwt=", "token=")
    target = f"/http-bind?room={visit.room}&{query}"
    head = f"POST {target} HTTP/1.1\r\nHost: {visit.host}\r\nContent-Length: 0\r\n\r\n"
    return head.encode()


def _is_for(visit: Visit, answer: Answer, signalling: bool) -> bool:
    """Tell whether it is this user and this room that what is behind nginx was told of."""
    told = visit.user if signalling else f'"room": "{visit.room}"'
    return told.encode() in answer.body
