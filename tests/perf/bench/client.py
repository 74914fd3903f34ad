"""A client that sends request heads unchanged, at a steady rate or as fast as possible."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Final, Self

from tests.perf.bench.load import Tokens
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER

_LENGTH: Final = b"\r\nContent-Length: "


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that is sent at a steady rate.

    Attributes:
        port: The port of the server.
        head: The request.
        connections: Number of connections, which stay open.
        interval: Seconds between two requests on each connection.
        sequential: Whether latency counts from the sending of a request, which waits for the answer
            to the one before. Otherwise it counts from the time at which the request was due.
    """

    port: int
    head: bytes
    connections: int = 8
    interval: float = 0.02
    sequential: bool = False

    def run(self, seconds: float) -> Latencies:
        """Send requests for so many seconds."""
        return Latencies(asyncio.run(self._run(seconds)))

    async def _run(self, seconds: float) -> list[float]:
        clients = (self._send(number, seconds) for number in range(self.connections))
        return [latency for latencies in await asyncio.gather(*clients) for latency in latencies]

    async def _send(self, number: int, seconds: float) -> list[float]:
        """Send requests on one connection; return their latencies in milliseconds."""
        latencies = []
        connection = await Connection.open(self.port)
        due = time.perf_counter() + self.interval * number / self.connections
        end = due + seconds
        while due < end:
            await asyncio.sleep(due - time.perf_counter())
            since = time.perf_counter() if self.sequential else due
            if (status := await connection.send(self.head)) != 200:
                raise RuntimeError(f"a probe was answered with {status}")
            answered = time.perf_counter()
            latencies.append((answered - since) * 1000)
            due = max(due + self.interval, answered if self.sequential else 0)
        connection.close()
        return latencies


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies that a probe measured, milliseconds."""

    values: list[float]

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.values)

    def quantile(self, part: float) -> float:
        """Return the latency that this part of all latencies does not exceed."""
        return sorted(self.values)[int(part * (len(self.values) - 1))]


class Connection:
    """One connection, which stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, head: bytes) -> int:
        """Send a request, and read the whole answer; return its status."""
        self._writer.write(head)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = answer.partition(_LENGTH)[2].partition(b"\r\n")[0]
        await self._reader.readexactly(int(length or b"0"))
        return int(answer[9:12])

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def send_each(port: int, head: bytes, tokens: Tokens, connections: int = 16) -> None:
    """Send one request with each token.

    Raises:
        RuntimeError: A token was denied.
    """

    async def work(heads: Iterator[bytes]) -> None:
        connection = await Connection.open(port)
        for request in heads:
            if (status := await connection.send(request)) != 200:
                raise RuntimeError(f"expected 200, found {status}")
        connection.close()

    async def send(heads: Iterator[bytes]) -> None:
        await asyncio.gather(*(work(heads) for _ in range(connections)))

    before, _, after = head.partition(TOKEN_PLACEHOLDER)
    with tokens.file.open("rb") as lines:
        chosen: Iterable[bytes] = islice(lines, tokens.first, tokens.first + tokens.count)
        asyncio.run(send(before + line.rstrip() + after for line in chosen))
