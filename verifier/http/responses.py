"""An answer as a value, and as the bytes that go over the wire.

What is kept of an answer has neither ``Date`` nor lifetime: both are written when it is sent.
Knows HTTP and nothing of verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from math import inf
from typing import Final

from aiohttp import web

SERVER: Final = {"Server": "jitsi-verifier"}
NO_STORE: Final = {"Cache-Control": "no-store"}
NEVER_ENDS: Final = inf

_PHRASES: Final = {status: status.phrase for status in HTTPStatus}
_LINES: Final = bytes(range(0x20, 0x7F)) + b"\t"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to whoever asked.

    Attributes:
        status: The status.
        headers: All but ``Date``, ``Content-Length`` and the lifetime.
        body: The body.
        ends: Until when a proxy may keep this, Unix seconds, infinity for no end of its own; None
            where none may.
    """

    status: HTTPStatus
    headers: Mapping[str, str]
    body: bytes = b""
    ends: float | None = None

    def with_header(self, name: str, value: str) -> Answer:
        """Give the same answer with one header more."""
        return replace(self, headers={**self.headers, name: value})

    def head(self) -> bytes:
        """Write the status line and the headers, without the empty line.

        Raises:
            ValueError: a header would end its line, or is no ASCII; only a bug does that.
        """
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if "Content-Type" not in self.headers:
            lines.append("Content-Type: application/octet-stream\r\n")
        first = f"HTTP/1.1 {self.status:d} {_PHRASES[self.status]}\r\n"
        lines.append(f"Content-Length: {len(self.body)}\r\n")
        head = f"{first}{''.join(lines)}".encode("ascii")
        if head.translate(None, _LINES) != b"\r\n" * (len(lines) + 1):
            raise ValueError("expected printable header values")
        return head


class HttpDate:
    """The ``Date`` line (RFC 9110, 6.6.1), made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def line(self, now: float) -> bytes:
        """Give the line for a Unix time, seconds."""
        second = int(now)
        if second != self._second:
            self._line = f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
            self._second = second
        return self._line


class Lifetime:
    """For how long a proxy may keep an answer, as header lines.

    Args:
        ttl: The longest time, seconds.
    """

    def __init__(self, ttl: int) -> None:
        self._ttl = ttl
        self._longest = _lines(ttl, ttl)

    def lines(self, ends: float | None, now: float) -> bytes:
        """Give the lines for an answer that ends then; both Unix seconds."""
        if ends is None:
            return b""
        if ends - now > self._ttl + 1:
            return self._longest
        left = int(ends - now)
        return _lines(min(self._ttl, left), min(self._ttl, left - 1))


def _lines(seconds: int, of_nginx: int) -> bytes:
    """Write both headers.

    nginx keeps what has n seconds for up to n + 1. It is told no moment ("@" and Unix seconds):
    by a clock that is an hour late it would keep for an hour what ends now.
    """
    if seconds < 1:
        return b"Cache-Control: no-store\r\n"
    text = f"Cache-Control: private, max-age={seconds}\r\nX-Accel-Expires: {of_nginx}\r\n"
    return text.encode()


def response(head: bytes, body: bytes) -> web.Response:
    """Make aiohttp's response of a written head and its body."""
    status, *lines = head.decode("ascii").split("\r\n")[:-1]
    fields = dict(line.split(": ", 1) for line in lines)
    return web.Response(status=int(status.split(" ", 2)[1]), headers=fields, body=body)
