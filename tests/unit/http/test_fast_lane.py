"""The fast lane and plain aiohttp answer any bytes equally.

Each case is sent over new connections with an empty and with a filled cache, in one read and in
several, and with and without waiting for responses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from tests.support.heads import ENDPOINTS, GOOD, HOST, TOKENS, head, proxy_request, write_head
from tests.support.reader_pair import ReaderPair, Setup, reader_pair

pytestmark = pytest.mark.slow  # each request is sent in two ways

POST = "POST"
CHUNKED = ("Transfer-Encoding", "chunked")
TRAILER = f"0\r\nX-Original-URI: /standup?jwt={GOOD}\r\n\r\n".encode()
NO_URI = write_head("GET", "/auth", [("Host", HOST)])


@pytest.fixture
async def pair() -> AsyncIterator[ReaderPair]:
    async with reader_pair() as both:
        yield both


async def compare_all(pair: ReaderPair, *parts: bytes) -> list[str]:
    """Check that both answer equally in every way of sending; return the first status lines."""
    whole = b"".join(parts)
    observed = [
        await pair.compare(*parts, pipelined=pipelined)
        for pipelined in (False, True)
        for _ in range(2)
    ]
    for cut in (1, len(whole) // 2, len(whole) - 1, len(whole) - 3):
        await pair.compare(whole[:cut], whole[cut:], pipelined=True)
    await pair.compare(whole)
    return [status for status, _, _ in observed[0].responses]


# What the fast lane takes


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("token", TOKENS)
async def test_usual_requests_are_answered_equally_by_the_fast_lane(
    pair: ReaderPair, endpoint: str, method: str, token: str
) -> None:
    request = head(endpoint, method=method, token=TOKENS[token])
    await pair.compare(request)
    await pair.compare(request, request, request)
    assert pair.fast.fast_count == 4
    assert pair.plain.fast_count == 0


@pytest.mark.parametrize("write", [str.lower, str.title, str.upper, str.swapcase])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_header_names_may_be_in_any_case(
    pair: ReaderPair, endpoint: str, write: type
) -> None:
    target, fields = proxy_request(endpoint)
    rewritten = [(write(name), value) for name, value in fields]
    mixed = [(write(name) if i else name, value) for i, (name, value) in enumerate(fields)]
    for headers in (fields, rewritten, mixed):
        assert await compare_all(pair, write_head("GET", target, headers)) == ["HTTP/1.1 200 OK"]
    assert pair.fast.fast_count > 0


@pytest.mark.parametrize(
    "field",
    [
        ("User-Agent", "a: b; c"),
        ("X-Request-Id", "r-1"),
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
        ("Authorization", f"Bearer {GOOD}"),
        ("Authorization", f"bearer {GOOD}x"),
        ("Authorization", "Basic eDp5"),
        ("Connection", "keep-alive"),
        ("Cookie", "a=b"),
        ("X-Original-Method", "PUT"),
        ("X-Forwarded-Uri", "/other"),
    ],
)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_known_header_stays_in_the_fast_lane(
    pair: ReaderPair, endpoint: str, field: tuple[str, str]
) -> None:
    target, fields = proxy_request(endpoint)
    if field[0] in dict(fields):
        return
    await pair.compare(write_head("GET", target, [*fields, field]))
    assert pair.fast.fast_count == 1


# What the fast lane leaves to aiohttp

LEFT_TO_AIOHTTP = [
    ("X-Unknown", "a"),
    ("X-Empty", ""),
    ("User-Agent", ""),
    ("User-Agent", "a  b"),
    ("User-Agent", "\ta"),
    ("User-Agent", "a\tb"),
    ("User-Agent", "a "),
    ("User-Agent", " a"),
    ("User-Agent", "\u00e9"),
    ("User-Agent", "\udcff"),
    ("User-Agent", "a\x00b"),
    ("User-Agent", "a\x7fb"),
    ("User-Agent", "a\rb"),
    ("User-Agent", "a\nX-Original-URI: /b"),
    ("User-Agent", "a\r\n b"),
    ("User-Agent", "a\r\n\tb"),
    ("User-Agent ", "a"),
    (" User-Agent", "a"),
    ("", "a"),
    ("Host", "meet.example.org"),
    ("host", "other.example.org"),
    ("X-Original-URI", "/retro"),
    ("x-original-uri", f"/standup?jwt={GOOD}"),
    ("X-ORIGINAL-URL", "https://meet.example.org/standup"),
    ("X-Forwarded-Uri", "/retro"),
    ("X-Forwarded-Host", "other"),
    ("Authorization", f"Bearer {GOOD}\r\nAuthorization: Bearer {GOOD}"),
    ("X-Original-Method", "GET\r\nX-Original-Method: GET"),
    ("Content-Length", "0"),
    ("Content-Length", "00"),
    ("Content-Length", ""),
    ("Content-Length", "-1"),
    ("Content-Length", "+5"),
    ("Content-Length", "5"),
    ("Content-Length", "0\r\nContent-Length: 0"),
    ("Content-Length", "18446744073709551615"),
    ("Content-Length", "18446744073709551616"),
    ("Transfer-Encoding", "identity"),
    ("Transfer-Encoding", "chunked\r\nContent-Length: 5"),
    ("Transfer-Encoding", "gzip, chunked"),
    CHUNKED,
    ("Expect", "100-continue"),
    ("Upgrade", "websocket"),
    ("Upgrade", "h2c\r\nConnection: Upgrade"),
    ("Connection", "Upgrade"),
    ("Connection", "close"),
    ("Connection", "Close"),
    ("Connection", "keep-alive, close"),
    ("Connection", "KEEP-ALIVE"),
    ("Connection", "keep-alive\r\nConnection: close"),
    ("Proxy-Connection", "close"),
    ("Trailer", "X-Original-URI"),
    ("TE", "trailers"),
    ("Keep-Alive", "timeout=5"),
    ("Accept", ", ".join(["text/html"] * 3_000)),
]


@pytest.mark.parametrize(
    "field", LEFT_TO_AIOHTTP, ids=lambda field: ascii(f"{field[0]}:{field[1]}")[:60]
)
async def test_unusual_headers_are_answered_equally(
    pair: ReaderPair, field: tuple[str, str]
) -> None:
    for endpoint in ("auth", "forward-auth"):
        await compare_all(pair, head(endpoint, field))
        await compare_all(pair, head(endpoint, field), head(endpoint))


@pytest.mark.parametrize("form", [" {}", "{} ", "\t{}", "{}\t", " {} ", "  {}", "{},", "\r\n {}"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_blanks_around_a_value_are_read_equally(
    pair: ReaderPair, endpoint: str, form: str
) -> None:
    target, good = proxy_request(endpoint)
    fields = [*good, ("Authorization", f"Bearer {GOOD}"), ("X-Request-Id", "r-1")]
    for at, (name, value) in enumerate(fields):
        changed = [*fields[:at], (name, form.format(value)), *fields[at + 1 :]]
        for each in (fields, changed, fields):
            await pair.compare(write_head("GET", target, each))


HOSTS = ["", "a b", "a,b", "a/b", "user@a", "a:99999", "a:", "[::1]:80", "[::1", "a..b", "\u00e9"]


@pytest.mark.parametrize("host", [*HOSTS, "meet.example.org.", "MEET.example.org:443", "a_b"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_hosts_are_accepted_or_refused_equally(
    pair: ReaderPair, endpoint: str, host: str
) -> None:
    target, fields = proxy_request(endpoint)
    await pair.compare(write_head("GET", target, fields))
    await compare_all(pair, write_head("GET", target, [*fields[1:], ("Host", host)]))
    await compare_all(pair, write_head("GET", target, fields[1:]))


LINES = [
    *("GET /auth HTTP/1.0", "GET /auth HTTP/0.9", "GET /auth HTTP/2.0", "GET /auth HTTP/1.2"),
    *("GET /auth", "GET  /auth HTTP/1.1", "GET /auth  HTTP/1.1", "GET /auth HTTP/1.1 "),
    *(" GET /auth HTTP/1.1", "get /auth HTTP/1.1", "BREW /auth HTTP/1.1", "PRI * HTTP/2.0"),
    *("GET /auth?a HTTP/1.1", "GET /auth/ HTTP/1.1", "GET //auth HTTP/1.1", "GET /AUTH HTTP/1.1"),
    *("GET /auth#a HTTP/1.1", "GET /%61uth HTTP/1.1", "GET /./auth HTTP/1.1", "GET * HTTP/1.1"),
    *("OPTIONS * HTTP/1.1", "CONNECT a:80 HTTP/1.1", "CONNECT /auth HTTP/1.1"),
    *(f"GET http://{HOST}/auth HTTP/1.1", "GET auth HTTP/1.1", "GET /\u00e9 HTTP/1.1"),
    *("TRACE /auth HTTP/1.1", "PUT /auth HTTP/1.1", "PURGE /auth HTTP/1.1", "QUERY /auth HTTP/1.1"),
    *("GET /ext-authz HTTP/1.1", "GET /ext-authz/ HTTP/1.1", "GET /ext-authz//a HTTP/1.1"),
    *(f"GET /ext-authz/standup?jwt={GOOD}#a HTTP/1.1", "GET /ext-authz/%zz HTTP/1.1"),
    *("GET /ext-authz/http://a/b HTTP/1.1", "GET /ext-authz/../auth HTTP/1.1"),
    *(f"DELETE /ext-authz/standup?jwt={GOOD}&jwt=a HTTP/1.1", "GET /healthz HTTP/1.1"),
    *("GET /access HTTP/1.1", "POST /v1/verify HTTP/1.1", "GET /asap/a.pem HTTP/1.1"),
    "GET /check_password?user=a&server=b&pass=c HTTP/1.1",
]


@pytest.mark.parametrize("line", LINES)
async def test_any_request_line_is_answered_equally(pair: ReaderPair, line: str) -> None:
    _, fields = proxy_request("auth")
    text = "\r\n".join([line, *(f"{name}: {value}" for name, value in fields), "", ""])
    await compare_all(pair, text.encode(), head())


# Where a head ends


def forms() -> Iterable[bytes]:
    """Return malformed variants of a good head."""
    good = head()
    yield from (b"\r\n" + good, b"\r\n\r\n" + good, b"\n" + good, b"\r" + good, b"\0" + good)
    yield from (good.replace(b"\r\n", b"\n"), good.replace(b"\r\n", b"\r"))
    yield from (good[:-2] + b"\n", good[:-4] + b"\n\n", good[:-2] + b" \r\n" + b"\r\n")
    yield from (good.replace(b": ", b":  "), good.replace(b"\r\n", b" \r\n"))
    yield from (good.replace(b": ", b":"), good.replace(b": ", b" : "), good.replace(b": ", b":\t"))
    yield from (good[:-4], good[:-1], good + b"\r\n", good + b"\r\n\r\n", b"\r\n\r\n", b"\r\n" * 99)


@pytest.mark.parametrize("form", [*forms()], ids=lambda form: ascii(form)[:40])
async def test_malformed_heads_are_answered_equally(pair: ReaderPair, form: bytes) -> None:
    await compare_all(pair, form)
    await compare_all(pair, form, head())
    await compare_all(pair, head(), form)


@pytest.mark.parametrize("size", [16_383, 16_384, 16_385, 17_000, 33_000])
@pytest.mark.parametrize("name", ["Cookie", "X-Original-Method"])
async def test_long_heads_are_answered_equally(pair: ReaderPair, size: int, name: str) -> None:
    short = head("auth", (name, ""))
    request = head("auth", (name, "a" * (size - len(short))))
    assert len(request) == size
    statuses = await compare_all(pair, request)
    assert statuses == ["HTTP/1.1 200 OK" if size <= 16_384 else statuses[0]]
    assert bool(pair.fast.fast_count) is (size <= 16_384)


@pytest.mark.parametrize("count", [40, 41, 60, 120, 127, 128, 200])
async def test_many_headers_are_answered_equally(pair: ReaderPair, count: int) -> None:
    await compare_all(pair, head("auth", *((f"X-{number}", "a") for number in range(count))))
    await compare_all(pair, head("auth", *(("Accept", "a") for _ in range(count))))


# Several requests on a connection


async def test_a_head_split_anywhere_is_answered_equally(pair: ReaderPair) -> None:
    request = head()
    for cut in range(1, len(request)):
        await pair.compare(request[:cut], request[cut:], pipelined=True)


async def test_single_bytes_are_answered_equally(pair: ReaderPair) -> None:
    observed = await pair.compare(*(bytes([byte]) for byte in head() + head()), pipelined=True)
    assert len(observed.responses) == 2


BODIES = [
    (head("auth", ("Content-Length", "5"), method=POST), b"hello"),
    (head("auth", ("Content-Length", str(len(head()))), method=POST), head()),
    (head("auth", ("Content-Length", "18446744073709551615"), method=POST), head()),
    (head("auth", CHUNKED, method=POST), TRAILER),
    (head("auth", CHUNKED, method=POST), b"5\r\nhello\r\n0\r\n\r\n"),
    (head("auth", CHUNKED, method=POST), b"%x\r\n%s\r\n0\r\n\r\n" % (len(head()), head())),
    (head("auth", ("Expect", "100-continue"), CHUNKED, method=POST), TRAILER),
    (head("auth", CHUNKED, ("Connection", "close"), method=POST), head()),
    (write_head(POST, "/auth", [("Host", HOST), CHUNKED]), TRAILER),
    (head("auth", ("Upgrade", "h2c"), ("Connection", "Upgrade")), head()),
    (head("auth", ("Upgrade", "websocket"), ("Connection", "Upgrade")), head()),
    (write_head("CONNECT", "a:80", [("Host", HOST)]), head()),
    (write_head("GET", "/auth", [("Host", HOST)], "HTTP/1.0"), head()),
    (head("auth", ("Connection", "close")), head()),
]


@pytest.mark.parametrize("number", range(len(BODIES)))
async def test_bytes_behind_a_body_are_never_a_request(pair: ReaderPair, number: int) -> None:
    first, body = BODIES[number]
    for rest in ((), (NO_URI,), (NO_URI, head())):
        assert len(await compare_all(pair, first, body, *rest)) == 1
        assert len(await compare_all(pair, first + body, *rest)) == 1
        assert len(await compare_all(pair, head(), first, body, *rest)) == 2


async def test_a_body_is_never_a_proxys_request(pair: ReaderPair) -> None:
    body = head()
    fields = [("Host", HOST), ("Content-Length", str(len(body)))]
    await pair.compare(write_head(POST, "/v1/verify", fields), body, head(), pipelined=True)


STREAMS = [
    [head(), head("ext-authz"), head("auth", token=TOKENS["expired"])],
    [head(), head("auth", ("X-Unknown", "a")), head(), NO_URI, head()],
    [head(method="HEAD"), head("auth", ("X-Unknown", "a"), method="HEAD"), head(method="HEAD")],
    [head(), b"GARBAGE\r\n\r\n", head()],
    [head(), b"\0"],
    [head(), head("auth", ("Connection", "close")), head()],
    [head("auth", ("X-Unknown", "a")), b"\r\n", head(), b"\r\n\r\n", head()],
    [NO_URI, head(), NO_URI, head()],
    [head()] * 40,
    [head("auth", ("X-Unknown", "a"))] * 40,
]


@pytest.mark.parametrize("number", range(len(STREAMS)))
async def test_streams_are_answered_equally_and_in_order(pair: ReaderPair, number: int) -> None:
    parts = STREAMS[number]
    await compare_all(pair, *parts)
    for size in (1, 2, 3):
        grouped = [b"".join(parts[at : at + size]) for at in range(0, len(parts), size)]
        await pair.compare(*grouped, pipelined=True)
        await pair.compare(*grouped)
    await pair.compare(*parts, half_close=True)


async def test_mixed_readers_keep_responses_in_order(pair: ReaderPair) -> None:
    rooms = [f"room{number}" for number in range(12)]
    parts = [
        head("auth", *[("X-Unknown", "a")] * (i % 3 == 0), room=r) for i, r in enumerate(rooms)
    ]
    observed = await pair.compare(*parts)
    assert len(observed.responses) == len(rooms)
    warm = await pair.compare(*parts, pipelined=True)
    assert warm.responses == observed.responses


async def test_without_a_cache_responses_are_equal() -> None:
    async with reader_pair(Setup(ttl=0)) as pair:
        await compare_all(pair, head(), head("auth", token=TOKENS["expired"]), head())
        assert pair.fast.fast_count > 0
