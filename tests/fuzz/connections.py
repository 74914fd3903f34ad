"""The bytes of one client, in any pieces: what the server reads, answers and closes.

An input has four bytes for the choices of the pieces and of the waits, then the client's bytes. The
real protocol gets them over a transport of this module, and is compared with ``reference``, which
reads all bytes at once.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final, cast

from tests.fuzz.harness import Harness
from tests.fuzz.reference import WAITS, Reading, ReadRequest, read
from tests.fuzz.streams import random_stream
from tests.integration.attack.forms import BODIES, HEADS, SMUGGLED
from tests.integration.attack.good_requests import GoodRequest
from verifier.http.parser import Limits
from verifier.http.protocol import HttpConnection
from verifier.http.request import Request
from verifier.http.responses import REFUSALS, Rendered
from verifier.http.server import HttpServer

LIMITS: Final = Limits(
    head_bytes=400, field_bytes=200, head_fields=12, body_bytes=50, chunked_bytes=300
)
TAKEN: Final = "/b"
"""The target of the requests whose body is taken."""

LONGEST: Final = 2_000

_CHOICES: Final = 4  # bytes
_MOST_ROUNDS: Final = 10_000
_RANDOM_SEEDS: Final = 500
_DATE: Final = b"Date: today\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESPONSE: Final = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"ok")


class FakeTransport:
    """A transport whose client reads when the test says so."""

    def __init__(self, protocol: HttpConnection, random: Random | None) -> None:
        self._protocol = protocol
        self._random = random
        self.sent = bytearray()
        self.is_paused = False
        self.is_blocked = False
        self.has_ended = False
        self._is_closing = False
        self._is_resuming = False

    def write(self, data: bytes) -> None:
        """Send bytes; sometimes the client does not read them at once."""
        assert not self.has_ended, "written after the end"
        self.sent += data
        if self._random and not self.is_blocked and self._random.random() < 0.2:
            self.is_blocked = True
            self._protocol.pause_writing()

    def read_all(self) -> None:
        """Have the client read all that was sent."""
        if self.is_blocked:
            self.is_blocked, self._is_resuming = False, True
            self._protocol.resume_writing()
            self._is_resuming = False

    def pause_reading(self) -> None:
        """Deliver nothing until ``resume_reading``."""
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        """Deliver again."""
        assert self.is_paused
        self.is_paused = False

    def close(self) -> None:
        """Close after what is sent."""
        assert not self._is_resuming, "asyncio would report a lost connection twice"
        if not self._is_closing:
            self._is_closing = self.has_ended = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def write_eof(self) -> None:
        """Close this side."""
        assert not self._is_closing
        self.has_ended = True

    def is_closing(self) -> bool:
        """Return whether the connection is closed."""
        return self._is_closing

    @staticmethod
    def can_write_eof() -> bool:
        """Return that one side can be closed, as with every socket."""
        return True

    def set_write_buffer_limits(self, high: int) -> None:
        """Do nothing: ``write`` decides when the client does not read."""


@dataclass
class Outcome:
    """What the server did with a client's bytes."""

    seen: list[ReadRequest] = field(default_factory=list)
    sent: bytes = b""
    has_ended: bool = False
    reports: list[str] = field(default_factory=list)
    held_bytes: int = 0


class _Client:
    """A client of a server that has no other one.

    Args:
        random: Chooses what waits; None if nothing does.
    """

    def __init__(self, random: Random | None) -> None:
        self._random = random
        self._outcome = Outcome()
        self._server = HttpServer(
            self._respond,
            takes_body=lambda request: request.target == TAKEN,
            limits=LIMITS,
            report=self._outcome.reports.append,
        )
        self._protocol = self._server()
        assert self._server._timer is not None
        self._server._timer.cancel()
        self._server.date_line = _DATE
        self._transport = FakeTransport(self._protocol, random)
        self._protocol.connection_made(cast("asyncio.Transport", self._transport))

    async def exchange(self, pieces: Iterable[bytes], *, half_close: bool) -> Outcome:
        """Send the pieces; return what the server has done when it waits for bytes only."""
        transport, outcome = self._transport, self._outcome
        for piece in pieces:
            await self._wait(lambda: not transport.is_paused)
            if not transport.is_closing():
                self._protocol.data_received(piece)
        await self._wait(lambda: not transport.is_paused)
        if half_close and not transport.is_closing() and not self._protocol.eof_received():
            transport.close()
        await self._wait(self._is_done)
        outcome.sent, outcome.has_ended = bytes(transport.sent), transport.has_ended
        outcome.held_bytes = self._server._held_bytes
        transport.close()
        await asyncio.sleep(0)
        assert not self._server.connections
        assert not self._server._held_bytes
        return outcome

    def _respond(self, request: Request) -> Rendered | Coroutine[Any, Any, Rendered]:
        fields = [(name, value.rstrip(b" \t")) for name, value in request.fields.items()]
        more = [(name, value) for name, values in request.doubled.items() for value in values]
        seen = ReadRequest(request.method, request.target, fields + more, body=request.body)
        self._outcome.seen.append(seen)
        if self._random is None or self._random.random() < 0.6:
            return _RESPONSE
        return self._respond_later(self._random.randint(0, 3))

    @staticmethod
    async def _respond_later(rounds: int) -> Rendered:
        for _ in range(rounds):
            await asyncio.sleep(0)
        return _RESPONSE

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Let the server work for some rounds, and until the condition is true."""
        least, most = 0 if self._random is None else self._random.randint(0, 2), _MOST_ROUNDS
        while least > 0 or not (condition() or self._transport.is_closing()):
            if self._random is None or self._random.random() < 0.7:
                self._transport.read_all()
            await asyncio.sleep(0)
            least, most = least - 1, most - 1
            assert most, "the server waits for nothing that will come"

    def _is_done(self) -> bool:
        return not (self._transport.is_paused or self._transport.is_blocked or self._server._tasks)


@cache
def _runner() -> asyncio.Runner:
    """Return one event loop for all inputs."""
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


def _cut(data: bytes, random: Random) -> Iterator[bytes]:
    longest = random.choice((1, 5, 50, 500))
    while data:
        size = random.randint(1, longest)
        yield data[:size]
        data = data[size:]


def exchange(data: bytes) -> list[Outcome]:
    """Send the same bytes at once without a wait, and then in pieces with waits."""
    random = Random(data[:_CHOICES])  # noqa: S311  # an order, not a secret
    half_close, data = data[:1] > b"\x7f", data[_CHOICES:]

    async def both() -> list[Outcome]:
        at_once = [data] if data else []
        return [
            await _Client(None).exchange(at_once, half_close=half_close),
            await _Client(random).exchange(_cut(data, random), half_close=half_close),
        ]

    return _runner().run(both())


def check(data: bytes, outcomes: list[Outcome]) -> None:
    """Assert that the server did what the reference says, in whatever pieces the bytes came."""
    reading, half_close = read(data[_CHOICES:], LIMITS, TAKEN), data[:1] > b"\x7f"
    expected = [_comparable(request) for request in reading.requests]
    for outcome in outcomes:
        assert not outcome.reports
        assert [_comparable(request) for request in outcome.seen] == expected
        assert outcome.sent in _possible_responses(reading)
        if WAITS not in reading.refusals or half_close:
            assert outcome.has_ended == (reading.ends or half_close)
        assert outcome.held_bytes <= len(data)


def _comparable(request: ReadRequest) -> tuple[object, ...]:
    # The order of two values matters only under the same name.
    fields = sorted(request.fields, key=lambda field: field[0])
    return request.method, request.target, fields, request.body


def _possible_responses(reading: Reading) -> set[bytes]:
    sent = b"".join(map(_response, reading.requests))
    if reading.ends_with_continue:
        sent += _CONTINUE
    refusals = reading.refusals or {WAITS}
    return {
        sent if status == WAITS else sent + _refusal(status, to_head=reading.is_head)
        for status in refusals
    }


def _response(request: ReadRequest) -> bytes:
    (head, body), end = _RESPONSE, b""
    if request.is_last:
        end = b"Connection: close\r\n"
    elif request.is_http_1_0:
        end = b"Connection: keep-alive\r\n"
    if request.method == "HEAD":
        body = b""
    before = _CONTINUE if request.gets_continue else b""
    return before + head + _DATE + end + b"\r\n" + body


def _refusal(status: int, *, to_head: bool) -> bytes:
    head, body = REFUSALS[status]
    return head + _DATE + b"Connection: close\r\n\r\n" + (b"" if to_head else body)


def _seeds() -> list[bytes]:
    goods = (
        GoodRequest("", "/a"),
        GoodRequest("", TAKEN, method="POST", body=b'{"a": 1}'),
    )
    last = goods[0].whole(b"Connection: close")
    forms = (*SMUGGLED.values(), *HEADS.values(), *BODIES.values())
    written = [form(good) for form in forms for good in goods]
    written += [
        goods[0].whole() * 20 + last,
        goods[1].whole() + goods[0].whole(b"X-A: 1", b"x-a: 2", b"X-B: ") + last,
        goods[1].head(b"Transfer-Encoding: chunked") + b"3;a=b\r\nabc\r\n0\r\n\r\n" + last,
        goods[1].head(b"Expect: 100-continue", b"Content-Length: 3") + b"abc" + last,
        goods[0].whole(b"Connection: keep-alive", version="HTTP/1.0") + last,
        goods[0].whole(b"Connection: Upgrade", b"Upgrade: h2c") + last,
        goods[0].whole(b"Proxy-Connection: close") + last,
        goods[0].whole(b"Content-Length: 3") + b"abc" + last,
    ]
    random = Random("seeds")  # noqa: S311  # the same seeds each time
    written += [random_stream(random, written, TAKEN.encode()) for _ in range(_RANDOM_SEEDS)]
    short = sorted({each for each in written if len(each) < LONGEST}, key=len)
    return [random.randbytes(_CHOICES) + each for each in short]


CONNECTIONS: Final = Harness(exchange, check, _seeds(), 0.05, LONGEST)
