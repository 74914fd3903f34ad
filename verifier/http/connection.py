"""One client's connection: bounds its heads, and keeps its bytes out of error answers and logs.

What may be answered by the fast lane is decided here: a whole head that comes when the one before
it has been answered and aiohttp's parser stands between two messages. Everything else goes to
aiohttp byte for byte, in the order in which it came. Knows no endpoint.
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
    from verifier.http.fast_lane import Deliver, Later

Report = Callable[[str], None]
Fast = Callable[[bytes, asyncio.Transport, "Deliver"], "bytes | Later | None"]
"""Answers a whole head; see ``FastLane.answer``."""

BODY_BYTES: Final = 64 * 1024

# A body in its chunks: as much as the longest that is accepted, cut in pieces of one byte each.
_WIRE_BYTES: Final = 6 * BODY_BYTES

_SILENT: Final = logging.getLogger(f"{__name__}.aiohttp")  # whose lines quote requests
_SILENT.disabled = True

_BLANK_LINE: Final = b"\r\n\r\n"
_PIECES_PER_READ: Final = 16
_NEVER: Final = 10.0 * 365 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send, and how long it may take.

    Attributes:
        head_bytes: Request line and header fields together. One field or target beyond it is
            refused at once, the sum when the head is complete; a connection may hold
            ``head_fields`` times as much until then.
        head_fields: Header fields; more are 400.
        head_seconds: From the first byte of a head to its end; at first, from the connection.
        idle_seconds: Between an answer and the next request, and for a client that does not read.
        linger_seconds: For a body that no handler wanted, once the answer is out.
    """

    head_bytes: int = 16 * 1024
    head_fields: int = 128
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    linger_seconds: float = 5.0


class _Stream(Enum):
    """Where the stream stands, as far as the fast lane is concerned."""

    FREE = "between two messages, none of them in work"
    HEAD = "in a head that is aiohttp's"
    ONE = "behind one whole head that aiohttp answers"
    HELD = "behind one whole head whose answer has to wait; nothing is read meanwhile"
    MIXED = "who knows: aiohttp's for good"


class Connection(web.RequestHandler):
    """One client: bounds its heads, and keeps its bytes out of error answers and logs.

    Args:
        manager: aiohttp's, which knows all connections.
        limits: How much a client may send, and how long it may take.
        report: Takes one line for each bug.
        fast: Answers a whole head from its bytes, or says that aiohttp is to do it.
    """

    __slots__ = (
        "_fast",
        "_final",
        "_held",
        "_hurry",
        "_last_seen",
        "_limits",
        "_report",
        "_seen",
        "_serving",
        "_stall",
        "_stream",
        "_tail",
        "_timer",
        "_wire",
        "_wired",
        "broken",
        "crowded",
    )

    def __init__(self, manager: web.Server, limits: Limits, report: Report, fast: Fast) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            # Idle connections are closed by `close_if_idle`: aiohttp sees only its own requests.
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
        self._fast = fast
        self._stream = _Stream.FREE
        self._held = b""  # the head whose answer has to wait
        self._serving: web.BaseRequest | None = None
        self._final = False  # the request being served has a body: no head follows it
        self._timer: asyncio.TimerHandle | None = None  # runs while a head is incomplete
        self._stall: asyncio.TimerHandle | None = None  # runs while the client does not read
        self._wire: asyncio.Transport | None = None  # `transport` is gone when it is to close
        self._last_seen = monotonic()
        self._seen = 0  # bytes since the stream was last between two heads
        self._tail = b""  # the last three of them
        self._hurry = _nobody_reads
        self._wired = 0  # bytes of the body being served, chunk sizes and all
        self.crowded = False  # a head may have been longer than allowed
        self.broken = False  # the body being served cannot be read to its end

    def begin(self, request: web.BaseRequest) -> None:
        """Note that a request is being served; behind one with a body, no head is awaited."""
        self._serving = request
        if announces_body(request):
            self._final = True
            self._stop_timer()
            self._mind_body(0)

    def end(self, *, last: bool) -> None:
        """Note that the request has its whole answer.

        Args:
            last: Whether the connection ends with it.
        """
        self._serving = None
        self._last_seen = monotonic()
        if self._stream is _Stream.ONE and not last and not self._final:
            self._stream = _Stream.FREE

    def leave_fast_lane(self) -> None:
        """Leave to aiohttp what is waiting for its answer."""
        if self._stream is _Stream.HELD and self.transport is not None:
            self.transport.resume_reading()
            self._hand_over(self._held)

    def close_if_idle(self, now: float) -> None:
        """Close the connection if nobody has said anything on it for too long.

        Cut it if it is to close already, and the client still does not read the last answers.

        Args:
            now: Monotonic, seconds.
        """
        if now - self._last_seen < self._limits.idle_seconds:
            return
        if self._wire is not None and self._wire.is_closing():
            self._abort()
        elif self._serving is None and self._timer is None and self._stream is not _Stream.HELD:
            self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop all timers."""
        self._stop_timer()
        if self._stall is not None:
            self._stall.cancel()
        self._wire = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer what came, or hand it over to aiohttp."""
        if self._stream is _Stream.FREE and self._is_whole(data):
            if not self._answer_fast(data):
                self._hand_over(data)
        elif data:
            self._receive_pieces(data)
        else:
            self._feed(data)

    def _is_whole(self, data: bytes) -> bool:
        """Tell whether this is one head with nothing behind it, of a length that is accepted."""
        end = data.find(_BLANK_LINE)
        return 0 <= end == len(data) - len(_BLANK_LINE) and len(data) <= self._limits.head_bytes

    def _answer_fast(self, head: bytes) -> bool:
        """Have a head answered from its bytes; False where aiohttp is to answer."""
        transport = self.transport
        if self._stall is not None or transport is None or transport.is_closing():
            return False
        try:
            answer = self._fast(head, transport, lambda judge: self._deliver(head, judge))
        except Exception as error:  # noqa: BLE001 (aiohttp answers, and fails as it does)
            self.log_exception(exc_info=error)
            return False
        if answer is None:
            return False
        self._stop_timer()
        # The loop's own clock; to ask for the loop first would be a system call.
        self._last_seen = monotonic()
        if isinstance(answer, bytes):
            transport.write(answer)
        else:
            self._stream, self._held = _Stream.HELD, head
            transport.pause_reading()
        return True

    def _deliver(self, head: bytes, judge: Callable[[], bytes | None]) -> None:
        """Give an answer that had to wait, and read on."""
        if self._stream is not _Stream.HELD or self._held is not head:
            return
        try:
            answer = judge()
        except Exception as error:  # noqa: BLE001 (as above)
            self.log_exception(exc_info=error)
            answer = None
        transport = self.transport
        self._stream, self._held = _Stream.FREE, b""
        self._last_seen = monotonic()
        if transport is None or transport.is_closing():
            return
        transport.resume_reading()
        if answer is None:
            self._hand_over(head)
        else:
            transport.write(answer)

    def _hand_over(self, head: bytes) -> None:
        """Leave one whole head to aiohttp."""
        self._stream, self._held = _Stream.ONE, b""
        self._stop_timer()
        self._feed(head)

    def _receive_pieces(self, data: bytes) -> None:
        # A parse error costs the good requests that came in the same read: each head on its own.
        pieces = list(_pieces(self._tail, data))
        stream = self._tail + data
        between_heads = stream.endswith(_BLANK_LINE)
        if self._stream in (_Stream.FREE, _Stream.HEAD) and len(pieces) == 1:
            self._stream = _Stream.ONE if between_heads else _Stream.HEAD
        else:
            self._stream = _Stream.MIXED
        for piece in pieces:
            self._feed(piece)
        self._seen += len(data)
        self.crowded = self.crowded or self._seen > self._limits.head_bytes
        self._tail = b"" if between_heads else stream[-3:]
        if between_heads:
            self._seen = 0
            self._stop_timer()
        elif self._timer is None and not self._final:
            self._start_timer()

    def _feed(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 (asyncio would log the exception with its values)
            self.log_exception(exc_info=error)
            self.force_close()
        if self._final:
            self._mind_body(len(data))

    def _mind_body(self, size: int) -> None:
        """Notice a body of which no more can be read; whoever reads it would wait for nothing.

        aiohttp queues a parse error behind the request whose body it was found in, and nothing else
        before that body's end. Chunk extensions of any length are none of it.
        """
        self._wired += size
        request = self._serving
        if self.broken or request is None or request.content.is_eof():
            return
        if self._messages or self._wired > _WIRE_BYTES:
            self.broken = True
            self._hurry()

    @asynccontextmanager
    async def reading(self, seconds: float) -> AsyncIterator[None]:
        """Give whoever reads the body so much time, and none once it is broken.

        Raises:
            TimeoutError: the time was over.
        """
        async with asyncio.timeout(0 if self.broken else seconds) as limit:
            # Its end may have come in this very turn of the loop.
            self._hurry = lambda: None if limit.expired() else limit.reschedule(0)
            try:
                yield
            finally:
                self._hurry = _nobody_reads

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's own signature
        """Let a client that half-closes behind its request have its answer, and no later one."""
        if self._serving is None or not self._serving.content.is_eof():
            return None
        self.close()
        return True

    def pause_writing(self) -> None:
        """Give a client that does not read some time, and no more."""
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(self._limits.idle_seconds, self._abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a parse error (400, 431) or a bug (500) with constant bytes; report the bug."""
        del message  # it quotes the request
        if status < 500:
            return protocol_problem(431 if isinstance(exc, LineTooLong) else 400)
        self.log_exception(exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        return protocol_problem(500)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Report a bug; its message and arguments may quote the request and are dropped."""
        del args
        self._report(traceback_summary(kw.get("exc_info") or sys.exception()))

    def _start_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limits.head_seconds, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._serving is None:
            self.force_close()
        else:
            self.close()

    def _abort(self) -> None:
        if self._wire is not None:
            self._wire.abort()


def announces_body(request: web.BaseRequest) -> bool:
    """Tell whether a head says that a body follows.

    aiohttp takes a length of 2^64-1 for none, while its parser takes what follows for that body.
    """
    return request.body_exists or request.headers.get("Content-Length", "0") != "0"


def _nobody_reads() -> None:
    """Have nobody to tell that a body is broken."""


def _pieces(tail: bytes, data: bytes) -> Iterator[bytes]:
    stream, start, scan = tail + data, len(tail), 0
    for _ in range(_PIECES_PER_READ):
        scan = stream.find(_BLANK_LINE, scan) + len(_BLANK_LINE)
        if scan < len(_BLANK_LINE):
            break
        yield stream[start:scan]
        start = scan
    if start < len(stream):
        yield stream[start:]
