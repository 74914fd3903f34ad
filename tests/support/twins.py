"""The decision listener twice in one process: once with the fast lane, once with aiohttp alone.

Both get the same bytes in the same reads, from the same state; whatever a client, a dashboard or a
log could tell them apart by is compared.
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
from verifier.http.fast_lane import Deferred, RespondLater
from verifier.http.proxy_auth import ProxyAuthOptions
from verifier.http.server import HardenedServer
from verifier.http.service import DecisionService
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LogContext, Outcome
from verifier.rules.model import Decision, Deny

PATIENCE = 10.0  # seconds after which a test that waits for a condition has failed
PROBE = b"GET /healthz HTTP/1.1\r\nHost: probe\r\n\r\n"
BRIEF = Limits(linger_seconds=0.05)


async def until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 (the server has no event for what is awaited)
            await asyncio.sleep(0)


class Lines:
    """Keeps what would be written down; a ``Sink`` that takes allows, too."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []

    def wants(self, outcome: Outcome) -> bool:
        return bool(outcome)

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        # Two signatures by an EC key differ, and so do the tokens' digests.
        told = {name: value for name, value in record.items() if name != "token_id"}
        self.written.append((told, asking.endpoint, asking.request_id, asking.traceparent))


class Counts:
    """Keeps what would be counted; an ``Observer``."""

    def __init__(self) -> None:
        self.counted: list[tuple[Any, ...]] = []
        self.working = 0

    def count_cache_lookup(self, *, hit: bool) -> None:
        self.counted.append(("hit" if hit else "miss",))

    @contextmanager
    def track_in_flight(self) -> Iterator[None]:
        self.working += 1
        yield
        self.working -= 1

    def outcome_index(self, endpoint: str, decision: Decision, *, enforced: bool = True) -> int:
        code = decision.code if isinstance(decision, Deny) else str(decision.affiliation)
        return int.from_bytes(f"{endpoint} {code} {enforced}".encode())

    def count_decision(self, endpoint: str, outcome_index: int, seconds: float) -> None:
        assert seconds > 0
        self.counted.append((endpoint, outcome_index))


@dataclass(frozen=True)
class Setup:
    """What both are built from; keys and turns are made for each."""

    options: ProxyAuthOptions = ProxyAuthOptions()  # noqa: RUF009  # immutable
    policy: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: Callable[[], Keys] = FakeKeys
    ttl: int = 30
    turns: Callable[[], SignatureThrottle] = SignatureThrottle
    limits: Limits = BRIEF


@dataclass
class Seen:
    """What one of them did with a connection."""

    answers: list[tuple[str, list[str], bytes]]
    closed: bool
    after: list[tuple[str, list[str], bytes]]
    counted: list[tuple[Any, ...]]
    written: list[tuple[Any, ...]]
    reports: int


class Client:
    """A client's end of a connection whose other end is watched."""

    def __init__(self, near: socket.socket, far: socket.socket, held: Connection) -> None:
        self._near = near
        self._far = far
        self.held = held

    def is_gone(self) -> bool:
        transport = self.held.transport
        return transport is None or transport.is_closing()

    @property
    def idle(self) -> bool:
        """Whether the server has nothing to do but to wait for bytes, or will close soon."""
        if self.is_gone():
            return True
        waiter = self.held._waiter
        if self.held._deferred_head or not self.all_read:
            return False
        return self.is_ending() or (waiter is not None and not waiter.done())

    def is_ending(self) -> bool:
        """Whether the connection is closed, or will be as soon as its time to linger is up."""
        return self.is_gone() or (self.held._has_body and self.held._served is None)

    @property
    def all_read(self) -> bool:
        if self._far.fileno() < 0 or self.is_gone():
            return True
        unread = fcntl.ioctl(self._far, termios.FIONREAD, bytes(4))
        return unread == bytes(4)

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until the server has read them, unless it will not read."""
        with suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._near, data)
        await until(lambda: self.all_read or self.held._deferred_head)

    async def settle(self) -> None:
        await until(lambda: self.idle)

    def half_close(self) -> None:
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        self._near.close()

    def read(self) -> bytes:
        """Give what has come so far."""
        found = b""
        with suppress(BlockingIOError, ConnectionError):
            while data := self._near.recv(65_536):
                found += data
        return found

    async def rest(self) -> bytes:
        """Give everything until the server has closed the connection."""
        found = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while data := await asyncio.get_running_loop().sock_recv(self._near, 65_536):
                    found += data
        return found


class Twin:
    """One of the two."""

    def __init__(self, setup: Setup, *, fast: bool) -> None:
        self.taken = 0
        self.reports: list[str] = []
        self.observer = Counts()
        self.turns = setup.turns()
        self._clients: list[Client] = []
        self.install(setup)
        lane = {"fast_handler": self._try_fast} if fast else {}
        self.server = HardenedServer(
            self._handle, limits=setup.limits, report=self.reports.append, **lane
        )

    def install(self, setup: Setup) -> None:
        """Reload: new parts in the place of the old ones."""
        self.keys = setup.keys()
        default = self._verifier(setup.policy)
        by_host = {host: self._verifier(setup.policy | own) for host, own in setup.hosts.items()}
        hosts = Hosts(default, by_host, strict=bool(by_host))
        self.lines = Lines()
        clock = count().__next__  # another second each time: a busy machine changes no record
        report_only = setup.options.report_only
        log = DecisionLog([self.lines], report_only=report_only, monotonic=clock)
        self.cache = DecisionCache(setup.ttl)
        options = replace(setup.options, decision_ttl=setup.ttl)
        self.service = DecisionService(hosts, self.cache, self.observer, log, options)

    def _verifier(self, policy: dict[str, Any]) -> Verifier:
        return Verifier(replace(POLICY, **policy), self.keys, lambda: NOW, self.turns)

    async def connect(self) -> Client:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        _, held = await loop.connect_accepted_socket(self.server, far)
        assert isinstance(held, Connection)
        client = Client(near, far, held)
        self._clients.append(client)
        await client.settle()
        return client

    async def see(self, parts: Sequence[bytes], *, rush: bool, half_close: bool = False) -> Seen:
        """Send parts over a connection of their own, each to be read before the next is sent.

        Args:
            parts: What to send.
            rush: Whether the next part does not wait for the answers to those before.
            half_close: Whether the client then says that it will say no more.
        """
        self.lines.written.clear()
        self.observer.counted.clear()
        client, said = await self.connect(), b""
        for part in parts:
            await client.send(part)
            if not rush:
                await client.settle()
                said += client.read()
        if half_close:
            client.half_close()
            answers, closed, after = parsed(said + await client.rest()), True, []
        else:
            await client.settle()
            answers, closed = parsed(said + client.read()), client.is_ending()
            await client.send(PROBE)
            await client.settle()
            client.half_close()
            after = parsed(await client.rest())
        client.leave()
        assert not self.observer.working
        counted, lines = list(self.observer.counted), list(self.lines.written)
        return Seen(answers, closed, after, counted, lines, len(self.reports))

    async def stop(self) -> None:
        for client in self._clients:
            client.leave()
        self.server.pre_shutdown()
        await self.server.shutdown(PATIENCE)

    def _try_fast(
        self, head: bytes, transport: asyncio.Transport, respond_later: RespondLater
    ) -> bytes | Deferred | None:
        answer = self.service.fast_lane.answer(head, transport, respond_later)
        self.taken += answer is not None
        return answer

    async def _handle(self, request: Any) -> Any:
        return await self.service.handle(request)


@dataclass
class Twins:
    """Both."""

    fast: Twin
    plain: Twin

    async def alike(self, *parts: bytes, rush: bool = False, half_close: bool = False) -> Seen:
        """Hold that both do the same with these parts, and give what they do."""
        fast = await self.fast.see(parts, rush=rush, half_close=half_close)
        plain = await self.plain.see(parts, rush=rush, half_close=half_close)
        assert fast == plain
        assert self.fast.cache._entries == self.plain.cache._entries  # the keys above all
        return fast

    def install(self, setup: Setup) -> None:
        self.fast.install(setup)
        self.plain.install(setup)


@asynccontextmanager
async def twins(setup: Setup | None = None) -> AsyncIterator[Twins]:
    setup = setup or Setup()
    both = Twins(Twin(setup, fast=True), Twin(setup, fast=False))
    try:
        yield both
    finally:
        await both.fast.stop()
        await both.plain.stop()


def parsed(raw: bytes) -> list[tuple[str, list[str], bytes]]:
    """Split what a server has said into answers: status line, sorted headers, body.

    ``Date`` has to be there and is otherwise left out; so is the order of the headers.
    """
    answers = []
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        assert end, f"an incomplete answer: {head!r}"
        status, *fields = head.decode("latin-1").split("\r\n")
        dates = [line for line in fields if line.startswith("Date: ")]
        assert len(dates) == (0 if " 100 " in status else 1), fields
        lengths = [int(line[16:]) for line in fields if line.startswith("Content-Length: ")]
        length = 0 if raw.startswith(b"HTTP/1.") else sum(lengths)  # behind HEAD, none
        body, raw = raw[:length], raw[length:]
        answers.append((status, sorted(set(fields) - set(dates)), body))
        assert len(set(fields)) == len(fields)
    return answers
