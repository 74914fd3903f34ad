"""The decision address in this process: its clients send raw bytes, and its parts can be watched.

Keys, signature throttle and store of redemptions can be held, so that a response waits until a test
lets it go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.sidecar import CLAIMS, NOW, POLICY, FakeKeys
from tests.support.tokens import sign
from tests.support.wire import TIMEOUT, until
from verifier.decisions.cache import DecisionCache
from verifier.decisions.hosts import Hosts
from verifier.decisions.throttle import SignatureThrottle
from verifier.decisions.verifier import Keys, Verifier
from verifier.http.decision_service import DecisionService
from verifier.http.parser import Limits, RequestParser
from verifier.http.protocol import HttpConnection
from verifier.http.proxy_auth import ProxyAuthOptions
from verifier.http.request import Request
from verifier.http.responses import Rendered
from verifier.http.server import HttpServer
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing
from verifier.observability.decision_log import DecisionLog
from verifier.observability.first_decisions import DecidedToken
from verifier.observability.sinks import LogContext, Outcome
from verifier.rules.model import Decision, Deny
from verifier.single_use import SingleUse
from verifier.single_use.model import EntryAttempt

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = VerificationKey(None, frozenset({"ES256"}), PRIVATE.public_key(), "file")
FETCHED = VerificationKey("new", frozenset({"ES256"}), PRIVATE.public_key(), "asap")


def signed(key_id: str | None = None, **claims: Any) -> str:
    """Return a token that ``HeldKeys`` can verify: at once, or with ``key_id`` after a fetch."""
    return sign(CLAIMS | claims, {} if key_id is None else {"kid": key_id}, PRIVATE, "ES256")


class HeldThrottle(SignatureThrottle):
    """A throttle without a turn before ``release``."""

    def take(self) -> bool:
        """Return that it is never a check's turn."""
        return False

    def release(self) -> None:
        """Have the turns of all waiting checks come."""
        waiting, self._queue = self._queue, type(self._queue)()
        for go in waiting:
            go()

    @property
    def waiting(self) -> int:
        """How many checks wait."""
        return len(self._queue)

    def _next_round(self) -> None:
        self._is_idle = True


@dataclass
class HeldKeys(FakeKeys):
    """A static public key, one at hand, and a key "new" that is fetched once ``fetched`` is set."""

    static: list[VerificationKey] = field(default_factory=lambda: [PUBLIC])
    fetched: asyncio.Event = field(default_factory=asyncio.Event)
    fetches: int = 0
    lost: bool = False
    broken: str = ""

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key "at-hand"."""
        if self.broken:
            raise ValueError(self.broken)
        return FETCHED if key_id == "at-hand" and not self.lost else None

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        """Return the key "new" once it is there."""
        self.fetches += 1
        await self.fetched.wait()
        if self.broken:
            raise ValueError(self.broken)
        return FETCHED if key_id == "new" else Missing.UNKNOWN


class HeldRedemptions:
    """A store of redemptions that answers once ``answering`` is set."""

    def __init__(self) -> None:
        self.answering = asyncio.Event()
        self.attempts: list[EntryAttempt] = []
        self.redeemed: list[str] = []

    async def redeem(self, attempt: EntryAttempt) -> bool:
        """Return whether this is the first attempt with the token."""
        self.attempts.append(attempt)
        await self.answering.wait()
        self.redeemed.append(attempt.token_id)
        return self.redeemed.count(attempt.token_id) == 1

    async def close(self) -> None:
        """Do nothing."""


class RecordedLines:
    """A ``Sink`` that keeps all records."""

    def __init__(self) -> None:
        self.written: list[tuple[Mapping[str, Any], str, str | None]] = []

    def wants(self, outcome: Outcome) -> bool:
        """Return that every record is wanted."""
        return bool(outcome)

    def write(self, record: Mapping[str, Any], context: LogContext) -> None:
        """Keep a record."""
        self.written.append((record, context.endpoint, context.request_id))


class RecordedCounts:
    """An ``Observer`` that keeps all counts."""

    def __init__(self) -> None:
        self.lookups: list[bool] = []
        self.decisions: list[str] = []
        self.tokens: list[tuple[str, bytes | None]] = []
        self.preflights: list[str] = []
        self.in_flight = 0
        self.broken = ""
        """The message of an error that each count raises; empty for none."""
        self._outcomes: list[str] = []

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Keep a lookup."""
        self.lookups.append(hit)

    @contextmanager
    def track_in_flight(self) -> Iterator[None]:
        """Count a request as in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def count_preflight(self, endpoint: str) -> None:
        """Keep a preflight."""
        self.preflights.append(endpoint)

    def outcome_index(
        self,
        endpoint: str,
        decision: Decision,
        *,
        enforced: bool = True,
        is_keep_alive: bool = False,
    ) -> int:
        """Return the index of an outcome in words."""
        words = [endpoint, decision.code if isinstance(decision, Deny) else "allowed"]
        words += [] if enforced else ["reported"]
        words += ["keep-alive"] if is_keep_alive else []
        self._outcomes.append(" ".join(words))
        return len(self._outcomes) - 1

    def count_decision(self, outcome_index: int, seconds: float) -> None:
        """Keep a decision."""
        if self.broken:
            raise ValueError(self.broken)
        assert seconds > 0
        self.decisions.append(self._outcomes[outcome_index])

    def count_token(self, token: DecidedToken, /) -> None:
        """Keep the decision about a token, and the client's address."""
        _, outcome_index, client = token
        self.tokens.append((self._outcomes[outcome_index], client))


@dataclass(frozen=True)
class Setup:
    """What a listener is built from; keys, throttle and redemptions are made for each."""

    options: ProxyAuthOptions = ProxyAuthOptions()  # noqa: RUF009  # immutable
    policy: Mapping[str, Any] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    keys: Callable[[], Keys] = FakeKeys
    throttle: Callable[[], SignatureThrottle] = SignatureThrottle
    redemptions: Callable[[], HeldRedemptions] | None = None


@dataclass(frozen=True)
class Received:
    """One response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def receive(self, *, to_head: bool = False) -> Received:
        """Return the next response."""
        async with asyncio.timeout(TIMEOUT):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.rstrip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            assert len(headers) == len(lines), "a doubled header"
            length = 0 if to_head else int(headers.get("Content-Length", 0))
            body = await self._reader.readexactly(length)
        return Received(int(status.split(" ")[1]), headers, body)

    async def receive_all(self) -> list[Received]:
        """Return all responses until the server closes the connection."""
        found = []
        while True:
            try:
                found.append(await self.receive())
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
                return found

    def half_close(self) -> None:
        """Close this side."""
        self._writer.write_eof()

    def close(self) -> None:
        """Leave."""
        self._writer.close()


class DecisionListener:
    """A running listener."""

    def __init__(self, setup: Setup) -> None:
        self.reports: list[str] = []
        self.observer = RecordedCounts()
        self.install(setup)
        self.server = HttpServer(
            self._respond,
            takes_body=DecisionService.takes_body,
            report=self.reports.append,
        )
        self._clients: list[Client] = []
        self.port = 0

    def install(self, setup: Setup) -> None:
        """Replace all parts, as a reload does."""
        self.keys, self.throttle = setup.keys(), setup.throttle()
        self.redemptions = setup.redemptions and setup.redemptions()
        default = self._verifier(setup.policy)
        by_host = {
            host: self._verifier({**setup.policy, **own}) for host, own in setup.hosts.items()
        }
        self.lines, self.cache = RecordedLines(), DecisionCache(30)
        # One second later at each call, so that a busy machine changes no record.
        clock = count().__next__
        report_only = setup.options.report_only
        self.service = DecisionService(
            Hosts(default, by_host, refuses_unknown_hosts=bool(by_host)),
            self.cache,
            self.observer,
            DecisionLog([self.lines], report_only=report_only, monotonic=clock),
            replace(setup.options, decision_ttl=30),
        )

    def _respond(self, request: Request) -> Rendered | Coroutine[Any, Any, Rendered]:
        return self.service.respond(request)

    def _verifier(self, policy: Mapping[str, Any]) -> Verifier:
        single_use = self.redemptions and SingleUse(self.redemptions, 0)
        return Verifier(
            replace(POLICY, **policy),
            self.keys,
            lambda: NOW,
            self.throttle,
            single_use=single_use or None,
        )

    async def connect(self) -> Client:
        """Return a new client."""
        before = len(self.server.connections)
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        await until(lambda: len(self.server.connections) > before)
        return client

    async def ask(self, *requests: bytes) -> list[Received]:
        """Send requests over a new connection, each after the response to the one before it."""
        client = await self.connect()
        found = []
        for request in requests:
            client.send(request)
            found.append(await client.receive(to_head=request.startswith(b"HEAD ")))
        client.close()
        return found

    @property
    def connection(self) -> HttpConnection:
        """The server's end of the only connection."""
        (found,) = self.server.connections
        return found

    async def waiting(self, number: int = 1) -> None:
        """Wait until so many requests wait for something."""
        await until(lambda: self.observer.in_flight == number)

    def hang_up(self) -> None:
        """Close the clients' ends of all connections."""
        for client in self._clients:
            client.close()


class UnixPeer:
    """A transport of a proxy on a unix socket."""

    @staticmethod
    def get_extra_info(_name: str) -> str:
        """Return the name of such a peer."""
        return ""


def respond(listener: DecisionListener, request: bytes) -> Rendered:
    """Return the response to a request that need not wait."""
    read = RequestParser(Limits()).read_head(request, cast("Any", UnixPeer()))
    response = listener.service.respond(read)
    assert isinstance(response, tuple)
    return response


def receive(listener: DecisionListener, *requests: bytes) -> list[Received]:
    """Return the responses to requests that need not wait; no bytes go over a connection."""
    found = []
    for request in requests:
        head, body = respond(listener, request)
        status, *lines = head.decode().rstrip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert len(headers) == len(lines), "a doubled header"
        found.append(Received(int(status.split(" ")[1]), headers, body))
    return found


@asynccontextmanager
async def listening(setup: Setup | None = None) -> AsyncIterator[DecisionListener]:
    """Run a listener; at its end, no request may be in flight."""
    listener = DecisionListener(setup or Setup())
    acceptor = await asyncio.get_running_loop().create_server(listener.server, "127.0.0.1", 0)
    listener.port = acceptor.sockets[0].getsockname()[1]
    try:
        yield listener
        listener.hang_up()
        await until(lambda: not listener.observer.in_flight)
    finally:
        listener.hang_up()
        acceptor.close()
        listener.server.abort()
        await listener.server.close()
