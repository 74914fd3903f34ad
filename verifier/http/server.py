"""The HTTP server under every endpoint: aiohttp's low-level server with more checks and limits.

What a handler may rely on:

- ``request.raw_path`` is the request-target as the client sent it: not decoded, not normalised,
  ASCII, and it begins with ``/``. This server answers other forms of target with 400. A handler
  must not use ``path``, ``query``, ``rel_url``, ``url`` and ``host``: they decode, normalise or
  guess, and may raise.
- ``request.method`` is a method that llhttp knows, and not CONNECT. Others get a 400.
- ``Host`` occurs once and is a plain host and port. It can be missing under HTTP/1.0 only.
- Any other header may be doubled (``request_head.sole_header``), and may hold lone surrogates for
  bytes that are not UTF-8: ``encode("utf-8", "surrogateescape")`` returns the bytes. aiohttp leaves
  surrogates out of the headers of a response; a body must be encoded with ``"replace"`` or the
  like.
- The head is not longer than ``Limits.head_bytes``. Bodies are read with ``read_body`` only.
- An exception of the handler, ``web.HTTPException`` too, is a bug: the response is a constant 500,
  and the report holds no value of the request.

What this module relies on in aiohttp 3.14 (tests/unit/http/test_server.py fails if it changes):

- ``web.Server`` calls itself for each connection, and passes ``request_handler`` and
  ``request_factory`` on to the connection.
- ``web.RequestHandler`` makes a request with the factory just before it begins to answer it. It
  calls ``handle_error`` for a parse error and for a handler that raises, and logs with
  ``log_exception`` only. Each read goes through ``data_received``; ``b""`` means "go on".
- aiohttp queues a parse error behind the request in whose body it was found.
- ``close()`` lets the request in flight end, ``force_close()`` does not.
- ``StreamResponse.prepare`` serialises the head, so that a header that cannot be written raises
  there, before a byte is sent.

The module knows HTTP. It does not know tokens, rooms, endpoints or proxies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy
from aiohttp.streams import StreamReader
from yarl import URL

from verifier.http.connection import (
    BODY_BYTES,
    Connection,
    FastHandler,
    Limits,
    Report,
    announces_body,
)
from verifier.http.fast_lane import Deferred, RespondLater
from verifier.http.responses import protocol_problem
from verifier.rooms.host import is_host_header

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HAS_C_PARSER: Final = HttpRequestParser is not HttpRequestParserPy
"""Whether aiohttp parses requests with llhttp. aiohttp's other parser accepts more."""

BODY_SECONDS: Final = 10.0

_log: Final = logging.getLogger(__name__)
_NO_URL: Final = URL("/")

_DEFAULTS: Final = Limits()


def _no_fast_lane(
    _head: bytes, _transport: asyncio.Transport, _respond_later: RespondLater
) -> None:
    """Return None: aiohttp answers every request."""


class HardenedServer(web.Server):
    """A protocol factory for ``loop.create_server`` or ``web.ServerRunner``.

    Args:
        handler: Answers every well-formed request. An exception of the handler is a bug.
        limits: How much a client may send, and how long it may take.
        report: Takes one line for each bug: types and places, never a value.
        fast_handler: Answers whole heads from their bytes, where it can.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits = _DEFAULTS,
        report: Report = _log.error,
        fast_handler: FastHandler = _no_fast_lane,
    ) -> None:
        super().__init__(self._answer, request_factory=self._make_request)
        self._handler = handler
        self._limits = limits
        self._report = report
        self._fast_handler = fast_handler
        self._draining = False
        self._idle_timer: asyncio.TimerHandle | None = None

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        connection = Connection(self, self._limits, self._report, self._answer_fast)
        if self._idle_timer is None:
            self._close_idle()
        return connection

    def drain(self) -> None:
        """Close each connection after its next response, and announce that in the response.

        Idle connections stay open, because a request may be on its way on them; ``shutdown`` ends
        them.
        """
        self._draining = True
        for connection in self.connections:
            cast("Connection", connection).leave_fast_lane()

    def pre_shutdown(self) -> None:
        """Accept no more requests; requests in flight still get their responses."""
        self.drain()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (aiohttp's name)
        """Close idle connections now, the others after their response or ``timeout`` seconds."""
        self.drain()
        await super().shutdown(timeout)
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def abort(self) -> int:
        """Close every connection, and return the number of those that were open."""
        open_connections = [cast("Connection", connection) for connection in self.connections]
        for connection in open_connections:
            connection.force_close()
        return len(open_connections)

    def _answer_fast(
        self, head: bytes, transport: asyncio.Transport, respond_later: RespondLater
    ) -> bytes | Deferred | None:
        # A response of the fast lane cannot announce that the connection ends with it.
        return None if self._draining else self._fast_handler(head, transport, respond_later)

    def _close_idle(self) -> None:
        """Close idle connections, and call this method again later.

        One timer serves all connections. A timer for each response would cost more than the
        response of the fast lane.
        """
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(self._limits.idle_seconds / 4, self._close_idle)
        for connection in self.connections:
            cast("Connection", connection).close_if_idle(monotonic())

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if not _is_served(message):
            # BaseRequest computes a URL from an absolute target, which can raise. aiohttp repeats
            # the version in the status line. So both are replaced. `_answer` refuses the empty
            # path.
            message = message._replace(path="", url=_NO_URL, version=HttpVersion10)
        loop = asyncio.get_running_loop()
        request = web.BaseRequest(message, payload, protocol, writer, task, loop)
        cast("Connection", protocol).begin_request(request)
        return request

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        if not request.raw_path or not _host_is_plain(request):
            return protocol_problem(400)
        # `_head_size` costs too much to call it for every request.
        if connection.head_may_be_too_long and _head_size(request) > self._limits.head_bytes:
            return protocol_problem(431)
        try:
            response = await self._handler(request)
        except web.HTTPException as error:
            return connection.handle_error(request, 500, error)
        # After a chunked body, aiohttp would read the last trailer as a header of the next
        # request. After an Upgrade, aiohttp loses bytes. So such a connection has no next request.
        if self._draining or announces_body(request) or "Upgrade" in request.headers:
            response.force_close()
        response.headers.setdefault("Server", "jitsi-verifier")
        await response.prepare(request)
        # aiohttp would write the end after this method returns. Written here, it lets the
        # connection know at once that the response is complete.
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
            connection.end_request(last=not response.keep_alive)
        return response


async def read_body(
    request: web.BaseRequest, limit: int = BODY_BYTES, seconds: float = BODY_SECONDS
) -> bytes | web.Response:
    """Return a whole request body, or the response that refuses it.

    Sends the ``100 Continue`` for which a client may wait (RFC 9110, section 10.1.1).

    Args:
        request: The request, its body not yet read.
        limit: The largest number of bytes.
        seconds: The time for the whole body, not for each part of it.
    """
    if "Content-Encoding" in request.headers:
        return protocol_problem(415)
    if (request.content_length or 0) > limit:
        return protocol_problem(413)
    connection = cast("Connection", request.protocol)
    try:
        async with connection.reading(seconds):
            await _continue(request)
            body = await _read_up_to(request.content, limit)
    except TimeoutError:
        return protocol_problem(400 if connection.body_is_broken else 408)
    except (web.RequestPayloadError, HttpProcessingError, OSError, RuntimeError):
        # aiohttp raises these for a broken body, and if the client closes before the body's end.
        return protocol_problem(400)
    return protocol_problem(413) if len(body) > limit else body


def _is_served(message: RawRequestMessage) -> bool:
    return (
        message.path[:1] == "/"
        and message.method != "CONNECT"
        and message.version in (HttpVersion11, HttpVersion10)
        and _has_plain_coding(message)
    )


def _has_plain_coding(message: RawRequestMessage) -> bool:
    """Return whether every program finds the body's end in the same place.

    HTTP/1.0 has no chunks, and this server decodes no coding but chunked (RFC 9112, section 6.1).
    """
    # After a parse error, `headers` is a dict without `getall`.
    if "Transfer-Encoding" not in message.headers:
        return True
    codings = [coding.lower() for coding in message.headers.getall("Transfer-Encoding")]
    return message.version == HttpVersion11 and codings == ["chunked"]


def _host_is_plain(request: web.BaseRequest) -> bool:
    host = request.headers.get("Host")
    return request.version == HttpVersion10 if host is None else is_host_header(host)


def _head_size(request: web.BaseRequest) -> int:
    line = len(request.method) + len(request.raw_path) + len("  HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in request.raw_headers) + 2


async def _continue(request: web.BaseRequest) -> None:
    expects = request.headers.get("Expect", "").lower() == "100-continue"
    if expects and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # `handle_error` would take these bytes for the beginning of the response.
        request.writer.output_size = 0


async def _read_up_to(content: StreamReader, limit: int) -> bytes:
    """Return the body, or its first bytes, more than ``limit`` of them."""
    body = bytearray()
    while len(body) <= limit and (chunk := await content.readany()):
        body += chunk
    return bytes(body)
