"""A client and a server of the HTTP protocol in this process, over real sockets.

``MARK`` stands where a token could be in every request; no response and no log line may repeat it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from verifier.http.parser import Limits
from verifier.http.protocol import HttpConnection
from verifier.http.request import Request
from verifier.http.responses import REFUSALS, SERVER, Rendered, Response
from verifier.http.server import HttpServer

MARK = "MARKEDTOKEN"
TARGET = f"/auth?jwt={MARK}"
TIMEOUT = 10.0  # seconds after which a test that waits for a condition has failed
SOON = 0.3  # seconds: short, but longer than the pauses of a busy machine
SHORT_LINGER = Limits(linger_seconds=0.05)
SHORT_CLOSING = Limits(linger_seconds=0.05, closing_head_seconds=0.05)
BODY_LIMIT = Limits(body_bytes=100, linger_seconds=0.05)

Serve = Callable[..., Awaitable["Wire"]]


def head(
    *fields: str, line: str = f"GET {TARGET} HTTP/1.1", host: str = "Host: meet.test"
) -> bytes:
    text = "\r\n".join([line, *([host] if host else []), *fields, "", ""])
    return text.encode("utf-8", "surrogateescape")


def post(*fields: str) -> bytes:
    return head(*fields, line=f"POST {TARGET} HTTP/1.1")


def body_of(status: int) -> bytes:
    return REFUSALS[status][1]


def assert_constant(answer: bytes, status: int) -> None:
    assert answer.split(b" ", 2)[1] == str(status).encode()
    assert b"\r\nContent-Type: application/problem+json\r\n" in answer
    assert answer.endswith(b"\r\n\r\n" + body_of(status))
    assert answer.count(b"HTTP/1.") == 1 + body_of(status).count(b"HTTP/1.")


def response(body: bytes, headers: dict[str, str] | None = None) -> Rendered:
    return Response(HTTPStatus.OK, SERVER | (headers or {}), body).render()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110 (the server has no event for what is awaited)
            await asyncio.sleep(0.001)


@dataclass
class Connection:
    """One client's end of a socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            answer = await self.reader.readuntil(end)
        assert MARK.encode() not in answer
        return answer

    async def rest(self) -> bytes:
        """Return all bytes until the server closes the connection."""
        async with asyncio.timeout(TIMEOUT):
            answer = await self.reader.read()
        assert MARK.encode() not in answer
        return answer


@dataclass
class Wire:
    """A running server, the requests of its handler, and its reports of bugs."""

    server: HttpServer
    port: int
    stack: AsyncExitStack
    seen: list[Request] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)

    async def connect(self) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        self.stack.push_async_callback(self._hang_up, writer)
        return Connection(reader, writer)

    async def exchange(self, *parts: bytes, half_close: bool = False) -> bytes:
        """Send the parts, each as its own write; return all bytes until the server closes."""
        connection = await self.connect()
        for part in parts:
            connection.send(part)
            await asyncio.sleep(0)
        if half_close:
            connection.writer.write_eof()
        return await connection.rest()

    async def emptied(self) -> None:
        """Wait until the server holds no connection."""
        await until(lambda: not self.server.connections)

    async def has_read_part_of_a_head(self) -> None:
        """Wait until the server has read the part of a head that was sent."""
        await until(lambda: any(each._unread for each in self.server.connections))

    async def in_state(self, name: str) -> HttpConnection:
        """Wait until the only connection is in this state."""

        def reached() -> bool:
            return [each._state.name for each in self.server.connections] == [name]

        await until(reached)
        return next(iter(self.server.connections))

    @staticmethod
    async def _hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answer_ok(request: Request) -> Rendered:
    return response(b"ok:" + request.method.encode())


async def answer_body(request: Request) -> Rendered:
    return response(b"got " + request.body[:5])


async def flood(_: Request) -> Rendered:
    return response(bytes(32 * 1024 * 1024) + b"end")


async def stop(server: HttpServer) -> None:
    server.abort()
    await server.close()
