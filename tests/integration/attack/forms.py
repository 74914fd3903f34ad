"""Malformed requests, and requests that two programs can read in different ways.

Each form turns a good request into bytes that must be refused. Where a form hides a second request,
it is ``HIDDEN``, which would be answered with 200.
Sources: RFC 9112 (sections 2.2, 3, 5, 6, 7, 11.2), and the published families of request smuggling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.integration.attack.good_requests import TOKEN, GoodRequest

Form = Callable[[GoodRequest], bytes]

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.10\r\n\r\n"  # 43 bytes, a length in some forms
CHUNKED = b"Transfer-Encoding: chunked"
_LAST = b"0\r\n\r\n"


def chunked(body: bytes) -> bytes:
    """Return a body as one chunk and the last chunk."""
    return b"%x\r\n%s\r\n" % (len(body), body) + _LAST


def _with(*lines: bytes, behind: bytes = b"") -> Form:
    """Add lines after the fields, and ``behind`` in place of the body."""
    return lambda good: good.head(*lines) + (behind or good.body)


def _two_lengths(first: bytes, second: bytes) -> Form:
    return lambda good: (
        good.head(b"Content-Length: " + first, b"Content-Length: " + second) + good.body + HIDDEN
    )


def _coded(*lines: bytes) -> Form:
    """Announce chunks with these lines beside a length that covers the chunks."""

    def write(good: GoodRequest) -> bytes:
        body = chunked(good.body) if good.body else _LAST
        length = b"Content-Length: %d" % len(body + HIDDEN)
        return good.head(length, *lines) + body + HIDDEN

    return write


def _coded_alone(*lines: bytes) -> Form:
    """Announce chunks with these lines and without a length."""
    return lambda good: good.head(*lines) + chunked(good.body or b"x") + HIDDEN


def _in_the_path(found: bytes) -> Form:
    return lambda good: good.whole().replace(b" HTTP/", found + b" HTTP/", 1)


def _of_version(version: str) -> Form:
    return lambda good: good.whole(version=version)


def _lines(end: bytes) -> Form:
    """End lines with ``end``."""
    return lambda good: good.whole().replace(b"\r\n", end)


SMUGGLED: Mapping[str, Form] = {
    "CL.TE": lambda good: (
        good.head(b"Content-Length: %d" % len(_LAST + HIDDEN), CHUNKED) + _LAST + HIDDEN
    ),
    "TE.CL": lambda good: (
        good.head(CHUNKED, b"Content-Length: 4")
        + b"%x\r\n" % len(HIDDEN)
        + HIDDEN
        + b"\r\n"
        + _LAST
    ),
    "CL.0": lambda good: good.head(b"Content-Length: 0", CHUNKED) + _LAST + HIDDEN,
    "two lengths": _two_lengths(b"0", b"43"),
    "two lengths the other way": _two_lengths(b"43", b"0"),
    "two equal lengths": lambda good: _two_lengths(*[b"%d" % len(good.body)] * 2)(good),
    "a list of lengths": lambda good: good.head(b"Content-Length: 0, 43") + HIDDEN,
    "a list of equal lengths": lambda good: good.head(b"Content-Length: 43, 43") + HIDDEN,
    **{
        f"length {length!r}": _with(b"Content-Length: " + length, behind=HIDDEN)
        for length in (b"+43", b"-1", b"0x2b", b"4 3", b"43.0", b"4_3", b"1e1", b"43;", b'"43"')
    },
    "an empty length": _with(b"Content-Length:", behind=HIDDEN),
    "length beyond 64 bits": _with(b"Content-Length: 18446744073709551659", behind=HIDDEN),
    "length with a NUL": _with(b"Content-Length: 43\x00", behind=HIDDEN),
    "length in Arabic digits": _with("Content-Length: ٤٣".encode(), behind=HIDDEN),
    **{
        f"coding {line!r}": _coded(line)
        for line in (
            *(CHUNKED, b"transfer-encoding: CHUNKED", b"Transfer-Encoding:\tchunked"),
            *(b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked"),
            *(b" Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked"),
            *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity"),
            *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked"),
            *(b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: chunked;a=b"),
            *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: \x0cchunked"),
            *(b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: chunked\xa0"),
            *(b"Transfer-Encoding: ch\xc5\xbfunked", b"Transfer-Encoding:\r\n chunked"),
            *(b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked"),
            *(b"Transfer-Encoding\n: chunked", b"Transfer-Encoding: chunked\r"),
            *(b"Transfer-Encoding:", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding\x00: a"),
        )
    },
    **{
        f"coding alone {lines!r}": _coded_alone(*lines)
        for lines in (
            (b"Transfer-Encoding: identity",),
            (b"Transfer-Encoding: xchunked",),
            (b"Transfer-Encoding: chunked, gzip",),
            (b"Transfer-Encoding: gzip, chunked",),
            (b"Transfer-Encoding: chunked, chunked",),
            (b"Transfer-Encoding: cow", CHUNKED),
            (CHUNKED, b"Transfer-Encoding: cow"),
            (CHUNKED, CHUNKED),
            (CHUNKED, b"Transfer-Encoding: identity"),
        )
    },
    "chunks in HTTP/1.0": lambda good: (
        good.head(CHUNKED, version="HTTP/1.0") + chunked(good.body or b"x") + HIDDEN
    ),
}

HEADS: Mapping[str, Form] = {
    "bare LF": _lines(b"\n"),
    "bare CR": _lines(b"\r"),
    "LF CR": _lines(b"\n\r"),
    "bare LF behind the request line": lambda good: good.whole().replace(b"\r\n", b"\n", 1),
    "bare LF at the end of the head": lambda good: good.head()[:-2] + b"\n" + good.body,
    "NUL in the path": lambda good: good.whole().replace(b" /", b" /\x00", 1),
    "NUL at the end of the path": lambda good: good.whole().replace(b" HTTP/", b"\x00 HTTP/", 1),
    **{
        f"{found!r} in the path": _in_the_path(found)
        for found in (b"\t", b" /a", b"\x01", b"\x7f", b"\x80", b"\xff", b"\r", b"\n", b"\xc3\xa9")
    },
    **{
        f"a field {line!r}": _with(line)
        for line in (
            *(b"X: \x00", b"X: a\x01b", b"X: a\x7f", b"X\x00: a", b"X\xff: a", b"X y: a"),
            *(b"X : a", b"X\t: a", b": a", b"X", b"", b" folded", b"\tfolded", b"X: a\r\n folded"),
            *(b"X: a\nY: b", b"X: a\rY: b", b"(X): a", b"X@: a", b'"X": a', b"X=Y: a"),
        )
        if line  # an empty line ends the head
    },
    "no Host": lambda good: good.whole().replace(b"Host: 127.0.0.1\r\n", b"", 1),
    "two Hosts": _with(b"Host: 127.0.0.1"),
    "a Host of elsewhere in the target": lambda good: good.whole().replace(
        b" /", b" http://evil.example/", 1
    ),
    "an authority as target": lambda good: good.whole().replace(
        good.target.encode(), b"127.0.0.1:80", 1
    ),
    **{
        f"version {version}": _of_version(version)
        for version in (
            *("HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "HTTP/11", "HTTP/1.", "http/1.1"),
            *("HTTP/1.1 x", "HTTPS/1.1", "HTTP/ 1.1", "HTTP/1,1", "JTTP/1.1"),
        )
    },
    "no version": lambda good: good.whole().replace(b" HTTP/1.1", b"", 1),
    "lower-case method": lambda good: good.whole().replace(
        good.method.encode(), good.method.lower().encode(), 1
    ),
    "unknown method": lambda good: b"STEAL" + good.whole().removeprefix(good.method.encode()),
    "CONNECT": lambda good: b"CONNECT" + good.whole().removeprefix(good.method.encode()),
    "blank before the line": lambda good: b" " + good.whole(),
    "byte order mark": lambda good: b"\xef\xbb\xbf" + good.whole(),
    "HTTP/2 preface": lambda good: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + good.whole(),
    "TLS": lambda good: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + good.whole(),
    "too many fields": _with(*[b"X-%d: a" % n for n in range(200)]),
    "a field too long": _with(b"X: " + TOKEN.encode() * 100),
    "fields too long together": _with(*[b"X-%d: %s" % (n, 2 * TOKEN.encode()) for n in range(90)]),
    "a name too long": _with(b"X" * 20_000 + b": a"),
    "a target too long": lambda good: good.whole().replace(b" HTTP/", b"a" * 20_000 + b" HTTP/", 1),
    "a method too long": lambda good: b"G" * 20_000 + good.whole(),
    "a megabyte without a line end": lambda good: good.line()[:-9] + b"a" * 2**20,
}


def _chunks(write: Callable[[bytes], bytes]) -> Form:
    return lambda good: good.head(CHUNKED) + write(good.body) + HIDDEN


def _sized(size: bytes) -> Form:
    """Write the first chunk's size as ``size``, with N for the number."""
    return _chunks(lambda body: size.replace(b"N", b"%x" % len(body)) + body + b"\r\n" + _LAST)


BODIES: Mapping[str, Form] = {
    **{
        f"chunk size {size!r}": _sized(size + b"\r\n")
        for size in (
            *(
                b"0xN",
                b"+N",
                b"-N",
                b" N",
                b"N ",
                b"N\t",
                b"N_0",
                b"",
                b";a",
                b"g",
                b"N,",
                b"N\x00",
            ),
            *(b"1" + b"0" * 16, b"f" * 17, b"N;a\nb", b"N;\x00", b"N\n", b"N\rX"),
        )
    },
    "chunk size behind a bare LF": _sized(b"N\n"),
    "chunk size behind a bare CR": _sized(b"N\r"),
    "a chunk longer than its size": _chunks(
        lambda body: b"%x\r\n%s\r\n" % (len(body) - 1, body) + _LAST
    ),
    "a chunk without its end": _chunks(lambda body: b"%x\r\n%s" % (len(body), body) + _LAST),
    "a chunk that ends in a bare LF": _chunks(
        lambda body: b"%x\r\n%s\n" % (len(body), body) + _LAST
    ),
    "an extension without end": _chunks(
        lambda body: b"%x;%s\r\n" % (len(body), b"a" * 2**20) + body + b"\r\n" + _LAST
    ),
    "a bare LF behind the last chunk": _chunks(
        lambda body: b"%x\r\n%s\r\n0\n\n" % (len(body), body)
    ),
    "a trailer that is no field": _chunks(lambda body: chunked(body)[:-2] + b"no field\r\n\r\n"),
    "a trailer with a NUL": _chunks(lambda body: chunked(body)[:-2] + b"X: \x00\r\n\r\n"),
    "a trailer too long": _chunks(
        lambda body: chunked(body)[:-2] + b"X: " + b"a" * 40_000 + b"\r\n\r\n"
    ),
    "chunks too long together": _chunks(lambda _: chunked(b" " * 70_000)),
    "many small chunks, too long together": _chunks(lambda _: b"1\r\n \r\n" * 70_000 + _LAST),
    "a body too long": lambda good: good.head(b"Content-Length: 70000") + b" " * 70_000,
    "a length that no memory holds": _with(b"Content-Length: 9223372036854775807"),
    "a compressed body": lambda good: good.whole(b"Content-Encoding: gzip"),
    "a body in UTF-16": lambda good: (
        good.head(b"Content-Length: %d" % (2 * len(good.body)))
        + good.body.decode().encode("utf-16-le")
    ),
    "two JSON bodies": lambda good: (
        good.head(b"Content-Length: %d" % (2 * len(good.body))) + good.body * 2
    ),
    "a JSON body cut short": lambda good: (
        good.head(b"Content-Length: %d" % (len(good.body) - 1)) + good.body
    ),
    "no body": lambda good: good.head(),
}
