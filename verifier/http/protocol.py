"""One client's connection: from its bytes to whole requests, and from responses to bytes.

llhttp (through ``httptools``) parses. This module finds where a head ends, and gives the parser one
whole head at a time. So the length of a head is known before it is parsed, and an error in one
request cannot reach the requests before it. The states of a connection:

    READING    between two requests, or in a head that is not complete
    BODY       a head is complete, and its body is not
    ANSWERING  a whole request waits for its response
    CLOSING    the last response is sent; the connection waits for the client to close it

    event                          READING       BODY          ANSWERING     CLOSING
    a part of a head               READING       -             (kept)        (dropped)
    a whole head                   ANSWERING     -             (kept)        (dropped)
    a whole head before a body     BODY          -             (kept)        (dropped)
    the body's end                 -             ANSWERING     -             (dropped)
    the response                   -             -             READING       -
    the response to the last       -             -             CLOSING (1)   -
    a refusal                      CLOSING       CLOSING       -             -
    the client closes its side     closed        closed        (2)           closed
    too much time                  closed        CLOSING (408) -             closed

    (kept)  The bytes wait for the response, and nothing more is read until then. So responses leave
            in the order of the requests, and a client cannot fill the memory.
    (1)     Closed at once if the client has sent nothing behind the request. Otherwise the system
            would send a reset, and a client may lose a response that way (RFC 9112, section 9.6).
    (2)     The request, and whole requests behind it, still get their responses.

A request is the last one of its connection if the client or HTTP/1.0 says so, if it has a body in
chunks or one that no endpoint takes, if it asks for an upgrade, and while the server drains.

What is refused here, because llhttp accepts it:

    400  anything but ``METHOD target HTTP/1.1`` or ``1.0`` in the request line, with single spaces:
         no other version, no HTTP/0.9, no RTSP, no second blank
    400  a target that does not begin with ``/``: absolute forms, ``*``, CONNECT's authority
    400  ``Host`` doubled, no plain host and port, or missing in HTTP/1.1
    400  more than ``head_fields`` fields; fields in a trailer
    400  ``Transfer-Encoding`` in HTTP/1.0, doubled, or any coding but ``chunked``
    400  a body behind ``Upgrade``, whose end llhttp does not look for
    431  a head over ``head_bytes``, a field or target over ``field_bytes``
    413  a body over ``body_bytes``, or over six times as much with its chunks' sizes and extensions
    415  a body with ``Content-Encoding``

llhttp itself refuses a bare CR or LF, folded lines, NUL and other control characters, blanks before
a colon, a doubled ``Content-Length`` or one that is no number, lengths beside chunks, targets that
are not ASCII, and methods that it does not know. tests/unit/http/test_protocol.py checks all this.
Endpoints refuse doubled headers of their own: see ``original_request``.

All bytes of refusals and all log lines are constant, so that no request can write into them.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from verifier.http.request import Request
from verifier.http.responses import REFUSALS, Rendered
from verifier.rooms.host import is_host_header

if TYPE_CHECKING:
    from verifier.http.server import HttpServer

_BLANK_LINE: Final = b"\r\n\r\n"
_A: Final = ord("A")
_Z: Final = ord("Z")
_LF: Final = ord("\n")
_CLOSE: Final = b"Connection: close\r\n\r\n"
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n\r\n"  # only HTTP/1.0 needs it
_CRLF: Final = b"\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# In chunks of one byte, each byte of a body takes six bytes.
_WIRE_BYTES_PER_BODY_BYTE: Final = 6
# Requests of one read that are answered in one round of the event loop. A read can hold thousands.
_ANSWERED_PER_ROUND: Final = 16


class _RefusalError(Exception):
    """The request is refused with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _State(Enum):
    """The states in the table at the top."""

    READING = "reading"
    BODY = "body"
    ANSWERING = "answering"
    CLOSING = "closing"


_READING: Final = _State.READING
_ANSWERING: Final = _State.ANSWERING


class HttpConnection(asyncio.Protocol):
    """The protocol of one connection.

    Args:
        server: Holds the connections, and answers their requests.
    """

    __slots__ = (
        "_body",
        "_body_left",
        "_doubled",
        "_fields",
        "_has_trailer",
        "_head_length",
        "_is_complete",
        "_last",
        "_leaves_body",
        "_parser",
        "_peer_closed",
        "_reading_paused",
        "_request",
        "_scanned",
        "_server",
        "_state",
        "_target",
        "_transport",
        "_unread",
        "_version",
        "_wire_bytes",
        "_write_blocked",
        "deadline",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._state = _READING
        self._transport: asyncio.Transport | None = None
        self._parser = HttpRequestParser(self)
        self._unread = bytearray()  # bytes of no request yet
        self._scanned = 0  # how many of them have been searched for the end of a head
        self._target = b""
        self._fields: dict[bytes, bytes] = {}
        self._doubled: dict[bytes, list[bytes]] = {}
        self._version = b""  # the last character: 0 or 1
        self._last = False  # whether the connection ends with the next response
        self._leaves_body = False  # whether the request has a body that nobody reads
        self._request: Request | None = None  # the request whose body is read
        self._head_length = 0  # bytes of that request's head
        self._body = bytearray()
        self._body_left: int | None = None  # bytes; None for a body in chunks
        self._wire_bytes = 0  # bytes of a body in chunks, with the chunks' sizes
        self._is_complete = False  # whether the last chunk has come
        self._has_trailer = False
        self._reading_paused = False
        self._write_blocked = False
        self._peer_closed = False
        self.deadline = inf
        """When ``expire`` is to be called, monotonic seconds."""

    # The transport's events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        self._transport = cast("asyncio.Transport", transport)
        # Nothing more is answered while the client has not read the last response.
        self._transport.set_write_buffer_limits(0)
        self.deadline = monotonic() + self._server.limits.head_seconds
        self._server.connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Drop what is kept. A decision that has begun goes on: stores and records need it."""
        del exc
        self._transport = None
        self._unread.clear()
        self._body.clear()
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
        return self._state is _ANSWERING or self._write_blocked

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read the last response."""
        self._write_blocked = True
        self.deadline = monotonic() + self._server.limits.idle_seconds

    def resume_writing(self) -> None:
        """Go on: the client has read the last response."""
        self._write_blocked = False
        if self._state is _READING:
            self.deadline = monotonic() + self._server.limits.idle_seconds
            self._go_on()

    # The server's events

    def expire(self) -> None:
        """Act on the deadline: the client has taken too long."""
        if self._state is _State.BODY:
            self._refuse(408)
        else:
            self.abort()

    def close_if_idle(self) -> None:
        """Close the connection, unless a request is being read or answered."""
        if self._state is _READING and not self._write_blocked and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now; what is not sent yet is lost."""
        if self._transport is not None:
            self._transport.abort()

    # The parser's events. It writes no error out of them, so they only take notes.

    def on_url(self, target: bytes) -> None:
        """Note the request-target."""
        self._target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note one header field."""
        if self._request is not None:
            self._has_trailer |= not self._is_complete
            return
        name, value = name.lower(), value.rstrip(b" \t")
        if name in self._fields:
            self._doubled.setdefault(name, []).append(value)
        else:
            self._fields[name] = value

    def on_body(self, data: bytes) -> None:
        """Collect a part of the body."""
        if not self._is_complete:
            self._body += data

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._is_complete = True

    # Reading

    def _go_on(self) -> None:
        """Read and answer what has come, as far as the state permits."""
        try:
            for _ in range(_ANSWERED_PER_ROUND):
                if self._transport is None or self._write_blocked or not self._read_next():
                    self._keep_rest()
                    return
        except Exception as error:  # noqa: BLE001 (asyncio would log its values)
            self._fail(error)
            return
        # Other connections get their turn.
        asyncio.get_running_loop().call_soon(self._go_on)
        self._pause_reading()

    def _fail(self, error: Exception) -> None:
        """Report a bug of this module. What the client gets or sends next is not known."""
        self._server.report_bug(error)
        self.abort()

    def _read_next(self) -> bool:
        """Read one head or one part of a body; return whether there may be more to read."""
        if self._state is _READING:
            return self._find_head()
        if self._state is _State.BODY:
            return self._read_body()
        return False

    def _keep_rest(self) -> None:
        """Read on, or wait until the request is answered; note how many bytes are kept."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._state is _ANSWERING or self._write_blocked:
            if self._unread:
                self._pause_reading()
        elif self._peer_closed:
            transport.close()
        elif self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        head = 0 if self._request is None else self._head_length
        self._server.hold(self, head + len(self._body) + len(self._unread))

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _find_head(self) -> bool:
        """Serve the first head of the bytes; return False if it is not complete."""
        unread = self._unread
        if unread.startswith((b"\r", b"\n")):
            # Blank lines before a request are ignored (RFC 9112, section 2.2).
            del unread[: len(unread) - len(unread.lstrip(b"\r\n"))]
        if not unread:
            return False
        # No method begins like this. A TLS client would wait for an answer to its handshake.
        if not _A <= unread[0] <= _Z:
            self._refuse(400)
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
            self._refuse(431)
            return False
        # With other line ends, a head would never be complete.
        if _has_bare_line_end(unread, max(0, self._scanned - 1)):
            self._refuse(400)
            return False
        if self._scanned == 0:
            # For the first head, the time has begun with the connection.
            self.deadline = min(self.deadline, monotonic() + self._server.limits.head_seconds)
        self._scanned = len(unread)
        return False

    def _read_head(self, head: bytes) -> None:
        """Parse one whole head, and serve its request if no body follows."""
        if len(head) > self._server.limits.head_bytes:
            self._refuse(431)
            return
        self._fields, self._doubled, self._request = {}, {}, None
        try:
            self._parser.feed_data(head)
        except HttpParserUpgrade:
            pass  # the parser reads no further, and neither does this connection
        except HttpParserError:
            self._refuse(400)
            return
        try:
            request = self._check(head)
            has_body = self._announces_body()
            if has_body and self._server.takes_body(request):
                self._expect_body(request, len(head))
                return
        except _RefusalError as refusal:
            self._refuse(refusal.status)
            return
        self._leaves_body = has_body
        self._last |= has_body
        self._serve(request)

    def _check(self, head: bytes) -> Request:
        """Return the request of a parsed head.

        Raises:
            _RefusalError: llhttp accepts the head, and this server does not.
        """
        fields, doubled, target = self._fields, self._doubled, self._target
        method, limits = self._parser.get_method(), self._server.limits
        line = b"%b %b HTTP/1." % (method, target)
        end = len(line) + 1
        version = head[end - 1 : end]
        if not head.startswith(line) or head[end : end + 2] != b"\r\n":
            raise _RefusalError(400)
        if version not in (b"1", b"0") or target[:1] != b"/" or method == b"CONNECT":
            raise _RefusalError(400)
        host = fields.get(b"host")
        if host is None:
            if version == b"1":
                raise _RefusalError(400)
        elif b"host" in doubled or not _is_plain(host):
            raise _RefusalError(400)
        if len(fields) + sum(map(len, doubled.values())) > limits.head_fields:
            raise _RefusalError(400)
        if len(head) > limits.field_bytes and self._longest_field() > limits.field_bytes:
            raise _RefusalError(431)
        self._version = version
        self._last = self._ends_here()
        return Request(method.decode(), target.decode(), fields, doubled, b"", self._transport)

    def _ends_here(self) -> bool:
        """Return whether the client ends the connection with this request."""
        connection = self._fields.get(b"connection")
        if b"upgrade" in self._fields:
            return True  # other programs may take what follows for the other protocol
        if connection is None:
            return self._version == b"0"
        values = b",".join([connection, *self._doubled.get(b"connection", ())])
        options = {option.strip() for option in values.lower().split(b",")}
        return b"close" in options or (self._version == b"0" and b"keep-alive" not in options)

    def _longest_field(self) -> int:
        values = [*self._fields.items()]
        values += [(name, value) for name, more in self._doubled.items() for value in more]
        return max(len(self._target), *(len(name) + len(value) for name, value in values))

    def _announces_body(self) -> bool:
        """Return whether a body follows the head.

        Raises:
            _RefusalError: programs may disagree about the body's end.
        """
        coding = self._fields.get(b"transfer-encoding")
        if coding is None:
            has_body = int(self._fields.get(b"content-length", 0)) > 0
        else:
            has_body = True
            is_chunked = coding.lower() == b"chunked" and b"transfer-encoding" not in self._doubled
            if not is_chunked or self._version == b"0":
                raise _RefusalError(400)
            self._last = True
        if has_body and b"upgrade" in self._fields:
            raise _RefusalError(400)
        return has_body

    def _expect_body(self, request: Request, head_length: int) -> None:
        """Read the body that follows.

        Raises:
            _RefusalError: the body cannot be read, or is too long.
        """
        fields, limits = request.fields, self._server.limits
        if b"content-encoding" in fields:
            raise _RefusalError(415)
        length = fields.get(b"content-length")
        self._body_left = None if length is None else int(length)
        if self._body_left is not None and self._body_left > limits.body_bytes:
            raise _RefusalError(413)
        self._request, self._state = request, _State.BODY
        self._wire_bytes, self._is_complete, self._has_trailer = 0, False, False
        self.deadline = monotonic() + limits.body_seconds
        self._head_length = head_length
        self._server.hold(self, head_length)
        if fields.get(b"expect", b"").lower() == b"100-continue" and self._version == b"1":
            # Without need if the body is on its way already, which does no harm (RFC 9110, 10.1.1).
            self._write(_CONTINUE)

    def _read_body(self) -> bool:
        """Read a part of the body; return whether the body is complete."""
        if not self._unread:
            return False
        size = len(self._unread) if self._body_left is None else self._body_left
        part = bytes(self._unread[:size])
        del self._unread[:size]
        try:
            self._parser.feed_data(part)
        except HttpParserError:
            # The parser reads on behind the last chunk, where this server takes nothing.
            if not self._is_complete:
                self._refuse(400)
                return False
        if self._body_left is not None:
            self._body_left -= len(part)
        self._wire_bytes += len(part)
        limit = self._server.limits.body_bytes
        if len(self._body) > limit:
            self._refuse(413)
        elif self._has_trailer or self._wire_bytes > _WIRE_BYTES_PER_BODY_BYTE * (limit + 1):
            self._refuse(400)
        elif self._is_complete and self._request is not None:
            request, self._request = self._request, None
            request.body = bytes(self._body)
            self._body.clear()
            self._serve(request)
            return True
        return False

    # Responding

    def _serve(self, request: Request) -> None:
        """Have a whole request answered, now or later."""
        self._state, self.deadline = _ANSWERING, inf
        try:
            response = self._server.respond(request)
            if not isinstance(response, tuple):
                self._server.start(response, partial(self._send_result, request.method))
                return
        except Exception as error:  # noqa: BLE001 (asyncio would log its values)
            self._server.report_bug(error)
            self._refuse(500)
            return
        self._send(request.method, response)

    def _send_result(self, method: str, task: asyncio.Task[Rendered]) -> None:
        """Send the response that a task has made."""
        try:
            self._send(method, task.result())
        except asyncio.CancelledError:
            self.abort()
        except Exception as error:  # noqa: BLE001 (asyncio would log its values)
            self._server.report_bug(error)
            self._refuse(500)
        self._go_on()

    def _send(self, method: str, response: Rendered) -> None:
        head, body = response
        server = self._server
        if self._last or server.draining:
            end = _CLOSE
        else:
            end = _CRLF if self._version == b"1" else _KEEP_ALIVE
        # `write` may call `pause_writing`, which sets another deadline.
        self._state, self.deadline = _READING, server.idle_deadline
        self._write(b"".join((head, server.date_line(), end, b"" if method == "HEAD" else body)))
        if end is _CLOSE:
            self._close()

    def _refuse(self, status: int) -> None:
        """Send a constant refusal. The end of a request that is refused is not known."""
        head, body = REFUSALS[status]
        self._write(b"".join((head, self._server.date_line(), _CLOSE, body)))
        self._leaves_body = True
        self._close()

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
        self._unread.clear()
        self._body.clear()
        self._server.hold(self, 0)
        self.deadline = monotonic() + self._server.limits.linger_seconds
        if transport.can_write_eof():
            transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()


def _is_plain(host: bytes) -> bool:
    return host.isascii() and is_host_header(host.decode())


def _has_bare_line_end(unread: bytearray, start: int) -> bool:
    """Return whether a CR or LF is alone; a CR at the end may still get its LF."""
    pairs = unread.count(_CRLF, start)
    returns = unread.count(b"\r", start) - unread.endswith(b"\r")
    return returns != pairs or unread.count(b"\n", start) > pairs + (unread[start] == _LF)
