"""The HTTP server under every endpoint: aiohttp's low-level one with its known holes closed.

What a handler may rely on:

- ``request.raw_path`` is the request-target as it was sent, undecoded and not normalised: ASCII,
  beginning with ``/``. Other forms of target and raw non-ASCII bytes were answered with 400.
  ``path``, ``query``, ``rel_url``, ``url`` and ``host`` decode, normalise or guess, and may raise.
- ``request.method`` is any HTTP method that llhttp knows but CONNECT; others got a 400.
- ``Host`` is there once and is a plain host and port; it can be missing under HTTP/1.0 only.
- Any other header may be doubled (``sole_header``), and may hold lone surrogates for bytes that
  are no UTF-8: ``encode("utf-8", "surrogateescape")`` gives the bytes back. In a header of an
  answer they are left out; a body has to be encoded with ``"replace"`` or the like.
- The head is no longer than ``Limits.head_bytes``. Bodies are read with ``read_body`` only.
- A raised exception, ``web.HTTPException`` too, is a bug: a constant 500, reported without values.

Knows HTTP and nothing of tokens, rooms, endpoints or proxies.
"""

# What is relied upon in aiohttp (3.14; tests/http/test_server.py fails where this changes):
# - `web.Server` calls itself for each connection and hands `request_handler`, `request_factory` on.
# - `web.RequestHandler` makes a request with the factory just before it starts to answer it, asks
#   `handle_error` for the answer to a parse error or to a raising handler, and logs with
#   `log_exception` only; each read goes through `data_received`, which with b"" means "go on".
# - `close()` lets the request in flight end, `force_close()` does not.
# - `StreamResponse.prepare` serialises the head, so that a header that cannot be written raises
#   there, before a byte was sent.

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
from aiohttp.streams import StreamReader
from yarl import URL

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Report = Callable[[str], None]

HAS_C_PARSER: Final = HttpRequestParser is not HttpRequestParserPy
"""Whether aiohttp reads requests with llhttp; the other parser accepts more."""

BODY_BYTES: Final = 64 * 1024
BODY_SECONDS: Final = 10.0

_log: Final = logging.getLogger(__name__)
_SILENT: Final = logging.getLogger(f"{__name__}.aiohttp")  # whose lines quote requests
_SILENT.disabled = True

_BLANK_LINE: Final = b"\r\n\r\n"
_PIECES_PER_READ: Final = 16
_NOWHERE: Final = URL("/")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")

_DETAILS: Final = {
    400: "The request is not well-formed HTTP/1.1, or not in a form that is served here.",
    408: "The request body did not arrive in time.",
    413: "The request body is longer than is accepted here.",
    415: "The request body must not have a Content-Encoding.",
    431: "The request head is longer than is accepted here.",
    500: "The service made a mistake; its log says where.",
}


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


_DEFAULTS: Final = Limits()


class HardenedServer(web.Server):
    """A protocol factory for ``loop.create_server`` or ``web.ServerRunner``.

    Args:
        handler: Answers every well-formed request; refusals are responses, exceptions are bugs.
        limits: See ``Limits``.
        report: Takes one line for each bug: types and places, never a value.
    """

    def __init__(
        self, handler: Handler, *, limits: Limits = _DEFAULTS, report: Report = _log.error
    ) -> None:
        super().__init__(self._answer, request_factory=self._make)
        self._handler = handler
        self._limits = limits
        self._report = report
        self._draining = False

    def __call__(self) -> web.RequestHandler:
        """Make the protocol for one connection."""
        return _Connection(self, self._limits, self._report)

    def drain(self) -> None:
        """Close each connection after its next answer, and say so in that answer.

        Idle connections stay open, for a request may be on its way on them; ``shutdown`` ends them.
        """
        self._draining = True

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (aiohttp's name)
        """Close idle connections now, the others when answered or after ``timeout`` seconds."""
        self.drain()
        await super().shutdown(timeout)

    def _make(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if not _is_served(message):
            # BaseRequest computes a URL from an absolute target, which can raise, and a version is
            # echoed in the status line: neither may stay. _answer refuses the empty path.
            message = message._replace(path="", url=_NOWHERE, version=HttpVersion10)
        loop = asyncio.get_running_loop()
        request = web.BaseRequest(message, payload, protocol, writer, task, loop)
        cast("_Connection", protocol).begin(request)
        return request

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("_Connection", request.protocol)
        if not request.raw_path or not _host_is_plain(request):
            return problem(400)
        if connection.crowded and _head_size(request) > self._limits.head_bytes:
            return problem(431)
        try:
            response = await self._handler(request)
        except web.HTTPException as error:
            return connection.handle_error(request, 500, error)
        # Behind a chunked body, the last trailer would become a header of the next request; behind
        # an Upgrade, bytes get lost. Such a connection has no next request.
        if self._draining or request.body_exists or "Upgrade" in request.headers:
            response.force_close()
        response.headers.setdefault("Server", "jitsi-verifier")
        await response.prepare(request)
        connection.end()
        return response


class _Connection(web.RequestHandler):
    """One client: bounds its heads, and keeps its bytes out of error answers and logs."""

    __slots__ = (
        "_final",
        "_limits",
        "_report",
        "_seen",
        "_serving",
        "_stall",
        "_tail",
        "_timer",
        "crowded",
    )

    def __init__(self, manager: HardenedServer, limits: Limits, report: Report) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.idle_seconds,
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
        self._serving: web.BaseRequest | None = None
        self._final = False  # the request being served has a body: no head follows it
        self._timer: asyncio.TimerHandle | None = None  # runs while a head is incomplete
        self._stall: asyncio.TimerHandle | None = None  # runs while the client does not read
        self._seen = 0  # bytes since the stream was last between two heads
        self._tail = b""  # the last three of them
        self.crowded = False  # a head may have been longer than allowed

    def begin(self, request: web.BaseRequest) -> None:
        """Note that a request is being served; behind one with a body, no head is awaited."""
        self._serving = request
        if request.body_exists:
            self._final = True
            self._stop_timer()

    def end(self) -> None:
        """Note that the request has its answer."""
        self._serving = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        if self._stall is not None:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The hot path is one whole head in one read, with nothing before or behind it.
        end = data.find(_BLANK_LINE)
        whole = 0 <= end == len(data) - len(_BLANK_LINE) and len(data) <= self._limits.head_bytes
        try:
            if (whole and self._timer is None) or not data:
                super().data_received(data)
            else:
                self._receive_pieces(data)
        except Exception as error:  # noqa: BLE001 (asyncio would log the exception with its values)
            self.log_exception(exc_info=error)
            self.force_close()

    def _receive_pieces(self, data: bytes) -> None:
        # A parse error costs the good requests that came in the same read: each head on its own.
        for piece in _pieces(self._tail, data):
            super().data_received(piece)
        stream = self._tail + data
        between_heads = stream.endswith(_BLANK_LINE)
        self._seen += len(data)
        self.crowded = self.crowded or self._seen > self._limits.head_bytes
        self._tail = b"" if between_heads else stream[-3:]
        if between_heads:
            self._seen = 0
            self._stop_timer()
        elif self._timer is None and not self._final:
            self._start_timer()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's own signature
        # A client that half-closes behind its request gets its answer; later ones are not served.
        if self._serving is None or not self._serving.content.is_eof():
            return None
        self.close()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(self._limits.idle_seconds, self._abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()

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
            return problem(431 if isinstance(exc, LineTooLong) else 400)
        self.log_exception(exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        return problem(500)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Report a bug; its message and arguments may quote the request and are dropped."""
        del args
        self._report(describe(kw.get("exc_info") or sys.exception()))

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
        if self.transport is not None:
            self.transport.abort()


def problem(status: int) -> web.Response:
    """Make a constant ``application/problem+json`` answer (RFC 9457) that ends the connection.

    Args:
        status: 400, 408, 413, 415, 431 or 500.
    """
    title, detail = HTTPStatus(status).phrase, _DETAILS[status]
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
    headers = {"Content-Type": "application/problem+json", "Server": "jitsi-verifier"}
    response = web.Response(status=status, body=body.encode(), headers=headers)
    response.force_close()
    return response


async def read_body(
    request: web.BaseRequest, limit: int = BODY_BYTES, seconds: float = BODY_SECONDS
) -> bytes | web.Response:
    """Read a whole request body, or give the answer that refuses it.

    Sends the ``100 Continue`` that a client may wait for (RFC 9110, 10.1.1).

    Args:
        request: The request, its body not yet read.
        limit: The most bytes that are accepted.
        seconds: For the whole body, not for each part of it.
    """
    if "Content-Encoding" in request.headers:
        return problem(415)
    if (request.content_length or 0) > limit:
        return problem(413)
    try:
        async with asyncio.timeout(seconds):
            await _continue(request)
            body = await _read_up_to(request.content, limit)
    except TimeoutError:
        return problem(408)
    except (web.RequestPayloadError, HttpProcessingError, OSError, RuntimeError):
        # aiohttp's words for a body that broke, and for a client that left while it was read
        return problem(400)
    return problem(413) if len(body) > limit else body


def sole_header(request: web.BaseRequest, name: str) -> str | None:
    """Give the value of a header that is there exactly once; None if it is missing or doubled."""
    values = request.headers.getall(name, ())
    return values[0] if len(values) == 1 else None


def describe(error: BaseException | None) -> str:
    """Name an exception's type and the places that it passed, innermost first, and no value."""
    if error is None:
        return "unknown error"
    frames = traceback.walk_tb(error.__traceback__)
    places = [f"{frame.f_code.co_filename}:{line}" for frame, line in frames]
    return f"{type(error).__qualname__} at {' < '.join(reversed(places))}"


def _is_served(message: RawRequestMessage) -> bool:
    return (
        message.path[:1] == "/"
        and message.method != "CONNECT"
        and message.version in (HttpVersion11, HttpVersion10)
    )


def _host_is_plain(request: web.BaseRequest) -> bool:
    host = request.headers.get("Host")
    if host is None:
        return request.version == HttpVersion10
    match = _HOST.fullmatch(host)
    return match is not None and int(match[1] or 0) <= 65535


def _head_size(request: web.BaseRequest) -> int:
    line = len(request.method) + len(request.raw_path) + len("  HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in request.raw_headers) + 2


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


async def _continue(request: web.BaseRequest) -> None:
    expects = request.headers.get("Expect", "").lower() == "100-continue"
    if expects and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what follows is still the first byte of the answer


async def _read_up_to(content: StreamReader, limit: int) -> bytes:
    body = bytearray()
    while len(body) <= limit and (chunk := await content.readany()):
        body += chunk
    return bytes(body)
