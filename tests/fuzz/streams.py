"""Random bytes of a client: good and bad requests in a row, some of them with changed bytes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

_LINE_END: Final = b"\r\n"
_METHODS: Final = (
    *(b"GET", b"HEAD", b"OPTIONS", b"PUT", b"PRI", b"CONNECT", b"QUERY", b"SOURCE", b"M-SEARCH"),
    *(b"PLAY", b"FLUSH", b"get", b"LINK", b"MKCALENDAR"),
)
_TARGETS: Final = (
    *(b"/a", b"/", b"/a?b#c", b"/a#?#", b"//x", b"*", b"http://a/", b"a", b"?x", b"/%", b"/@:[]"),
    *(b'/a|b\\c^`{}"<>', b"/" + b"a" * 199, b"/" + b"a" * 200),
)
_VERSIONS: Final = (
    *(b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2", b"RTSP/1.0"),
    *(b"ICE/1.0", b"HTTP/3.0"),
)
_FIELDS: Final = (
    *(b"Host: a:80", b"Host:", b"host: b", b"Host:\ta\t", b"Connection: close", b"Connection:"),
    *(b"Connection: keep-alive", b"connection: x, Close ", b"Connection: \tclose\t ,x"),
    *(b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade:", b"Proxy-Connection: close"),
    *(b"Proxy-Connection: keep-alive", b"Proxy-Connection: x,\tclose\t", b"Content-Length: 0"),
    *(b"Content-Length: 5", b"Content-Length: 51", b"Content-Length:  5 ", b"content-length: 05"),
    *(b"Content-Length:\t5 \t", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked "),
    *(b"Transfer-Encoding:\tChunked", b"Transfer-Encoding: chunked\t", b"Transfer-Encoding:"),
    *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"TE: trailers"),
    *(b"Expect: 100-continue", b"expect: 100-Continue \t", b"Expect: x", b"Trailer: X"),
    *(b"Content-Encoding: gzip", b"Content-Encoding:", b"X:", b"X: ", b"x: a\tb", b"X-A: \xff\x80"),
    *(b"X: " + b"a" * 199, b"X: " + b"a" * 200, b"Keep-Alive: 5", b"HTTP2-Settings: a"),
)
_BODIES: Final = (
    *(b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"5\r\nhell"),
    *(b'3;a\r\nabc\r\n2;b="c d";e\r\nde\r\n0;x\r\n\r\n', b"00005\r\nhello\r\n00\r\n\r\n"),
    *(b"1\r\na\r\n" * 12 + b"0\r\n\r\n", b"A\r\n0123456789\r\n", b"a" * 51, b"5;\r\nhello\r\n"),
    *(b"32\r\n" + b"a" * 50 + b"\r\n0\r\n\r\n", b"33\r\n" + b"a" * 51 + b"\r\n0\r\n\r\n"),
    *(
        b"5 ;a\r\nhello\r\n",
        b"5; a\r\nhello\r\n",
        b"5;a=b c\r\n",
        b"5;;a\r\n",
        b"f" * 16 + b"\r\nx",
    ),
    *(b'5;a="\\""\r\nhello\r\n0\r\n\r\n', b"5;a=\r\nhello\r\n0\r\n\r\n", b"f" * 17 + b"\r\n"),
    b"f" * 16 + b"\r\nx",
    b"5;" + b"e" * 300 + b"\r\nhello\r\n0\r\n\r\n",
)
_CHANGES: Final = (
    *(b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b",", b";", b"0", b"1", b"a", b"\0", b"\x7f"),
    *(b"\xff", b"\x80", b"\x0b", b"\x0c", b"\x1b", b"GET ", b"HEAD /a HTTP/1.1\r\n", b"/b", b"#"),
    *(b"HTTP/1.0", b"\r\n\r\n", b"0\r\n\r\n", b"?", b"%", b'"', b"<", b"{", b"|", b"\\", b"^"),
)


def random_stream(random: Random, others: Sequence[bytes], taken: bytes) -> bytes:
    """Return the bytes of a client.

    Args:
        random: Makes all choices.
        others: Requests of which some are among those that are made here.
        taken: The target of requests whose body is taken.
    """
    stream = bytearray()
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 10))):
        if random.random() < 0.2:
            request = bytearray(random.choice(others))
        else:
            request = bytearray(_random_request(random, taken))
        if random.random() < 0.35:
            for _ in range(random.randint(1, 2)):
                at = random.randint(0, len(request))
                request[at : at + random.choice((0, 0, 1, 3))] = random.choice(_CHANGES)
        stream += request
    if random.random() < 0.2:
        del stream[random.randint(0, len(stream)) :]
    return bytes(stream)


def _random_request(random: Random, taken: bytes) -> bytes:
    fields = random.choices(_FIELDS, k=random.choice((0, 0, 1, 1, 2, 3, 5, 13)))
    if random.random() < 0.93:
        fields.insert(random.randint(0, len(fields)), b"Host: a")
    method = _usually(random, b"POST", _METHODS)
    target = _usually(random, taken, _TARGETS)
    version = _usually(random, b"HTTP/1.1", _VERSIONS)
    head = _LINE_END.join([b" ".join((method, target, version)), *fields, b"", b""])
    has_body = any(field.lower().startswith((b"content-l", b"transfer")) for field in fields)
    return head + random.choice(_BODIES) if has_body or random.random() < 0.1 else head


def _usually(random: Random, usual: bytes, others: Sequence[bytes]) -> bytes:
    return usual if random.random() < 0.75 else random.choice(others)
