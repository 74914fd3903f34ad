"""The bytes of a response: which headers are refused, and what is written when it is sent."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.http.request import Request
from verifier.http.responses import Lifetime, Response, http_date

TOKEN = "SECRETTOKEN"


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: b", "a\nb", "a\rb", "a\0b", "a\x7fb", "\u00e9", "\udcff", "a\u2028b"]
)
def test_headers_beyond_printable_ascii_are_refused(value: str) -> None:
    for headers in ({"X-A": value}, {value: "a"}):
        with pytest.raises(ValueError, match=r"printable|ascii"):
            Response(HTTPStatus.OK, headers).head()


@given(st.text(max_size=20), st.text(max_size=20))
def test_one_header_never_becomes_two(name: str, value: str) -> None:
    try:
        head = Response(HTTPStatus.OK, {name: value}).head()
    except ValueError:
        return
    assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r")
    assert len(head.split(b"\r\n")) in (4, 5)  # the status, two or three fields, the end


def test_every_head_has_a_length() -> None:
    assert Response(HTTPStatus.FORBIDDEN, {"Server": "a"}, b"four").head() == (
        b"HTTP/1.1 403 Forbidden\r\nServer: a\r\nContent-Length: 4\r\n"
    )


def test_a_head_without_content_has_no_length() -> None:
    assert Response(HTTPStatus.NO_CONTENT, {}).head() == b"HTTP/1.1 204 No Content\r\n"


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (784_111_777, b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        (0, b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
        (951_782_400, b"Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"),
    ],
)
def test_the_date_is_an_imf_fixdate(now: int, line: bytes) -> None:
    assert http_date(now) == line


@given(st.integers(0, 4_000_000_000))
def test_the_date_is_the_given_second(now: int) -> None:
    text = http_date(now + 0.5).decode().removeprefix("Date: ").strip()
    assert parsedate_to_datetime(text).timestamp() == now


NO_STORE = b"Cache-Control: no-store\r\n"


def lifetime(seconds: int, until: bytes = b"30") -> bytes:
    return b"Cache-Control: private, max-age=%d\r\nX-Accel-Expires: %b\r\n" % (seconds, until)


@pytest.mark.parametrize(
    ("until", "lines"),
    [
        (None, b""),
        (inf, lifetime(30)),
        (132, lifetime(30)),
        # nginx caches a response of n seconds for up to n + 1 seconds, so it gets one second less.
        (131, lifetime(30, b"30")),
        (130.5, lifetime(30, b"29")),
        (129.9, lifetime(29, b"28")),
        (101, lifetime(1, b"0")),
        (100.9, NO_STORE),
        (100, NO_STORE),
        (99, NO_STORE),
        (-1e300, NO_STORE),
    ],
)
def test_the_lifetime_ends_with_the_decision(until: float | None, lines: bytes) -> None:
    lifetime = Lifetime(30)
    for _ in range(2):
        assert lifetime.lines(until, 100) == lines


def test_without_a_ttl_nothing_is_cacheable() -> None:
    assert Lifetime(0).lines(inf, 100) == NO_STORE


def test_the_repr_of_a_request_holds_no_token() -> None:
    token = TOKEN.encode()
    request = Request("GET", f"/ext-authz/{TOKEN}", {b"x-original-uri": token}, {}, token)
    assert TOKEN not in repr(request)
