"""One client's connection: which bytes belong to which request, and how long a client may take.

This module finds where a head ends, and gives the parser one whole head at a time. So the length of
a head is known before it is parsed, and an error in one request cannot reach the requests before
it. A connection has one of these states:

    READING    between two requests, or in a head that is not complete
    BODY       a head is complete, and its body is not
    ANSWERING  a whole request waits for its response
    CLOSING    the last response is sent; the connection waits for the client to close it

    event                          READING         BODY            ANSWERING       CLOSING
    a part of a head               READING         -               (kept)          (dropped)
    a whole head                   ANSWERING (1)   -               (kept)          (dropped)
    a whole head before a body     BODY            -               (kept)          (dropped)
    the body's end                 -               ANSWERING (1)   -               (dropped)
    the response                   -               -               READING         -
    the last response              -               -               CLOSING (2)     -
    a refusal                      CLOSING         CLOSING         -               -
    the client closes its side     closed          closed          (3)             closed
    the deadline                   closed          CLOSING (408)   -               closed

    (kept)  The bytes wait for the response, and nothing more is read until then. So responses leave
            in the order of the requests, and a client cannot fill the memory.
    (1)     READING at once if the response needs no wait, as nearly always.
    (2)     Closed at once if the client has sent nothing behind the request. Otherwise the system
            would send a reset, and the client could lose a response that way (RFC 9112, 9.6).
    (3)     The request, and whole requests behind it, still get their responses.

While the client has not read the last response, nothing more is answered, in any state.

``parser`` says which requests are refused. All bytes of refusals and all log lines are constant, so
that no request can write into them. This module knows no endpoint.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from verifier.http.parser import RefusalError, RequestParser
from verifier.http.request import Request
from verifier.http.responses import REFUSALS, Rendered

if TYPE_CHECKING:
    from verifier.http.server import HttpServer

_BLANK_LINE: Final = b"\r\n\r\n"
_CRLF: Final = b"\r\n"
_LF: Final = ord("\n")
_HEAD: Final = b"HEAD "
_A: Final = ord("A")
_Z: Final = ord("Z")
_CLOSE: Final = b"Connection: close\r\n\r\n"
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n\r\n"  # only HTTP/1.0 needs it
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# Requests of one read that are answered in one round of the event loop. A read can hold thousands.
_ANSWERED_PER_ROUND: Final = 16


class _State(Enum):
    """The states in the table at the top."""

    READING = "reading"
    BODY = "body"
    ANSWERING = "answering"
    CLOSING = "closing"


# A global name costs less than an attribute of the class.
_READING: Final = _State.READING


class HttpConnection(asyncio.Protocol):
    """The protocol of one connection.

    Args:
        server: Holds the connections, and answers their requests.
    """

    __slots__ = (
        "_head_length",
        "_is_new",
        "_leaves_body",
        "_parser",
        "_peer_closed",
        "_reading_paused",
        "_request",
        "_scanned",
        "_server",
        "_state",
        "_transport",
        "_unread",
        "_write_blocked",
        "deadline",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = RequestParser(server.limits)
        self._state = _READING
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()  # bytes of no request yet
        self._scanned = 0  # how many of them have been searched for the end of a head
        self._request: Request | None = None  # the request whose body is read
        self._head_length = 0  # bytes of that request's head
        self._leaves_body = False  # whether the last request has a body that is not read
        self._reading_paused = False
        self._write_blocked = False
        self._peer_closed = False
        self._is_new = True  # nothing was answered yet
        self.deadline = inf
        """When ``expire`` is to be called, monotonic seconds."""

    # The transport's events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        self._transport = cast("asyncio.Transport", transport)
        # A client must read a response before it gets another one.
        self._transport.set_write_buffer_limits(0)
        self.deadline = monotonic() + self._server.limits.head_seconds
        self._server.connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Drop what is kept. A decision that has begun goes on: stores and records need it."""
        del exc
        self._transport = None
        self._drop_kept()
        self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        """Answer the requests in the bytes of one read, or keep the bytes."""
        if self._state is _READING and not self._unread and not self._write_blocked:
            # One read is nearly always one whole head.
            end = len(data) - len(_BLANK_LINE)
            if 0 < end == data.find(_BLANK_LINE) and _A <= data[0] <= _Z:
                try:
                    self._read_head(data)
                except Exception as error:  # noqa: BLE001 (asyncio would log its values)
                    self._fail(error)
                return
        if self._state is not _State.CLOSING:
            self._unread += data
            self._go_on()

    def eof_received(self) -> bool:
        """Answer the requests that a client has sent before it closed its side."""
        self._peer_closed = True
        # asyncio closes the connection if this method returns False.
        return self._state is _State.ANSWERING or self._write_blocked

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read the last response."""
        self._write_blocked = True
        self.deadline = monotonic() + self._server.limits.idle_seconds

    def resume_writing(self) -> None:
        """Go on: the client has read the last response."""
        self._write_blocked = False
        if self._state is _READING:
            self.deadline = monotonic() + self._server.limits.idle_seconds
        elif self._state is _State.BODY:
            self.deadline = monotonic() + self._server.limits.body_seconds
        # Later, because asyncio reports a lost connection twice if a transport is closed here.
        asyncio.get_running_loop().call_soon(self._go_on)

    # The server's events

    def expire(self) -> None:
        """Act on the deadline: the client has taken too long."""
        if self._state is _State.BODY:
            self._refuse_body(408)
        else:
            self.abort()

    def close_if_idle(self) -> None:
        """Close the connection, unless a whole head has come or a response is not sent yet.

        A new connection stays for a moment. Its client sends a request at once, and cannot know
        that the server closes. For a connection that was used, clients expect this and try again.
        """
        # Between two heads, reading is paused only while whole requests wait for their round.
        if self._reading_paused or self._write_blocked or self._state is not _READING:
            return
        if self._is_new:
            seconds = self._server.limits.closing_head_seconds
            self.deadline = min(self.deadline, monotonic() + seconds)
        elif self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now; what is not sent yet is lost."""
        if self._transport is not None:
            self._transport.abort()

    # Reading

    def _go_on(self) -> None:
        """Read and answer what has come, as far as the state permits."""
        try:
            for _ in range(_ANSWERED_PER_ROUND):
                if self._write_blocked or self._is_closed() or not self._read_next():
                    self._keep_rest()
                    return
        except Exception as error:  # noqa: BLE001 (asyncio would log its values)
            self._fail(error)
            return
        # Other connections get their turn.
        asyncio.get_running_loop().call_soon(self._go_on)
        self._pause_reading()

    def _read_next(self) -> bool:
        """Read one head or one part of a body; return whether there may be more to read."""
        if self._state is _READING:
            return self._find_head()
        if self._state is _State.BODY:
            return self._read_body()
        return False

    def _find_head(self) -> bool:
        """Read the first head of the bytes; return False if it is not complete."""
        unread = self._unread
        if unread.startswith((b"\r", b"\n")):
            # Blank lines before a request are ignored (RFC 9112, section 2.2).
            del unread[: len(unread) - len(unread.lstrip(b"\r\n"))]
        if not unread:
            return False
        end = unread.find(_BLANK_LINE, max(0, self._scanned - 3))
        if end >= 0:
            end += len(_BLANK_LINE)
            head = bytes(unread[:end])
            del unread[:end]
            self._scanned = 0
            self._read_head(head)
            return True
        if len(unread) > self._server.limits.head_bytes:
            self._refuse(431, to_head=unread.startswith(_HEAD))
        elif _can_become_no_head(unread, max(0, self._scanned - 1)):
            self._refuse(400, to_head=unread.startswith(_HEAD))
        elif self._scanned == 0:
            # For the first head, the time has begun with the connection.
            self.deadline = min(self.deadline, monotonic() + self._server.limits.head_seconds)
        self._scanned = len(unread)
        return False

    def _read_head(self, head: bytes) -> None:
        """Read one whole head, and answer its request if no body is to be read."""
        server, parser = self._server, self._parser
        try:
            request = parser.read_head(head, self._transport)
            if parser.has_body:
                if server.takes_body(request):
                    parser.expect_body(request)
                    self._expect_body(request, len(head))
                    return
                self._leaves_body = parser.is_last = True
        except RefusalError as refusal:
            self._refuse(refusal.status, to_head=head.startswith(_HEAD))
            return
        self._answer(request)

    def _expect_body(self, request: Request, head_length: int) -> None:
        self._state, self._request, self._head_length = _State.BODY, request, head_length
        self.deadline = monotonic() + self._server.limits.body_seconds
        self._server.hold(self, head_length)
        expects = (request.sole(b"expect") or "").lower() == "100-continue"
        if expects and not self._parser.is_http_1_0:
            # Also if the body is on its way already, which does no harm (RFC 9110, 10.1.1).
            self._write(_CONTINUE)

    def _read_body(self) -> bool:
        """Read a part of the body; return whether the body is complete."""
        if not self._unread or self._request is None:
            return False
        try:
            body = self._parser.read_body(self._unread)
        except RefusalError as refusal:
            self._refuse_body(refusal.status)
            return False
        if body is None:
            return False
        request, self._request = self._request, None
        request.body = body
        self._answer(request)
        return True

    def _keep_rest(self) -> None:
        """Read on, or wait until the request is answered; note how many bytes are kept."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._state is _State.ANSWERING or self._write_blocked:
            if self._unread:
                self._pause_reading()
        elif self._peer_closed or (
            self._state is _READING and self._server.is_closing and not self._is_new
        ):
            transport.close()
        else:
            self._resume_reading()
        head_length = 0 if self._request is None else self._head_length
        self._server.hold(self, head_length + self._parser.held_bytes + len(self._unread))

    def _is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _drop_kept(self) -> None:
        self._unread.clear()
        self._parser.drop()
        self._request = None

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    # Responding

    def _answer(self, request: Request) -> None:
        """Answer a whole request, now or when its coroutine has ended."""
        try:
            response = self._server.respond(request)
            if not isinstance(response, tuple):
                self._state, self.deadline = _State.ANSWERING, inf
                self._server.start(response, partial(self._send_result, request.method))
                return
        except Exception as error:  # noqa: BLE001 (asyncio would log its values)
            self._server.report_bug(error)
            self._refuse(500, to_head=request.method == "HEAD")
            return
        self._send(request.method, response)

    def _send_result(self, method: str, task: asyncio.Task[Rendered]) -> None:
        """Send the response that a task has made."""
        try:
            response = task.result()
            if not self._is_closed():
                self._send(method, response)
        except asyncio.CancelledError:
            self.abort()
        except Exception as error:  # noqa: BLE001 (asyncio would log its values)
            self._server.report_bug(error)
            self._refuse(500, to_head=method == "HEAD")
        self._go_on()

    def _send(self, method: str, response: Rendered) -> None:
        head, body = response
        server = self._server
        end = _CRLF
        if self._parser.is_last or server.draining:
            end = _CLOSE
        elif self._parser.is_http_1_0:
            end = _KEEP_ALIVE
        # `write` may call `pause_writing`, which sets another deadline.
        self._state, self.deadline, self._is_new = _READING, server.idle_deadline, False
        parts = head, server.date_line, end, b"" if method == "HEAD" else body
        if self._transport is not None:
            self._transport.write(b"".join(parts))
        if end is _CLOSE:
            self._close()

    def _refuse(self, status: int, *, to_head: bool = False) -> None:
        """Send a constant refusal, without its body to a HEAD request.

        Where the refused request ends is not known.
        """
        head, body = REFUSALS[status]
        parts = head, self._server.date_line, _CLOSE, b"" if to_head else body
        self._write(b"".join(parts))
        self._leaves_body = True
        self._close()

    def _refuse_body(self, status: int) -> None:
        request = self._request
        self._refuse(status, to_head=request is not None and request.method == "HEAD")

    def _fail(self, error: Exception) -> None:
        """Report a bug of this module. What the client gets or sends next is not known."""
        self._server.report_bug(error)
        self.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        """Close the connection after what is written."""
        self._state = _State.CLOSING
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._peer_closed or not (self._leaves_body or self._unread):
            transport.close()
            return
        self._drop_kept()
        self._server.hold(self, 0)
        self.deadline = monotonic() + self._server.limits.linger_seconds
        if transport.can_write_eof():
            transport.write_eof()
        self._resume_reading()


def _can_become_no_head(unread: bytearray, start: int) -> bool:
    """Return whether these bytes cannot become a head, whatever bytes follow.

    That is so without a method at the beginning, as in a TLS handshake, and with a CR or LF that is
    alone. A CR at the end may still get its LF.

    Args:
        unread: The beginning of a head.
        start: The first byte that is new, or the one before it.
    """
    pairs = unread.count(_CRLF, start)
    returns = unread.count(b"\r", start) - unread.endswith(b"\r")
    feeds = unread.count(b"\n", start) - (start > 0 and unread[start] == _LF)
    return not _A <= unread[0] <= _Z or returns != pairs or feeds != pairs
