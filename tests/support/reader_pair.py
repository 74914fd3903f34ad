"""The decision address twice in one process: once with the fast lane, once with aiohttp alone.

Both get the same bytes in the same reads, from the same state. Everything that a client, a metric
or a log shows of them is compared. "Equally" in the name of a test means: equally by both.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import termios
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.support.sidecar import NOW, POLICY, FakeKeys
from verifier.decisions.cache import DecisionCache
from verifier.decisions.hosts import Hosts
from verifier.decisions.throttle import SignatureThrottle
from verifier.decisions.verifier import Keys, Verifier
from verifier.http.connection import Connection, Limits
from verifier.http.decision_service import DecisionService
from verifier.http.fast_lane import Deferred, RespondLater
from verifier.http.proxy_auth import ProxyAuthOptions
from verifier.http.server import HardenedServer
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LogContext, Outcome
from verifier.rules.model import Decision, Deny

TIMEOUT = 10.0  # seconds after which a test that waits for a condition has failed
PROBE = b"GET /healthz HTTP/1.1\r\nHost: probe\r\n\r\n"
SHORT_LINGER = Limits(linger_seconds=0.05)


async def until(condition: Callable[[], Any], seconds: float = TIMEOUT) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (the server has no event for what is awaited)
            await asyncio.sleep(0)


class RecordedLines:
    """A ``Sink`` that keeps all records."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []

    def wants(self, outcome: Outcome) -> bool:
        return bool(outcome)

    def write(self, record: Mapping[str, Any], context: LogContext) -> None:
        # Two signatures by an EC key differ, and so do the tokens' digests.
        fields = {name: value for name, value in record.items() if name != "token_id"}
        self.written.append((fields, context.endpoint, context.request_id, context.traceparent))


class RecordedCounts:
    """An ``Observer`` that keeps all counts."""

    def __init__(self) -> None:
        self.counted: list[tuple[Any, ...]] = []
        self.in_flight = 0

    def count_cache_lookup(self, *, hit: bool) -> None:
        self.counted.append(("hit" if hit else "miss",))

    @contextmanager
    def track_in_flight(self) -> Iterator[None]:
        self.in_flight += 1
        yield
        self.in_flight -= 1

    def outcome_index(self, endpoint: str, decision: Decision, *, enforced: bool = True) -> int:
        code = decision.code if isinstance(decision, Deny) else str(decision.affiliation)
        return int.from_bytes(f"{endpoint} {code} {enforced}".encode())

    def count_decision(self, endpoint: str, outcome_index: int, seconds: float) -> None:
        assert seconds > 0
        self.counted.append((endpoint, outcome_index))


@dataclass(frozen=True)
class Setup:
    """What both listeners are built from; keys and throttle are made for each of them."""

    options: ProxyAuthOptions = ProxyAuthOptions()  # noqa: RUF009  # immutable
    policy: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: Callable[[], Keys] = FakeKeys
    ttl: int = 30
    throttle: Callable[[], SignatureThrottle] = SignatureThrottle
    limits: Limits = SHORT_LINGER


@dataclass
class Observed:
    """What one listener did with a connection."""

    responses: list[tuple[str, list[str], bytes]]
    closed: bool
    after: list[tuple[str, list[str], bytes]]
    counted: list[tuple[Any, ...]]
    written: list[tuple[Any, ...]]
    reports: int


class Client:
    """A client's end of a connection, with access to the server's end."""

    def __init__(self, near: socket.socket, far: socket.socket, connection: Connection) -> None:
        self._near = near
        self._far = far
        self.connection = connection

    def is_closed(self) -> bool:
        transport = self.connection.transport
        return transport is None or transport.is_closing()

    @property
    def idle(self) -> bool:
        """Whether the server waits for bytes, or is about to close."""
        if self.is_closed():
            return True
        waiter = self.connection._waiter
        if self.connection._deferred_head or not self.all_read:
            return False
        return self.is_ending() or (waiter is not None and not waiter.done())

    def is_ending(self) -> bool:
        """Whether the connection is closed, or will be when its linger time is over."""
        return self.is_closed() or (self.connection._has_body and self.connection._served is None)

    @property
    def all_read(self) -> bool:
        if self._far.fileno() < 0 or self.is_closed():
            return True
        unread = fcntl.ioctl(self._far, termios.FIONREAD, bytes(4))
        return unread == bytes(4)

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until the server has read them, unless it will not read."""
        with suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._near, data)
        await until(lambda: self.all_read or self.connection._deferred_head)

    async def wait_idle(self) -> None:
        await until(lambda: self.idle)

    def half_close(self) -> None:
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._near.close()

    def read(self) -> bytes:
        """Return the bytes received so far."""
        found = b""
        with suppress(BlockingIOError, ConnectionError):
            while data := self._near.recv(65_536):
                found += data
        return found

    async def read_rest(self) -> bytes:
        """Return all bytes until the server closes the connection."""
        found = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT):
                while data := await asyncio.get_running_loop().sock_recv(self._near, 65_536):
                    found += data
        return found


class DecisionListener:
    """One of the two listeners."""

    def __init__(self, setup: Setup, *, fast: bool) -> None:
        self.fast_count = 0
        self.reports: list[str] = []
        self.observer = RecordedCounts()
        self.throttle = setup.throttle()
        self._clients: list[Client] = []
        self.install(setup)
        lane = {"fast_handler": self._try_fast} if fast else {}
        self.server = HardenedServer(
            self._handle, limits=setup.limits, report=self.reports.append, **lane
        )

    def install(self, setup: Setup) -> None:
        """Replace all parts, as a reload does."""
        self.keys = setup.keys()
        default = self._verifier(setup.policy)
        by_host = {host: self._verifier(setup.policy | own) for host, own in setup.hosts.items()}
        hosts = Hosts(default, by_host, refuses_unknown_hosts=bool(by_host))
        self.lines = RecordedLines()
        clock = (
            count().__next__
        )  # one second later at each call, so that a busy machine changes no record
        report_only = setup.options.report_only
        log = DecisionLog([self.lines], report_only=report_only, monotonic=clock)
        self.cache = DecisionCache(setup.ttl)
        options = replace(setup.options, decision_ttl=setup.ttl)
        self.service = DecisionService(hosts, self.cache, self.observer, log, options)

    def _verifier(self, policy: dict[str, Any]) -> Verifier:
        return Verifier(replace(POLICY, **policy), self.keys, lambda: NOW, self.throttle)

    async def connect(self) -> Client:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        _, connection = await loop.connect_accepted_socket(self.server, far)
        assert isinstance(connection, Connection)
        client = Client(near, far, connection)
        self._clients.append(client)
        await client.wait_idle()
        return client

    async def exchange(
        self, parts: Sequence[bytes], *, pipelined: bool, half_close: bool = False
    ) -> Observed:
        """Send parts over a new connection, each after the one before it was read.

        Args:
            parts: The bytes to send.
            pipelined: Whether a part is sent before the responses to the parts before it have come.
            half_close: Whether the client closes its side of the connection at the end.
        """
        self.lines.written.clear()
        self.observer.counted.clear()
        client, received = await self.connect(), b""
        for part in parts:
            await client.send(part)
            if not pipelined:
                await client.wait_idle()
                received += client.read()
        if half_close:
            client.half_close()
            responses, closed, after = (
                parse_responses(received + await client.read_rest()),
                True,
                [],
            )
        else:
            await client.wait_idle()
            responses, closed = parse_responses(received + client.read()), client.is_ending()
            await client.send(PROBE)
            await client.wait_idle()
            client.half_close()
            after = parse_responses(await client.read_rest())
        client.close()
        assert not self.observer.in_flight
        counted, lines = list(self.observer.counted), list(self.lines.written)
        return Observed(responses, closed, after, counted, lines, len(self.reports))

    async def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.server.pre_shutdown()
        await self.server.shutdown(TIMEOUT)

    def _try_fast(
        self, head: bytes, transport: asyncio.Transport, respond_later: RespondLater
    ) -> bytes | Deferred | None:
        answer = self.service.fast_lane.answer(head, transport, respond_later)
        self.fast_count += answer is not None
        return answer

    async def _handle(self, request: Any) -> Any:
        return await self.service.handle(request)


@dataclass
class ReaderPair:
    """Both listeners."""

    fast: DecisionListener
    plain: DecisionListener

    async def compare(
        self, *parts: bytes, pipelined: bool = False, half_close: bool = False
    ) -> Observed:
        """Check that both listeners do the same with these parts, and return what they do."""
        fast = await self.fast.exchange(parts, pipelined=pipelined, half_close=half_close)
        plain = await self.plain.exchange(parts, pipelined=pipelined, half_close=half_close)
        assert fast == plain
        assert self.fast.cache._entries == self.plain.cache._entries  # the keys above all
        return fast

    def install(self, setup: Setup) -> None:
        self.fast.install(setup)
        self.plain.install(setup)


@asynccontextmanager
async def reader_pair(setup: Setup | None = None) -> AsyncIterator[ReaderPair]:
    setup = setup or Setup()
    both = ReaderPair(DecisionListener(setup, fast=True), DecisionListener(setup, fast=False))
    try:
        yield both
    finally:
        await both.fast.stop()
        await both.plain.stop()


def parse_responses(raw: bytes) -> list[tuple[str, list[str], bytes]]:
    """Split the bytes of a server into responses: status line, sorted headers, body.

    Each response must have one ``Date``, which is left out. The order of headers does not count.
    """
    responses = []
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        assert end, f"an incomplete answer: {head!r}"
        status, *fields = head.decode("latin-1").split("\r\n")
        dates = [line for line in fields if line.startswith("Date: ")]
        assert len(dates) == (0 if " 100 " in status else 1), fields
        lengths = [int(line[16:]) for line in fields if line.startswith("Content-Length: ")]
        length = 0 if raw.startswith(b"HTTP/1.") else sum(lengths)  # a response to HEAD has none
        body, raw = raw[:length], raw[length:]
        responses.append((status, sorted(set(fields) - set(dates)), body))
        assert len(set(fields)) == len(fields)
    return responses
