"""The HTTP server under every endpoint: its connections, and the limits that they share.

What a handler may rely on: ``parser`` has read the whole request, and refused what can be read in
two ways. The handler returns the response, or a coroutine if it must wait for something.
An exception of the handler is a bug: the response is a constant 500, and the report holds no value
of the request.

One timer acts on the deadlines of all connections, and sets the clock for what needs to be right to
a second only. A timer for each response would cost more than a cached response.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import monotonic, time
from typing import Any, Final, TypeAlias

from verifier.http.parser import Limits
from verifier.http.protocol import HttpConnection
from verifier.http.request import Request
from verifier.http.responses import Answer, Rendered, http_date
from verifier.log import traceback_summary

Handler: TypeAlias = Callable[[Request], Answer]
"""Returns the response to a request, or a coroutine that returns it later."""

Report: TypeAlias = Callable[[str], None]
"""Takes one line about a bug."""

_log: Final = logging.getLogger(__name__)
# How often deadlines are looked at: at least once a second, and eight times in the shortest limit.
_LONGEST_INTERVAL: Final = 1.0
_CHECKS_PER_LIMIT: Final = 8
# asyncio needs three rounds from the accepted connection to the first read.
_ROUNDS_TO_READ: Final = 4
_DEFAULTS: Final = Limits()


def _respond_nothing(_request: Request) -> Rendered:
    raise RuntimeError("no handler is set")


def _takes_none(_request: Request) -> bool:
    """Return False: no request's body is read."""
    return False


class HttpServer:
    """A protocol factory for ``loop.create_server``.

    Args:
        respond: Answers every request; it can be replaced at any time. None if it is set before
            the first connection.
        takes_body: Returns whether a request's body is to be read. A body that is not taken does
            not delay the response, and ends the connection.
        limits: How much a client may send, and how long it may take.
        report: Takes one line for each bug: types and places, never a value.
    """

    def __init__(
        self,
        respond: Handler | None = None,
        *,
        takes_body: Callable[[Request], bool] = _takes_none,
        limits: Limits = _DEFAULTS,
        report: Report = _log.error,
    ) -> None:
        self.respond: Handler = respond or _respond_nothing
        self.takes_body = takes_body
        self.limits = limits
        self.draining = False
        """Whether each response ends its connection."""
        self.connections: set[HttpConnection] = set()
        self.idle_deadline = 0.0
        """The deadline of a connection that becomes idle now, monotonic seconds."""
        self.date_line = b""
        """The ``Date`` line of a response that is sent now."""
        self._report = report
        self._held: dict[HttpConnection, int] = {}  # the one whose request began first is first
        self._held_bytes = 0
        self._tasks: set[asyncio.Task[Rendered]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._all_closed: asyncio.Event | None = None

    @property
    def is_closing(self) -> bool:
        """Whether idle connections are closed."""
        return self._all_closed is not None

    def __call__(self) -> HttpConnection:
        """Return the protocol of a new connection."""
        if self._timer is None:
            self._check_deadlines()
        return HttpConnection(self)

    def start(
        self,
        response: Coroutine[Any, Any, Rendered],
        done: Callable[[asyncio.Task[Rendered]], None],
    ) -> None:
        """Wait for a response that must wait for something, and call ``done`` then."""
        task = asyncio.get_running_loop().create_task(response)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(done)

    def report_bug(self, error: BaseException) -> None:
        """Report a bug by its type and place, without its message, which may quote the request."""
        self._report(traceback_summary(error))

    def hold(self, connection: HttpConnection, size: int) -> None:
        """Note how many bytes a connection keeps, and close others if they are too many."""
        self._held_bytes += size - self._held.get(connection, 0)
        if size:
            self._held[connection] = size
        else:
            self._held.pop(connection, None)
        while self._held_bytes > self.limits.held_bytes:
            oldest = next(iter(self._held))
            self._held_bytes -= self._held.pop(oldest)
            oldest.abort()

    def forget(self, connection: HttpConnection) -> None:
        """Note that a connection is closed."""
        self.connections.discard(connection)
        self.hold(connection, 0)
        if self._all_closed is not None and not self.connections:
            self._all_closed.set()

    def drain(self) -> None:
        """Close each connection after its next response, and announce that in the response.

        Idle connections stay open, because a request may be on its way on them; ``close`` ends
        them.
        """
        self.draining = True

    async def close(self) -> None:
        """Close idle connections now and the others after their response; wait for that.

        A connection without a request so far stays open for ``closing_head_seconds``.
        """
        self.drain()
        self._all_closed = asyncio.Event()
        # What the system has accepted and received by now gets an answer.
        for _ in range(_ROUNDS_TO_READ):
            await asyncio.sleep(0)
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            await self._all_closed.wait()
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> int:
        """Close every connection, and return the number of those that were open."""
        count = len(self.connections)
        for connection in list(self.connections):
            connection.abort()
        return count

    def _check_deadlines(self) -> None:
        """Act on the deadlines that have passed, and call this method again later."""
        limits, now = self.limits, monotonic()
        shortest = min(
            limits.head_seconds, limits.body_seconds, limits.idle_seconds, limits.linger_seconds
        )
        interval = min(_LONGEST_INTERVAL, shortest / _CHECKS_PER_LIMIT)
        # First, because an error at one connection must not stop the checks of all others.
        self._timer = asyncio.get_running_loop().call_later(interval, self._check_deadlines)
        self.idle_deadline = now + limits.idle_seconds
        self.date_line = http_date(time())
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.expire()
