"""Random heads close to those that the fast lane takes: it never differs from plain aiohttp.

They are good heads with a change; the fast lane must have answered more than half of the parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.heads import ENDPOINTS, GOOD, HOST, TOKENS, head, proxy_request, write_head
from tests.support.reader_pair import ReaderPair, Setup, reader_pair

pytestmark = pytest.mark.slow  # each request is sent in two ways

Fields = tuple[tuple[str, str], ...]

CASES = (str.lower, str.title, str.upper)
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PURGE", "get")
VERSIONS = ("HTTP/1.1",) * 8 + ("HTTP/1.0", "HTTP/2.0")
USUAL: Fields = (
    ("User-Agent", "Mozilla/5.0 (X11; a: b)"),
    ("Accept", "*/*"),
    ("X-Real-IP", "10.0.0.1"),
    ("X-Request-Id", "r-1"),
    ("Connection", "keep-alive"),
)
UNUSUAL: Fields = (
    *USUAL,
    ("Connection", "close"),
    ("Authorization", f"Bearer {GOOD}"),
    ("Authorization", "Bearer "),
    ("Cookie", f"jwt={GOOD}"),
    ("X-Original-Method", "GET"),
    ("X-Original-URI", "/retro"),
    ("X-Forwarded-Uri", f"/standup?jwt={GOOD}"),
    ("X-Forwarded-Host", "other.example.org"),
    ("Host", HOST),
    ("Content-Length", "0"),
    ("Content-Length", "7"),
    ("Transfer-Encoding", "chunked"),
    ("Expect", "100-continue"),
    ("Upgrade", "h2c"),
    ("X-Unknown", "a"),
    ("Accept-Language", ""),
)
INSERTED = (b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n ", b"\0", b"\x7f", b"\xff", b":", b"a", b"#")
AFTER_HEAD = (
    *(b"\r\n", b"hello", b"0\r\n\r\n"),
    *(b"0\r\nX-Original-URI: /standup\r\n\r\n", b"GET / HTTP/1.1\r\n"),
    *(head(), head("ext-authz"), head("auth", ("Connection", "close")), head("auth", ("X", "a"))),
)


OFTEN = st.sampled_from((True, True, False))
SELDOM = st.sampled_from((False, False, True))


@st.composite
def usual_heads(draw: st.DrawFn) -> bytes:
    """Return a head as proxies send it."""
    token = draw(st.sampled_from((GOOD, GOOD, *TOKENS.values())))
    more = draw(st.lists(st.sampled_from(USUAL), max_size=3, unique=True))
    method = draw(st.sampled_from(METHODS[:6]))
    return head(draw(st.sampled_from(ENDPOINTS)), *more, method=method, token=token)


@st.composite
def unusual_heads(draw: st.DrawFn) -> bytes:
    """Return a head with changed fields or bytes."""
    target, good = proxy_request(draw(st.sampled_from(ENDPOINTS)))
    fields = good + draw(st.lists(st.sampled_from(UNUSUAL), max_size=4))
    at = draw(st.integers(0, len(fields) - 1))
    name, value = fields[at]
    written_otherwise = (draw(st.sampled_from(CASES))(name), value)
    change = draw(st.sampled_from(("nothing", "drop", "double", "swap", "one")))
    changed = {"drop": [], "double": [fields[at], written_otherwise], "one": [written_otherwise]}
    if change == "swap":
        fields.reverse()
    else:
        fields[at : at + 1] = changed.get(change, [fields[at]])
    version = draw(st.sampled_from(VERSIONS))
    text = write_head(draw(st.sampled_from(METHODS)), target, fields, version)
    if draw(SELDOM):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(INSERTED)) + text[at + draw(st.integers(0, 1)) :]
    return text


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Return the bytes of a client, in the parts that the server reads."""
    parts: list[bytes] = []
    for _ in range(draw(st.integers(1, 4))):
        parts.append(draw(usual_heads() if draw(OFTEN) else unusual_heads()))
        if draw(SELDOM):
            parts.append(draw(st.sampled_from(AFTER_HEAD)))
    if draw(SELDOM):
        whole = b"".join(parts)
        cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
        parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return [part for part in parts if part]


@contextmanager
def running(setup: Setup) -> Iterator[tuple[ReaderPair, Callable[..., None]]]:
    """Run both listeners in one loop for all examples."""
    with asyncio.Runner() as runner:
        manager = reader_pair(setup)
        pair = runner.run(manager.__aenter__())

        def compare(parts: list[bytes], *, pipelined: bool) -> None:
            for listener in (pair.fast, pair.plain):
                listener.cache.clear()
            cold = runner.run(pair.compare(*parts, pipelined=pipelined))
            warm = runner.run(pair.compare(*parts, pipelined=pipelined))
            assert (warm.responses, warm.closed) == (cold.responses, cold.closed)

        try:
            yield pair, compare
        finally:
            runner.run(manager.__aexit__(None, None, None))


@pytest.mark.parametrize("ttl", [30, 0])
def test_random_heads_are_answered_equally(ttl: int) -> None:
    requests = []
    with running(Setup(ttl=ttl)) as (pair, compare):

        @settings(max_examples=600 if ttl else 200, deadline=None)
        @example(
            parts=[head("auth", ("Content-Length", "18446744073709551615")), head()],
            pipelined=False,
        )
        @example(parts=[head("auth", ("Connection", "close")), head()], pipelined=True)
        @given(parts=streams(), pipelined=st.booleans())
        def holds(parts: list[bytes], *, pipelined: bool) -> None:
            compare(parts, pipelined=pipelined)
            requests.append(len(parts))

        holds()
        assert pair.fast.fast_count > len(requests) / 2
