"""A client's connection to nginx, which sends request heads unchanged and reads whole answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

_TIMEOUT: Final = 30.0
_NO_ANSWER: Final = 599


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; the status is 599 if there was none."""

    status: int
    code: str = ""
    body: bytes = b""


class Connection:
    """A connection that is opened when it is needed.

    Args:
        port: The port of nginx.
        source: The loopback address of the client: nginx limits and caches by address.
    """

    def __init__(self, port: int, source: str) -> None:
        self._port, self._source = port, source
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, head: bytes) -> Answer:
        """Send a request; return its answer."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await self._send(head)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.close()
            return Answer(_NO_ANSWER, type(error).__name__)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _send(self, head: bytes) -> Answer:
        if self._writer is None:
            client = (self._source, 0)
            opened = await asyncio.open_connection("127.0.0.1", self._port, local_addr=client)
            self._reader, self._writer = opened
        self._writer.write(head)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        body = await self._body(answer)
        if b"\r\nConnection: close" in answer:
            self.close()
        return Answer(int(answer[9:12]), _field(answer, b"X-Jitsi-Denial").decode(), body)

    async def _body(self, head: bytes) -> bytes:
        if length := _field(head, b"Content-Length"):
            return await self._reader.readexactly(int(length))
        if b"\r\nTransfer-Encoding: chunked" not in head:
            return b""
        pieces = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            pieces.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return b"".join(pieces)


def _field(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]
