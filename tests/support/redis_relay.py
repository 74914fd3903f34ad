"""A TCP relay in front of a Redis: it can lead to another server, and hold back replies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from tests.support.processes import DEADLINE
from tests.support.redis_server import RedisServer


class RedisRelay:
    """Passes connections on to a server.

    Attributes:
        server: The server that new connections lead to; open connections stay.
        url: The address of the relay.
    """

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.url = ""
        self._held_command: bytes | None = None
        self._released = asyncio.Event()
        self._released.set()

    def hold_replies_to(self, command: bytes) -> None:
        """Hold back the replies to commands that contain these bytes, until ``release``."""
        self._held_command = command
        self._released.clear()

    def release(self) -> None:
        """Send the replies that were held back."""
        self._held_command = None
        self._released.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        upstream, to_server = await asyncio.open_connection("127.0.0.1", self.server.port)
        passed = asyncio.Event()
        passed.set()
        with suppress(asyncio.CancelledError, ConnectionError):
            await asyncio.gather(
                self._pass_commands(reader, to_server, passed),
                self._pass_replies(upstream, writer, passed),
            )

    async def _pass_commands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: asyncio.Event
    ) -> None:
        while data := await reader.read(65_536):
            if self._held_command is not None and self._held_command in data:
                passed.clear()
            writer.write(data)
        writer.close()

    async def _pass_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: asyncio.Event
    ) -> None:
        while data := await reader.read(65_536):
            if not passed.is_set():
                await self._released.wait()
                passed.set()
            writer.write(data)
        writer.close()


@asynccontextmanager
async def running_relay(server: RedisServer) -> AsyncIterator[RedisRelay]:
    """Run a relay in front of a server, until the end of the block."""
    relay = RedisRelay(server)
    listener = await asyncio.start_server(relay.connect, "127.0.0.1", 0)
    async with listener:
        relay.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
        try:
            yield relay
        finally:
            relay.release()


class _ThreadRelay:
    """A relay in the event loop of another thread."""

    def __init__(self, relay: RedisRelay, loop: asyncio.AbstractEventLoop) -> None:
        self._relay = relay
        self._loop = loop
        self.url = relay.url

    def hold_replies_to(self, command: bytes) -> None:
        """Do what ``RedisRelay.hold_replies_to`` does."""
        self._loop.call_soon_threadsafe(self._relay.hold_replies_to, command)

    def release(self) -> None:
        """Do what ``RedisRelay.release`` does."""
        self._loop.call_soon_threadsafe(self._relay.release)


@contextmanager
def relay_in_thread(server: RedisServer) -> Iterator[_ThreadRelay]:
    """Run a relay for a test without an event loop, until the end of the block."""
    started = threading.Event()
    running: list[_ThreadRelay] = []
    stops: list[asyncio.Event] = []

    async def run() -> None:
        async with running_relay(server) as relay:
            running.append(_ThreadRelay(relay, asyncio.get_running_loop()))
            stops.append(asyncio.Event())
            started.set()
            await stops[0].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait(DEADLINE)
    try:
        yield running[0]
    finally:
        running[0]._loop.call_soon_threadsafe(stops[0].set)
        thread.join(DEADLINE)
