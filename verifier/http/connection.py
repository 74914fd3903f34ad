"""One client's connection: which reader gets which bytes, and how long a client may take.

Two readers share the bytes of a connection: the fast lane, which answers one whole head at a time,
and aiohttp, which reads everything else. Each byte goes to exactly one of them, and the responses
must leave in the order of the requests. The connection therefore keeps one of these states:

    IDLE           between two requests; nothing is being answered
    PARTIAL_HEAD   aiohttp has the first bytes of a head, and the others have not come yet
    AIOHTTP        aiohttp has one whole head, and answers it
    DEFERRED       the fast lane has one whole head, and answers it later; reading is paused
    PASSTHROUGH    all further bytes are aiohttp's

    event                                 IDLE          PARTIAL_HEAD  AIOHTTP      DEFERRED
    a read that is exactly one head       (fast lane)   AIOHTTP       PASSTHROUGH  -
    a read with a part of a head          PARTIAL_HEAD  PARTIAL_HEAD  PASSTHROUGH  -
    a read with the last part of a head   -             AIOHTTP       PASSTHROUGH  -
    a read with bytes behind a head       PASSTHROUGH   PASSTHROUGH   PASSTHROUGH  -
    aiohttp's response is complete        -             -             IDLE (1)     -
    the deferred response can be made     -             -             -            IDLE (2)
    the server drains                     -             -             -            AIOHTTP

    (fast lane)  IDLE if it answers at once, DEFERRED if it answers later, AIOHTTP if aiohttp has
                 to answer: the head is not one of the few forms that the fast lane takes, or the
                 decision has to wait for something other than a signature's turn.
    (1)          The state stays AIOHTTP if the request had a body, because this module does not
                 know where a body ends; and if the connection ends with the response.
    (2)          AIOHTTP if the fast lane cannot make the response after all.
    PASSTHROUGH  does not end. aiohttp alone serves a client that sends several requests at once,
                 and keeps their order.

The other half of this module limits how long a client may take: ``head_seconds`` for a head, and
``idle_seconds`` without a request or without reading a response. All bytes of error responses and
log lines are constant, so that no request can write into them. This module knows no endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from verifier.http.responses import protocol_problem
from verifier.log import traceback_summary

if TYPE_CHECKING:
    from verifier.http.fast_lane import Deferred, MakeResponse, RespondLater

Report = Callable[[str], None]
"""Takes one line about a bug."""

FastHandler = Callable[[bytes, asyncio.Transport, "RespondLater"], "bytes | Deferred | None"]
"""Answers a whole head; see ``FastLane.answer``."""

# Four times the longest head: a token that a proxy can send fits, and so does the text around a
# token that an operator pastes into an explanation.
BODY_BYTES: Final = 64 * 1024

# The longest accepted body on the wire: each byte of it in a chunk of its own takes six bytes.
_MOST_BODY_WIRE_BYTES: Final = 6 * BODY_BYTES

# aiohttp's own log lines quote requests.
_SILENT: Final = logging.getLogger(f"{__name__}.aiohttp")
_SILENT.disabled = True

_BLANK_LINE: Final = b"\r\n\r\n"
# Without this limit, a read of blank lines only would cost one call of aiohttp for each four bytes.
_PIECES_PER_READ: Final = 16
# Seconds: longer than any connection lives. aiohttp adds this number to the loop's time.
_NEVER: Final = 10.0 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send, and how long it may take.

    Attributes:
        head_bytes: Request line and header fields together. A longer field or target is refused
            at once, a longer sum when the head is complete; until then a connection may hold
            ``head_fields`` times as much.
        head_fields: Header fields; more of them are a 400.
        head_seconds: The time from the first byte of a head to its end; for the first head, from
            the start of the connection.
        idle_seconds: The time between a response and the next request; also the time for which a
            client may leave a response unread.
        linger_seconds: The time after a response in which aiohttp drops a body that no handler has
            read.
    """

    head_bytes: int = 16 * 1024
    head_fields: int = 128
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    linger_seconds: float = 5.0


class _State(Enum):
    """The states in the table at the top."""

    IDLE = "idle"
    PARTIAL_HEAD = "partial head"
    AIOHTTP = "aiohttp"
    DEFERRED = "deferred"
    PASSTHROUGH = "passthrough"


class Connection(web.RequestHandler):
    """The protocol of one connection.

    Args:
        manager: aiohttp's server, which holds all connections.
        limits: How much a client may send, and how long it may take.
        report: Takes one line for each bug.
        fast_handler: Answers a whole head, or returns that aiohttp has to answer it.
    """

    __slots__ = (
        "_body_bytes",
        "_deferred_head",
        "_fast_handler",
        "_has_body",
        "_head_bytes",
        "_head_timer",
        "_interrupt_reader",
        "_last_activity",
        "_last_bytes",
        "_limits",
        "_own_transport",
        "_report",
        "_served",
        "_state",
        "_write_timer",
        "body_is_broken",
        "head_may_be_too_long",
    )

    def __init__(
        self, manager: web.Server, limits: Limits, report: Report, fast_handler: FastHandler
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            # `close_if_idle` closes idle connections, because aiohttp's own timer does not see
            # the requests of the fast lane.
            keepalive_timeout=_NEVER,
            lingering_time=limits.linger_seconds,
            max_line_size=limits.head_bytes,
            max_field_size=limits.head_bytes,
            max_headers=limits.head_fields,
            read_bufsize=BODY_BYTES,
            auto_decompress=False,
            logger=_SILENT,
            access_log=_SILENT,
        )
        self._limits = limits
        self._report = report
        self._fast_handler = fast_handler
        self._state = _State.IDLE
        self._deferred_head = b""
        self._served: web.BaseRequest | None = None  # the request that aiohttp is answering
        self._has_body = False  # a request had a body: this module waits for no further head
        self._head_timer: asyncio.TimerHandle | None = None  # runs while a head is not complete
        self._write_timer: asyncio.TimerHandle | None = None  # runs while the client does not read
        # aiohttp drops its own reference when it begins to close. `_abort` needs one even then.
        self._own_transport: asyncio.Transport | None = None
        self._last_activity = monotonic()
        self._head_bytes = 0  # bytes since the end of the last head
        self._last_bytes = b""  # the last three of them: a blank line may come in two reads
        self._interrupt_reader = _do_nothing
        self._body_bytes = 0  # bytes of the body on the wire, with the sizes of its chunks
        self.head_may_be_too_long = False
        self.body_is_broken = False

    def begin_request(self, request: web.BaseRequest) -> None:
        """Note that aiohttp begins to answer a request."""
        self._served = request
        if announces_body(request):
            self._has_body = True
            self._stop_head_timer()
            self._check_body(0)

    def end_request(self, *, last: bool) -> None:
        """Note that aiohttp has written a whole response.

        Args:
            last: Whether the connection ends with the response.
        """
        self._served = None
        self._last_activity = monotonic()
        if self._state is _State.AIOHTTP and not last and not self._has_body:
            self._state = _State.IDLE

    def leave_fast_lane(self) -> None:
        """Have aiohttp answer the request whose response is deferred.

        The server calls this when it drains. Only aiohttp's responses can announce that the
        connection ends with them.
        """
        if self._state is _State.DEFERRED and self.transport is not None:
            self.transport.resume_reading()
            self._feed_head(self._deferred_head)

    def close_if_idle(self, now: float) -> None:
        """Close a connection without activity for ``idle_seconds``.

        A connection that is closing already, and whose client still has not read the last
        response, is cut.

        Args:
            now: Monotonic, seconds.
        """
        if now - self._last_activity < self._limits.idle_seconds:
            return
        if self._own_transport is not None and self._own_transport.is_closing():
            self._abort()
        elif (
            self._served is None and self._head_timer is None and self._state is not _State.DEFERRED
        ):
            self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer for the first head."""
        super().connection_made(transport)
        self._own_transport = cast("asyncio.Transport", transport)
        self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop all timers."""
        self._stop_head_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._own_transport = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give the bytes of one read to the fast lane or to aiohttp."""
        if self._state is _State.IDLE and self._is_whole_head(data):
            if not self._answer_fast(data):
                self._feed_head(data)
        elif data:
            self._feed_pieces(data)
        else:
            # aiohttp calls this method without bytes when it goes on with bytes that it has kept.
            self._feed(data)

    def _is_whole_head(self, data: bytes) -> bool:
        """Return whether the bytes are one head of an accepted length, with nothing behind it."""
        end = data.find(_BLANK_LINE)
        return 0 <= end == len(data) - len(_BLANK_LINE) and len(data) <= self._limits.head_bytes

    def _answer_fast(self, head: bytes) -> bool:
        """Have the fast lane answer a head; return False if aiohttp has to answer it."""
        transport = self.transport
        # A client must read the last responses before it gets another one.
        if self._write_timer is not None or transport is None or transport.is_closing():
            return False
        try:
            response = self._fast_handler(
                head, transport, lambda make_response: self._respond_later(head, make_response)
            )
        except Exception as error:  # noqa: BLE001 (aiohttp answers, and fails as it does)
            self.log_exception(exc_info=error)
            return False
        if response is None:
            return False
        self._stop_head_timer()
        # The loop's own clock; `get_running_loop` makes a system call.
        self._last_activity = monotonic()
        if isinstance(response, bytes):
            transport.write(response)
        else:
            # Nothing is read until the response is sent, so no later request is answered first.
            self._state, self._deferred_head = _State.DEFERRED, head
            transport.pause_reading()
        return True

    def _respond_later(self, head: bytes, make_response: MakeResponse) -> None:
        """Write a deferred response, and read on."""
        # After `leave_fast_lane`, aiohttp answers this request.
        if self._state is not _State.DEFERRED or self._deferred_head is not head:
            return
        try:
            response = make_response()
        except Exception as error:  # noqa: BLE001 (aiohttp answers, and fails as it does)
            self.log_exception(exc_info=error)
            response = None
        transport = self.transport
        self._state, self._deferred_head = _State.IDLE, b""
        self._last_activity = monotonic()
        if transport is None or transport.is_closing():
            return
        transport.resume_reading()
        if response is None:
            self._feed_head(head)
        else:
            transport.write(response)

    def _feed_head(self, head: bytes) -> None:
        """Give one whole head to aiohttp."""
        self._state, self._deferred_head = _State.AIOHTTP, b""
        self._stop_head_timer()
        self._feed(head)

    def _feed_pieces(self, data: bytes) -> None:
        """Give bytes to aiohttp, each head on its own.

        A parse error makes aiohttp drop all requests of the same call. A client that sends good
        requests and a bad one in one read must still get the responses to the good ones.
        """
        pieces = list(_pieces(self._last_bytes, data))
        stream = self._last_bytes + data
        between_heads = stream.endswith(_BLANK_LINE)
        if self._state in (_State.IDLE, _State.PARTIAL_HEAD) and len(pieces) == 1:
            self._state = _State.AIOHTTP if between_heads else _State.PARTIAL_HEAD
        else:
            self._state = _State.PASSTHROUGH
        for piece in pieces:
            self._feed(piece)
        self._head_bytes += len(data)
        if self._head_bytes > self._limits.head_bytes:
            # The bytes may belong to several heads; `HardenedServer` measures each of them.
            self.head_may_be_too_long = True
        self._last_bytes = b"" if between_heads else stream[-3:]
        if between_heads:
            self._head_bytes = 0
            self._stop_head_timer()
        elif self._head_timer is None and not self._has_body:
            self._start_head_timer()

    def _feed(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 (asyncio would log the exception with its values)
            self.log_exception(exc_info=error)
            self.force_close()
        if self._has_body:
            self._check_body(len(data))

    def _check_body(self, size: int) -> None:
        """Interrupt the reader of a body that has no end.

        There are two such bodies. The first has a parse error: aiohttp queues the error behind the
        request, as if the error were the next request, and the reader would wait until its time is
        over. So a message in the queue before the body's end is such an error. The second has too
        many bytes on the wire: these are extensions of chunks, whose length aiohttp does not limit.
        """
        self._body_bytes += size
        request = self._served
        if self.body_is_broken or request is None or request.content.is_eof():
            return
        if self._messages or self._body_bytes > _MOST_BODY_WIRE_BYTES:
            self.body_is_broken = True
            self._interrupt_reader()

    @asynccontextmanager
    async def reading(self, seconds: float) -> AsyncIterator[None]:
        """Limit the time for reading a body. The time for a broken body is over at once.

        Raises:
            TimeoutError: the time is over.
        """
        async with asyncio.timeout(0 if self.body_is_broken else seconds) as limit:
            # `reschedule` must not be called when the time was over in this turn of the loop.
            self._interrupt_reader = lambda: None if limit.expired() else limit.reschedule(0)
            try:
                yield
            finally:
                self._interrupt_reader = _do_nothing

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's own signature
        """Answer the request of a client that has closed its side, and then close."""
        if self._served is None or not self._served.content.is_eof():
            return None
        self.close()
        return True

    def pause_writing(self) -> None:
        """Start the timer for a client that does not read."""
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._write_timer = loop.call_later(self._limits.idle_seconds, self._abort)

    def resume_writing(self) -> None:
        """Stop the timer: the client reads again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a parse error (400, 431) or a bug (500), and report the bug."""
        del message  # it quotes the request
        if status < 500:
            return protocol_problem(431 if isinstance(exc, LineTooLong) else 400)
        self.log_exception(exc_info=exc)
        # A second response after the first bytes of another one would be read as its body.
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        return protocol_problem(500)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Report a bug by its type and place, without its message, which may quote the request."""
        del args
        self._report(traceback_summary(kw.get("exc_info") or sys.exception()))

    def _start_head_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._head_timer = loop.call_later(self._limits.head_seconds, self._expire)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _expire(self) -> None:
        self._head_timer = None
        if self._served is None:
            self.force_close()
        else:
            # The request before the late head still gets its response.
            self.close()

    def _abort(self) -> None:
        if self._own_transport is not None:
            self._own_transport.abort()


def announces_body(request: web.BaseRequest) -> bool:
    """Return whether a head says that a body follows.

    aiohttp's ``body_exists`` alone is not enough: it is false for a length of 2^64-1, while
    aiohttp's parser reads the bytes that follow as that body.
    """
    return request.body_exists or request.headers.get("Content-Length", "0") != "0"


def _do_nothing() -> None:
    """Do nothing: no handler reads a body now."""


def _pieces(last_bytes: bytes, data: bytes) -> Iterator[bytes]:
    """Split the bytes of one read after each blank line.

    Args:
        last_bytes: The bytes before ``data``, in which a blank line may have begun.
        data: The bytes. Those behind blank line number ``_PIECES_PER_READ`` stay together.
    """
    stream, start, scan = last_bytes + data, len(last_bytes), 0
    for _ in range(_PIECES_PER_READ):
        scan = stream.find(_BLANK_LINE, scan) + len(_BLANK_LINE)
        if scan < len(_BLANK_LINE):
            break
        yield stream[start:scan]
        start = scan
    if start < len(stream):
        yield stream[start:]
