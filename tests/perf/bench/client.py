"""A client over raw sockets: sends heads as they stand, at a steady rate or as fast as it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Final, Self

from tests.perf.bench.load import Tokens
from tests.perf.bench.rounds import PLACE

_LENGTH: Final = b"\r\nContent-Length: "


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that is asked at a steady rate.

    Attributes:
        port: Who is asked.
        head: The question.
        connections: How many ask it, kept open.
        interval: Seconds between two questions on each of them.
        patient: Whether a question that is due waits for the answer before it without being late.
    """

    port: int
    head: bytes
    connections: int = 8
    interval: float = 0.02
    patient: bool = False

    def run(self, seconds: float) -> Latencies:
        """Ask for so many seconds."""
        return Latencies(asyncio.run(self._run(seconds)))

    async def _run(self, seconds: float) -> list[float]:
        asking = (self._ask(number, seconds) for number in range(self.connections))
        return [latency for found in await asyncio.gather(*asking) for latency in found]

    async def _ask(self, number: int, seconds: float) -> list[float]:
        """Ask when it is due; who is not patient has waited since then."""
        found = []
        connection = await Connection.open(self.port)
        due = time.perf_counter() + self.interval * number / self.connections
        end = due + seconds
        while due < end:
            await asyncio.sleep(due - time.perf_counter())
            since = time.perf_counter() if self.patient else due
            if (status := await connection.ask(self.head)) != 200:
                raise RuntimeError(f"a probe was answered with {status}")
            answered = time.perf_counter()
            found.append((answered - since) * 1000)
            due = max(due + self.interval, answered if self.patient else 0)
        connection.close()
        return found


@dataclass(frozen=True, slots=True)
class Latencies:
    """What a probe found, milliseconds."""

    found: list[float]

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.found)

    def quantile(self, part: float) -> float:
        """Give the latency that so large a part of all did not exceed."""
        return sorted(self.found)[int(part * (len(self.found) - 1))]


class Connection:
    """One connection, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, head: bytes) -> int:
        """Send a request, and read the answer to its end; give its status."""
        self._writer.write(head)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = answer.partition(_LENGTH)[2].partition(b"\r\n")[0]
        await self._reader.readexactly(int(length or b"0"))
        return int(answer[9:12])

    def close(self) -> None:
        """Close it."""
        self._writer.close()


def send_each(port: int, head: bytes, tokens: Tokens, connections: int = 16) -> None:
    """Ask with each token once.

    Raises:
        RuntimeError: one was refused.
    """

    async def work(heads: Iterator[bytes]) -> None:
        connection = await Connection.open(port)
        for each in heads:
            if (status := await connection.ask(each)) != 200:
                raise RuntimeError(f"expected 200, found {status}")
        connection.close()

    async def send(heads: Iterator[bytes]) -> None:
        await asyncio.gather(*(work(heads) for _ in range(connections)))

    before, _, after = head.partition(PLACE)
    with tokens.file.open("rb") as lines:
        chosen: Iterable[bytes] = islice(lines, tokens.first, tokens.first + tokens.count)
        asyncio.run(send(before + line.rstrip() + after for line in chosen))
