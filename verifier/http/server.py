"""The HTTP server under every endpoint: aiohttp's low-level one with its known holes closed.

What a handler may rely on:

- ``request.raw_path`` is the request-target as it was sent, undecoded and not normalised: ASCII,
  beginning with ``/``. Other forms of target and raw non-ASCII bytes were answered with 400.
  ``path``, ``query``, ``rel_url``, ``url`` and ``host`` decode, normalise or guess, and may raise.
- ``request.method`` is any HTTP method that llhttp knows but CONNECT; others got a 400.
- ``Host`` is there once and is a plain host and port; it can be missing under HTTP/1.0 only.
- Any other header may be doubled (``asked.sole_header``), and may hold lone surrogates for bytes
  that are no UTF-8: ``encode("utf-8", "surrogateescape")`` gives the bytes back. In a header of an
  answer they are left out; a body has to be encoded with ``"replace"`` or the like.
- The head is no longer than ``Limits.head_bytes``. Bodies are read with ``read_body`` only.
- A raised exception, ``web.HTTPException`` too, is a bug: a constant 500, reported without values.

Knows HTTP and nothing of tokens, rooms, endpoints or proxies.
"""

# What is relied upon in aiohttp (3.14; tests/unit/http/test_server.py fails where this changes):
# - `web.Server` calls itself for each connection and hands `request_handler`, `request_factory` on.
# - `web.RequestHandler` makes a request with the factory just before it starts to answer it, asks
#   `handle_error` for the answer to a parse error or to a raising handler, and logs with
#   `log_exception` only; each read goes through `data_received`, which with b"" means "go on".
# - A parse error is queued behind the request in whose body it was found.
# - `close()` lets the request in flight end, `force_close()` does not.
# - `StreamResponse.prepare` serialises the head, so that a header that cannot be written raises
#   there, before a byte was sent.

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
    Fast,
    Limits,
    Report,
    announces_body,
)
from verifier.http.fast_lane import Deliver, Later
from verifier.http.responses import protocol_problem
from verifier.rooms.host import is_host_header

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HAS_C_PARSER: Final = HttpRequestParser is not HttpRequestParserPy
"""Whether aiohttp reads requests with llhttp; the other parser accepts more."""

BODY_SECONDS: Final = 10.0

_log: Final = logging.getLogger(__name__)
_NOWHERE: Final = URL("/")

_DEFAULTS: Final = Limits()


def _never_fast(_head: bytes, _transport: asyncio.Transport, _deliver: Deliver) -> None:
    """Leave everything to aiohttp."""


class HardenedServer(web.Server):
    """A protocol factory for ``loop.create_server`` or ``web.ServerRunner``.

    Args:
        handler: Answers every well-formed request; refusals are responses, exceptions are bugs.
        limits: See ``Limits``.
        report: Takes one line for each bug: types and places, never a value.
        fast: Answers whole heads from their bytes, where it can.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits = _DEFAULTS,
        report: Report = _log.error,
        fast: Fast = _never_fast,
    ) -> None:
        super().__init__(self._answer, request_factory=self._make)
        self._handler = handler
        self._limits = limits
        self._report = report
        self._fast = fast
        self._draining = False
        self._sweeper: asyncio.TimerHandle | None = None

    def __call__(self) -> web.RequestHandler:
        """Make the protocol for one connection."""
        connection = Connection(self, self._limits, self._report, self._try_fast)
        if self._sweeper is None:
            self._sweep()
        return connection

    def drain(self) -> None:
        """Close each connection after its next answer, and say so in that answer.

        Idle connections stay open, for a request may be on its way on them; ``shutdown`` ends them.
        """
        self._draining = True
        for connection in self.connections:
            cast("Connection", connection).leave_fast_lane()

    def pre_shutdown(self) -> None:
        """Take no more requests; what waits for its answer still gets it."""
        self.drain()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (aiohttp's name)
        """Close idle connections now, the others when answered or after ``timeout`` seconds."""
        self.drain()
        await super().shutdown(timeout)
        if self._sweeper is not None:
            self._sweeper.cancel()

    def abort(self) -> int:
        """Close every connection, answered or not; gives how many waited for an answer."""
        waiting = [cast("Connection", each) for each in self.connections]
        for connection in waiting:
            connection.force_close()
        return len(waiting)

    def _try_fast(
        self, head: bytes, transport: asyncio.Transport, deliver: Deliver
    ) -> bytes | Later | None:
        # What is said while draining has to say that the connection ends with it.
        return None if self._draining else self._fast(head, transport, deliver)

    def _sweep(self) -> None:
        """Close idle connections; one timer for all of them, not one for each answer."""
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(self._limits.idle_seconds / 4, self._sweep)
        for connection in self.connections:
            cast("Connection", connection).close_if_idle(monotonic())

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
        cast("Connection", protocol).begin(request)
        return request

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        if not request.raw_path or not _host_is_plain(request):
            return protocol_problem(400)
        if connection.crowded and _head_size(request) > self._limits.head_bytes:
            return protocol_problem(431)
        try:
            response = await self._handler(request)
        except web.HTTPException as error:
            return connection.handle_error(request, 500, error)
        # Behind a chunked body, the last trailer would become a header of the next request; behind
        # an Upgrade, bytes get lost. Such a connection has no next request.
        if self._draining or announces_body(request) or "Upgrade" in request.headers:
            response.force_close()
        response.headers.setdefault("Server", "jitsi-verifier")
        await response.prepare(request)
        # aiohttp would do this next, but here it is known that nothing of the answer is left.
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
            connection.end(last=not response.keep_alive)
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
        return protocol_problem(415)
    if (request.content_length or 0) > limit:
        return protocol_problem(413)
    connection = cast("Connection", request.protocol)
    try:
        async with connection.reading(seconds):
            await _continue(request)
            body = await _read_up_to(request.content, limit)
    except TimeoutError:
        return protocol_problem(400 if connection.broken else 408)
    except (web.RequestPayloadError, HttpProcessingError, OSError, RuntimeError):
        # aiohttp's words for a body that broke, and for a client that left while it was read
        return protocol_problem(400)
    return protocol_problem(413) if len(body) > limit else body


def _is_served(message: RawRequestMessage) -> bool:
    return (
        message.path[:1] == "/"
        and message.method != "CONNECT"
        and message.version in (HttpVersion11, HttpVersion10)
        and _is_coded_plainly(message)
    )


def _is_coded_plainly(message: RawRequestMessage) -> bool:
    """Tell whether a body's end is where every other program sees it (RFC 9112, section 6.1).

    HTTP/1.0 has no chunks, and no other coding is taken off here.
    """
    if "Transfer-Encoding" not in message.headers:  # which is a mere dict behind a parse error
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
        request.writer.output_size = 0  # what follows is still the first byte of the answer


async def _read_up_to(content: StreamReader, limit: int) -> bytes:
    body = bytearray()
    while len(body) <= limit and (chunk := await content.readany()):
        body += chunk
    return bytes(body)
