"""Reads the bytes of one request: a whole head, and then its body.

llhttp, the parser of Node.js, reads them (through ``httptools``). It accepts more than this server
does, because it leaves some checks to its user. So this module refuses, with these statuses:

    400  anything but ``METHOD target HTTP/1.1`` or ``1.0`` in the request line, with single blanks:
         no other version, no HTTP/0.9, no RTSP
    400  a target that does not begin with ``/``: an absolute URL, ``*``, the authority of CONNECT
    400  the methods CONNECT and PRI
    400  ``Host`` doubled, no plain host and port, or missing in HTTP/1.1
    400  more fields than ``head_fields``; fields in a trailer
    400  ``Transfer-Encoding`` in HTTP/1.0, doubled, or any coding but ``chunked``
    400  a body behind ``Upgrade``, whose end llhttp does not look for
    400  a ``Content-Length`` of more than 20 digits
    431  a head over ``head_bytes``, a field or target over ``field_bytes``
    413  a body over ``body_bytes``
    400  chunks over ``chunked_bytes``, with their sizes and extensions
    415  a body with ``Content-Encoding``

llhttp itself refuses a bare CR or LF, folded lines, NUL and other control characters, blanks before
a colon, a ``Content-Length`` that is doubled or no number, lengths beside chunks, targets that are
not ASCII, and methods that it does not know. tests/unit/http/test_protocol.py checks all this, so
that another version of llhttp cannot silently accept more. Endpoints refuse doubled headers of
their own: see ``original_request``.

This module knows no connection, no time and no endpoint.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from verifier.http.request import Request
from verifier.rooms.host import is_host_header

_LINE_END: Final = b"\r\n"
# llhttp reads no request behind these; PRI is the beginning of an HTTP/2 connection.
_NO_METHODS: Final = (b"CONNECT", b"PRI")
# More than a name and a port can have. So the cached hosts take little memory.
_LONGEST_HOST: Final = 300
# The digits of 2**64, more than which no length needs. `int` refuses thousands of zeros.
_MOST_DIGITS: Final = 20
# Bounds of what is remembered of request lines and field names. If a client fills these places, the
# names of others are converted anew each time.
_MOST_KNOWN: Final = 512
_LONGEST_KNOWN: Final = 48  # bytes


class RefusalError(Exception):
    """The request is refused with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send, and how long it may take.

    Attributes:
        head_bytes: Request line and header fields together.
        field_bytes: The name and the value of one header field; also the request-target. A token
            of 16 KB fits.
        head_fields: Header fields.
        body_bytes: A body. A token that a proxy can send fits, and so does the text around a token
            that an operator pastes into an explanation.
        chunked_bytes: A body in chunks, with their sizes and extensions. Each chunk costs a call of
            a Python function, and one byte may take a chunk.
        held_bytes: Bytes of requests that are not complete, of all connections together. Beyond
            it, the connection whose request began first is closed: a proxy sends a request within
            milliseconds, so the oldest one is a client's that does not.
        head_seconds: The time from the first byte of a head to its end; for the first head, from
            the start of the connection.
        body_seconds: The time for a whole body.
        idle_seconds: The time between a response and the next request; also the time for which a
            client may leave a response unread.
        linger_seconds: The time in which a client may read the last response and close.
        closing_head_seconds: The time for the first head of a connection, once the server closes.
    """

    head_bytes: int = 32 * 1024
    field_bytes: int = 16 * 1024
    head_fields: int = 128
    body_bytes: int = 64 * 1024
    chunked_bytes: int = 96 * 1024
    held_bytes: int = 16 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: float = 75.0
    linger_seconds: float = 5.0
    closing_head_seconds: float = 2.0


class RequestParser:
    """Reads the requests of one connection, one after the other.

    Args:
        limits: How much a client may send.

    Attributes:
        is_last: Whether no request may follow the one that was read last: the client or HTTP/1.0
            says so, or another program might see another end of this request.
        is_http_1_0: Whether the client may not know ``Connection: keep-alive`` by itself.
        has_body: Whether a body follows the head.
    """

    __slots__ = (
        "_body",
        "_body_left",
        "_has_trailer",
        "_is_complete",
        "_limits",
        "_parser",
        "_raw_fields",
        "_wire_left",
        "has_body",
        "is_http_1_0",
        "is_last",
        "on_header",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._raw_fields: dict[bytes, bytes] = {}
        # llhttp calls this with the name and the value of each field. A method of this class would
        # take three times as long, for each of a browser's fifteen fields.
        self.on_header = self._raw_fields.__setitem__
        self._parser = HttpRequestParser(self)
        self._body = bytearray()
        self._body_left: int | None = None  # bytes; None for a body in chunks
        self._wire_left = 0  # bytes that a body may still take with its chunks' sizes
        self._is_complete = False  # whether the last chunk has come
        self._has_trailer = False
        self.is_last = False
        self.is_http_1_0 = False
        self.has_body = False

    @property
    def held_bytes(self) -> int:
        """How many bytes of a body are kept."""
        return len(self._body)

    def read_head(self, head: bytes, transport: asyncio.Transport | None) -> Request:
        """Return the request of a whole head.

        Args:
            head: The bytes up to the empty line, and the empty line.
            transport: The connection's transport.

        Raises:
            RefusalError: the head is malformed, or programs may read it in different ways.
        """
        limits, raw = self._limits, self._raw_fields
        if len(head) > limits.head_bytes:
            raise RefusalError(431)
        raw.clear()
        try:
            self._parser.feed_data(head)
        except HttpParserUpgrade:
            pass  # the parser reads no further, and neither does this server
        except HttpParserError:
            raise RefusalError(400) from None
        fields = {_LOWER_CASE[name]: value for name, value in raw.items()}
        doubled: dict[bytes, list[bytes]] = {}
        # One line end for each field, one for the request line and one for the empty line.
        count = head.count(_LINE_END) - 2
        if count != len(fields):
            known = fields.keys()
            fields, doubled = _split_fields(head)
            # llhttp has checked the same fields.
            if fields.keys() != known:
                raise RefusalError(400)
        if count > limits.head_fields:
            raise RefusalError(400)
        method, target, self.is_http_1_0 = _read_line(head[: head.index(_LINE_END)])
        self.is_last = self.is_http_1_0
        host = fields.get(b"host")
        if host is None:
            if not self.is_http_1_0:
                raise RefusalError(400)
        elif b"host" in doubled or len(host) > _LONGEST_HOST or not _is_plain_host(host.rstrip()):
            raise RefusalError(400)
        if len(head) > limits.field_bytes:
            self._check_lengths(target, fields, doubled)
        if b"connection" in fields or b"upgrade" in fields or b"proxy-connection" in fields:
            self._read_connection(fields, doubled)
        self.has_body = False
        if b"content-length" in fields or b"transfer-encoding" in fields:
            self._read_framing(fields, doubled)
        return Request(method, target, fields, doubled, b"", transport)

    def expect_body(self, request: Request) -> None:
        """Prepare for the body that follows a head.

        Raises:
            RefusalError: the body is too long, or it is encoded.
        """
        if b"content-encoding" in request.fields:
            raise RefusalError(415)
        if self._body_left is not None and self._body_left > self._limits.body_bytes:
            raise RefusalError(413)
        self._raw_fields.clear()
        self._wire_left = self._limits.chunked_bytes
        self._is_complete, self._has_trailer = False, False

    def read_body(self, unread: bytearray) -> bytes | None:
        """Take a part of the body off ``unread``.

        Returns:
            The whole body; None while it is not complete.

        Raises:
            RefusalError: the body is malformed or too long.
        """
        size = self._wire_left if self._body_left is None else self._body_left
        part = bytes(unread[:size])
        del unread[:size]
        try:
            self._parser.feed_data(part)
        except (HttpParserError, HttpParserUpgrade):
            # The parser reads on behind the last chunk, where this server takes nothing.
            if not self._is_complete:
                raise RefusalError(400) from None
        self._wire_left -= len(part)
        if self._body_left is not None:
            self._body_left -= len(part)
        if len(self._body) > self._limits.body_bytes:
            raise RefusalError(413)
        if self._has_trailer or not (self._is_complete or self._wire_left):
            raise RefusalError(400)
        if not self._is_complete:
            return None
        body = bytes(self._body)
        self._body.clear()
        return body

    def drop(self) -> None:
        """Drop what is kept of a body."""
        self._body.clear()

    def on_body(self, data: bytes) -> None:
        """Collect a part of the body; the parser calls this method."""
        if not self._is_complete:
            self._body += data

    def on_message_complete(self) -> None:
        """Note the end of a request; the parser calls this method."""
        if not self._is_complete:
            self._is_complete, self._has_trailer = True, bool(self._raw_fields)

    def _check_lengths(
        self, target: str, fields: dict[bytes, bytes], doubled: dict[bytes, list[bytes]]
    ) -> None:
        lengths = [len(target)]
        lengths += [len(name) + len(value.rstrip()) for name, value in fields.items()]
        for name, values in doubled.items():
            lengths += [len(name) + len(value) for value in values]
        if max(lengths) > self._limits.field_bytes:
            raise RefusalError(431)

    def _read_connection(
        self, fields: dict[bytes, bytes], doubled: dict[bytes, list[bytes]]
    ) -> None:
        """Find out whether the connection ends with this request."""
        options = _list_of(b"connection", fields, doubled)
        if self.is_http_1_0:
            self.is_last = b"keep-alive" not in options
        # llhttp reads nothing behind `Proxy-Connection: close`, which a proxy may pass on. Another
        # program may take what follows an `Upgrade` for the other protocol.
        closes = options | _list_of(b"proxy-connection", fields, doubled)
        if b"close" in closes or b"upgrade" in fields:
            self.is_last = True

    def _read_framing(self, fields: dict[bytes, bytes], doubled: dict[bytes, list[bytes]]) -> None:
        """Find out whether a body follows, and how its end is marked.

        Raises:
            RefusalError: programs may disagree about the body's end.
        """
        coding = fields.get(b"transfer-encoding")
        if coding is None:
            length = fields[b"content-length"].rstrip()
            if len(length) > _MOST_DIGITS:
                raise RefusalError(400)
            self._body_left = int(length)
            self.has_body = self._body_left > 0
        else:
            is_chunked = (
                coding.strip().lower() == b"chunked" and b"transfer-encoding" not in doubled
            )
            if not is_chunked or self.is_http_1_0:
                raise RefusalError(400)
            self._body_left = None
            self.has_body = self.is_last = True
        if self.has_body and b"upgrade" in fields:
            raise RefusalError(400)


def _list_of(
    name: bytes, fields: dict[bytes, bytes], doubled: dict[bytes, list[bytes]]
) -> set[bytes]:
    """Return the members of a list in one or more fields, in lower case."""
    values = [fields.get(name, b""), *doubled.get(name, ())]
    return {member.strip() for member in b",".join(values).lower().split(b",")}


def _split_fields(head: bytes) -> tuple[dict[bytes, bytes], dict[bytes, list[bytes]]]:
    """Return the fields of a head that llhttp has accepted, and the further values of doubled ones.

    A dict of llhttp's events has only the last value of a doubled field.
    """
    fields: dict[bytes, bytes] = {}
    doubled: dict[bytes, list[bytes]] = {}
    for line in head.split(_LINE_END)[1:-2]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in fields:
            doubled.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields, doubled


def _read_line(line: bytes) -> tuple[str, str, bool]:
    """Return a request line's method and target, and whether its version is HTTP/1.0.

    Raises:
        RefusalError: see the top of this module.
    """
    known = _LINES.get(line)
    if known is not None:
        return known
    parts = line.split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise RefusalError(400)
    method, target, version = parts
    if target[:1] != b"/" or method in _NO_METHODS:
        raise RefusalError(400)
    found = method.decode(), target.decode(), version == b"HTTP/1.0"
    # A query can contain a token, and no token stays in memory.
    if len(_LINES) < _MOST_KNOWN and len(line) <= _LONGEST_KNOWN and b"?" not in line:
        _LINES[line] = found
    return found


class _LowerCase(dict[bytes, bytes]):
    """Field names in lower case, by the names as they were sent. A look-up replaces a call."""

    def __missing__(self, name: bytes) -> bytes:
        lower = name.lower()
        if len(self) < _MOST_KNOWN and len(name) <= _LONGEST_KNOWN:
            self[name] = lower
        return lower


_LOWER_CASE: Final = _LowerCase()
_LINES: Final[dict[bytes, tuple[str, str, bool]]] = {}


@lru_cache(maxsize=256)
def _is_plain_host(host: bytes) -> bool:
    return host.isascii() and is_host_header(host.decode())
