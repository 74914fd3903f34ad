"""How a client's bytes are to be read: slow and obvious, to compare the real parser with.

Sources: RFC 9110, RFC 9112, and the table at the top of ``verifier.http.parser``. Nothing here uses
llhttp or reads in pieces: this module sees all bytes of a client at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from verifier.http.parser import Limits

_METHODS: Final = frozenset(
    (
        *("ACL", "BIND", "CHECKOUT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "M-SEARCH"),
        *("MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH"),
        *("POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH"),
        *("SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE"),
    )
)
_LINE: Final = re.compile(rb"([A-Z-]+) (/[\x21-\x7e]*) HTTP/1\.([01])")
_HOST: Final = re.compile(rb"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# llhttp refuses a tab behind a coding, which RFC 9110 permits.
_CODING_AND_TAB: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*\t *(?:\r\n|$)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"[0-9]{1,20}")
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD: Final = re.compile(rb"(%s):[ \t]*([\t\x20-\x7e\x80-\xff]*)" % _TOKEN)
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
# llhttp also accepts empty names, but for the last one, and empty values. They change nothing.
_CHUNK: Final = re.compile(
    rb"[0-9A-Fa-f]+(?:;(?:%s)?(?:=(?:%s|%s)?)?)*(?<!;)" % (_TOKEN, _TOKEN, _QUOTED)
)
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]*\r?")
_BARE: Final = re.compile(rb"\r[^\n]|(?<!\r)\n")
WAITS: Final = 0
"""Among refusals: the bytes break a rule, but the server may wait for more before it says so."""

_BLANK_LINE: Final = b"\r\n\r\n"


@dataclass
class ReadRequest:
    """One request.

    Attributes:
        method, target, body: As in ``verifier.http.request``.
        fields: Names in lower case and values without blanks around them, in order.
        is_http_1_0: Whether the version is HTTP/1.0.
        is_last: Whether no request may follow.
        gets_continue: Whether the response begins with ``100 Continue``.
    """

    method: str
    target: str
    fields: list[tuple[bytes, bytes]]
    is_http_1_0: bool = False
    is_last: bool = False
    gets_continue: bool = False
    body: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a field."""
        return [value for each, value in self.fields if each == name]

    def has(self, name: bytes, option: bytes) -> bool:
        """Return whether a list in a field has this member."""
        members = b",".join(self.values(name)).lower().split(b",")
        return option in [member.strip(b" \t") for member in members]


@dataclass
class Reading:
    """What a client's bytes are.

    Attributes:
        requests: The requests, in order.
        refusals: The statuses with which the bytes behind them may be refused; empty if they are
            not. There are several if the bytes break several rules, because it depends on the
            pieces in which they come which rule is found to be broken first.
        ends_with_continue: Whether ``100 Continue`` was sent for a body that is refused or did not
            come.
        ends: Whether the server ends the connection.
        is_head: Whether a HEAD request is refused, so that the refusal has no body.
    """

    requests: list[ReadRequest] = field(default_factory=list)
    refusals: frozenset[int] = frozenset()
    ends_with_continue: bool = False
    ends: bool = False
    is_head: bool = False


class _RefusedError(Exception):
    def __init__(self, *statuses: int) -> None:
        super().__init__(statuses)
        self.statuses = frozenset(statuses)


class _IncompleteError(Exception):
    """The end has not come."""


def read(data: bytes, limits: Limits, taken: str) -> Reading:
    """Read all bytes of a client.

    Args:
        data: The bytes.
        limits: The server's limits.
        taken: The target of the requests whose body is taken.
    """
    reading, waits = Reading(), False
    try:
        while data := data.lstrip(b"\r\n"):
            reading.is_head = data.startswith(b"HEAD ")
            head, data = _split_head(data, limits)
            request = _read_head(head, limits)
            has_body = _has_body(request)
            takes_body = has_body and request.target == taken
            request.is_last = _is_last(request) or (has_body and not takes_body)
            waits = False
            if takes_body:
                _check_body(request, limits)
                waits = _waits_for_continue(request)
                request.body, data = _read_body(request, data, limits)
            request.gets_continue = waits
            reading.requests.append(request)
            waits = False
            if request.is_last:
                reading.ends = True
                break
    except _RefusedError as refused:
        reading.refusals, reading.ends = refused.statuses, True
        reading.ends_with_continue = waits
    except _IncompleteError:
        reading.ends_with_continue = waits
    return reading


def _split_head(data: bytes, limits: Limits) -> tuple[bytes, bytes]:
    head, blank_line, rest = data.partition(_BLANK_LINE)
    is_whole = bool(blank_line)
    broken = set()
    if not b"A" <= data[:1] <= b"Z" or _BARE.search(head):
        broken.add(400)
    if len(head + blank_line) > limits.head_bytes:
        broken.add(431)
    if broken:
        raise _RefusedError(*broken)
    if not is_whole:
        raise _IncompleteError
    return head, rest


def _read_head(head: bytes, limits: Limits) -> ReadRequest:
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    found = [_FIELD.fullmatch(each) for each in lines]
    if line is None or line[1].decode() not in _METHODS or not all(found):
        raise _RefusedError(400)
    fields = [(each[1].lower(), each[2].strip(b" \t")) for each in found if each]
    request = ReadRequest(line[1].decode(), line[2].decode(), fields, line[3] == b"0")
    too_long = {
        431
        for length in (len(line[2]), *(len(name) + len(value) for name, value in fields))
        if length > limits.field_bytes
    }
    hosts, codings = request.values(b"host"), request.values(b"transfer-encoding")
    lengths = request.values(b"content-length")
    wrong = (
        len(fields) > limits.head_fields,
        len(hosts) > 1 or (not hosts and not request.is_http_1_0),
        any(not _is_plain(host) for host in hosts),
        len(lengths) > 1 or len(codings) > 1 or (lengths and codings),
        any(not _LENGTH.fullmatch(length) or int(length) >= 2**64 for length in lengths),
        any(coding.lower() != b"chunked" for coding in codings),
        codings and request.is_http_1_0,
        _CODING_AND_TAB.search(head),
        request.values(b"upgrade") and _has_body(request),
    )
    if any(wrong):
        raise _RefusedError(400, *too_long)
    if too_long:
        raise _RefusedError(431)
    return request


def _is_plain(host: bytes) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and len(host) <= 260 and int((match[2] or b":0")[1:]) < 2**16


def _has_body(request: ReadRequest) -> bool:
    if request.values(b"transfer-encoding"):
        return True
    return any(length.strip(b"0") for length in request.values(b"content-length"))


def _is_last(request: ReadRequest) -> bool:
    return bool(
        request.has(b"connection", b"close")
        or request.has(b"proxy-connection", b"close")
        or request.values(b"upgrade")
        or request.values(b"transfer-encoding")
        or (request.is_http_1_0 and not request.has(b"connection", b"keep-alive"))
    )


def _waits_for_continue(request: ReadRequest) -> bool:
    expected = [value.lower() for value in request.values(b"expect")]
    return expected == [b"100-continue"] and not request.is_http_1_0


def _check_body(request: ReadRequest, limits: Limits) -> None:
    broken = set()
    if request.values(b"content-encoding"):
        broken.add(415)
    if any(int(length) > limits.body_bytes for length in request.values(b"content-length")):
        broken.add(413)
    if broken:
        raise _RefusedError(*broken)


def _read_body(request: ReadRequest, data: bytes, limits: Limits) -> tuple[bytes, bytes]:
    for length in request.values(b"content-length"):
        if len(data) < int(length):
            raise _IncompleteError
        return data[: int(length)], data[int(length) :]
    return _read_chunks(data, limits)


def _read_chunks(data: bytes, limits: Limits) -> tuple[bytes, bytes]:
    body = bytearray()
    broken: set[int] = set()
    try:
        rest = _read_each_chunk(data, body)
        wire_bytes = len(data) - len(rest)
    except _RefusedError as refused:
        broken.update(refused.statuses)
        rest, wire_bytes = b"", 0
    except _IncompleteError:
        rest, wire_bytes = b"", len(data) + 1
        broken.add(WAITS)
    if len(body) > limits.body_bytes:
        broken.add(413)
    if wire_bytes > limits.chunked_bytes:
        broken.add(400)
    if broken == {WAITS}:
        raise _IncompleteError
    if broken:
        raise _RefusedError(*broken)
    return bytes(body), rest


def _read_each_chunk(data: bytes, body: bytearray) -> bytes:
    """Add all chunks to ``body``, and return what follows the last one."""
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            _check_part_of_size(line)
            raise _IncompleteError
        if not _CHUNK.fullmatch(line):
            raise _RefusedError(400)
        size = int(line.partition(b";")[0], 16)
        if size >= 2**64:
            raise _RefusedError(400)
        if not size:
            return _read_trailer(data)
        body += data[:size]
        if len(data) >= size and not b"\r\n".startswith(data[size : size + 2]):
            raise _RefusedError(400)
        if len(data) < size + 2:
            raise _IncompleteError
        data = data[size + 2 :]


def _check_part_of_size(part: bytes) -> None:
    size, semicolon, extensions = part.partition(b";")
    if not _CHUNK_SIZE.fullmatch(size) or (semicolon and not size):
        raise _RefusedError(400)
    if int(b"0" + size, 16) >= 2**64:
        raise _RefusedError(400)
    if extensions and not _CHUNK.fullmatch(b"0;" + extensions):
        raise _RefusedError(400, WAITS)


def _read_trailer(data: bytes) -> bytes:
    if data.startswith(b"\r\n"):
        return data[2:]
    if data in {b"", b"\r"}:
        raise _IncompleteError
    raise _RefusedError(400, *([] if _BLANK_LINE in data else [WAITS]))
