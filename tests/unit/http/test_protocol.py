"""Raw sockets against ``HttpServer``: what a hostile or faulty client gets."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from functools import partial

import pytest

from tests.support.wire import (
    BODY_LIMIT,
    MARK,
    SHORT_LINGER,
    SOON,
    TARGET,
    Serve,
    Wire,
    answer_body,
    answer_ok,
    assert_constant,
    body_of,
    flood,
    head,
    post,
    response,
    stop,
    until,
)
from verifier.http.parser import Limits
from verifier.http.request import Request
from verifier.http.responses import Rendered
from verifier.http.server import Handler, HttpServer
from verifier.log import traceback_summary

pytestmark = pytest.mark.usefixtures("silence")


# Connections


async def test_requests_on_one_connection_are_answered_in_order(serve: Serve) -> None:
    connection = await (await serve()).connect()
    for method in ("GET", "OPTIONS", "GET"):
        connection.send(head(line=f"{method} {TARGET} HTTP/1.1"))
        answer = await connection.until(b"ok:" + method.encode())
        assert b"200 OK" in answer
        assert b"Connection:" not in answer


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    last = head("Connection: close", line="DELETE / HTTP/1.1")
    answer = await (await serve()).exchange(head() + head(line="PUT / HTTP/1.1") + last)
    assert [part[:3] for part in answer.split(b"ok:")[1:]] == [b"GET", b"PUT", b"DEL"]


async def test_a_long_pipeline_is_answered(serve: Serve) -> None:
    wire = await serve()
    answer = await wire.exchange(head() * 100 + head("Connection: close"))
    assert answer.count(b"ok:GET") == len(wire.seen) == 101


@pytest.mark.parametrize(
    "garbage", [b"%s\r\n\r\n" % MARK.encode(), b"\x16\x03\x01\x02", head(host="")]
)
async def test_garbage_does_not_affect_the_request_before_it(serve: Serve, garbage: bytes) -> None:
    answer = await (await serve()).exchange(head() + garbage)
    good, _, bad = answer.partition(b"ok:GET")
    assert b"200 OK" in good
    assert_constant(bad, 400)


async def test_garbage_after_a_split_blank_line_affects_no_request(
    serve: Serve,
) -> None:
    wire = await serve()
    connection = await wire.connect()
    connection.send(head()[:-1])
    await wire.has_read_part_of_a_head()
    connection.send(b"\n" + MARK.encode() + b"\r\n\r\n")
    answer = await connection.rest()
    assert b"ok:GET" in answer
    assert b"400 Bad Request" in answer


async def test_a_half_closed_client_gets_its_response(serve: Serve) -> None:
    assert b"ok:GET" in await (await serve()).exchange(head(), half_close=True)


async def test_http_1_0_is_kept_alive_only_on_request(serve: Serve) -> None:
    wire = await serve()
    line = f"GET {TARGET} HTTP/1.0"
    answer = await wire.exchange(head("Connection: keep-alive", line=line), head(line=line))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"ok:GET") == 2
    assert answer.count(b"Connection: keep-alive") == 1


async def test_http_1_0_needs_no_host(serve: Serve) -> None:
    answer = await (await serve()).exchange(head(line="OPTIONS / HTTP/1.0", host=""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_responses_name_the_product_without_version(serve: Serve) -> None:
    wire = await serve()
    for request in (head("Connection: close"), b"garbage\r\n\r\n", head(host="Host: a b")):
        answer = await wire.exchange(request)
        assert b"\r\nServer: jitsi-verifier\r\n" in answer
        assert b"aiohttp" not in answer
        assert b"Python" not in answer


# Bodies, trailers and upgrades: no request may follow them


async def test_a_trailer_does_not_become_a_header_of_the_next_request(serve: Serve) -> None:
    wire = await serve()
    denied = (
        post("Transfer-Encoding: chunked") + b"0\r\nX-Original-URI: /room?jwt=MARKEDTOKEN\r\n\r\n"
    )
    answer = await wire.exchange(denied + head())
    assert len(wire.seen) == 1
    assert answer.count(b"200 OK") == 1
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_connection_ends_after_a_body_in_chunks(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    connection = await wire.connect()
    connection.send(post("Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n")
    answer = await connection.until(b"got abc")
    connection.send(head())
    assert b"\r\nConnection: close\r\n" in answer
    assert not await connection.rest()
    assert len(wire.seen) == 1


async def test_a_connection_goes_on_after_a_body_of_known_length(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    request = post("Content-Length: 3") + b"abc"
    answer = await wire.exchange(request + request + head("Connection: close"))
    assert answer.count(b"got abc") == 2
    assert len(wire.seen) == 3


async def test_a_trailer_is_refused(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    request = post("Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nX-Original-URI: /\r\n\r\n"
    assert_constant(await wire.exchange(request), 400)
    assert not wire.seen


async def test_nothing_is_read_after_the_last_chunk(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    request = post("Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
    answer = await wire.exchange(request + head() + b"\x00")
    assert answer.endswith(b"got abc")
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    "behind",
    [
        head("Connection: Upgrade", "Upgrade: websocket"),
        head(line="CONNECT a:443 HTTP/1.1"),
        b"GARBAGE\r\n\r\n",
    ],
)
async def test_anything_after_the_last_chunk_is_ignored(serve: Serve, behind: bytes) -> None:
    wire = await serve(answer_body, bodies=True)
    request = post("Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
    assert (await wire.exchange(request + behind)).endswith(b"got abc")
    assert not wire.reports


@pytest.mark.parametrize("option", ["close", "Close", "keep-alive, close"])
async def test_a_proxys_connection_header_ends_the_connection(serve: Serve, option: str) -> None:
    """A proxy may pass this header on, and use the connection for the next client."""
    wire = await serve()
    answer = await wire.exchange(head(f"Proxy-Connection: {option}") + head())
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"200 OK") == 1
    assert b"\r\nConnection: close\r\n" in answer


async def test_an_empty_body_does_not_end_the_connection(serve: Serve) -> None:
    last = head("Connection: close")
    answer = await (await serve()).exchange(post("Content-Length: 0") + last)
    assert b"ok:POST" in answer
    assert b"ok:GET" in answer


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "websocket", MARK])
@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive"])
async def test_nothing_is_read_after_an_upgrade(
    serve: Serve, protocol: str, connection: str
) -> None:
    wire = await serve()
    upgrade = head(f"Connection: {connection}", f"Upgrade: {protocol}")
    answer = await wire.exchange(upgrade + head() + b"\x00" + head())
    assert len(wire.seen) == 1
    assert answer.count(b"200 OK") == 1
    assert b"\r\nConnection: close\r\n" in answer


# Heads that are refused

MALFORMED = {
    "no Host": head(host=""),
    "two Hosts": head("Host: meet.test"),
    "two Hosts that differ": head(f"Host: {MARK}"),
    "folded header": head("X-A: b", f" {MARK}"),
    "NUL in a header": head(f"X-A: {MARK}\x00"),
    "bare LF": f"GET {TARGET} HTTP/1.1\nHost: a\n\n\r\n\r\n".encode(),
    "bare CR in a header": head(f"X-A: {MARK}\rX-B: c"),
    "space before the colon": head(f"X-A : {MARK}"),
    "no colon": head(MARK),
    "length and chunks": post("Content-Length: 3", "Transfer-Encoding: chunked"),
    "two lengths": post("Content-Length: 3", "Content-Length: 4"),
    "two equal lengths": post("Content-Length: 3", "Content-Length: 3"),
    "signed length": post("Content-Length: +3"),
    "length of thousands of zeros": post(f"Content-Length: {'0' * 5_000}"),
    "length beyond 64 bits": post("Content-Length: 18446744073709551616"),
    "unknown transfer coding": post(f"Transfer-Encoding: {MARK}"),
    "chunked is not last": post("Transfer-Encoding: chunked, gzip"),
    "lower-case method": head(line=f"get {TARGET} HTTP/1.1"),
    "unknown method": head(line=f"{MARK} / HTTP/1.1"),
    "HTTP/2.0": head(line=f"GET {TARGET} HTTP/2.0"),
    "HTTP/2 preface": f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{MARK}".encode(),
    "PRI without fields": head(line="PRI / HTTP/1.0", host=""),
    "HTTP/0.9": head(line=f"GET {TARGET} HTTP/0.9"),
    "HTTP/1.2": head(line=f"GET {TARGET} HTTP/1.2"),
    "no version": head(line=f"GET {TARGET}"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + MARK.encode() + b"\r\n\r\n",
    "129 fields": head(*[f"X-{n}: {MARK}" for n in range(128)]),
    **{
        f"Host {host!r}": head(host=f"Host: {host}")
        for host in (
            *("", f"a {MARK}", f"a,{MARK}", f"a/{MARK}", f"{MARK}@a", "a:", "a:b", "a:65536"),
            *("a:8090:8090", "a?b", "a#b", "a\\b", "[::1", "[::1]x", "m\u00e9.test", "a\udcff"),
        )
    },
    **{
        f"target {target!r}": head(line=f"{method} {target} HTTP/1.1")
        for method, target in (
            *(("GET", f"http://meet.test/{MARK}"), ("GET", f"http://[{MARK}"), ("GET", "*")),
            *(("GET", f"http://xn--\udcff/{MARK}"), ("GET", "http://a:99999/"), ("GET", "?")),
            *(
                ("OPTIONS", "*"),
                ("OPTIONS", "https://a"),
                ("GET", f"/\udcff{MARK}"),
                ("GET", "/\u00e9"),
            ),
            *(("CONNECT", "a:443"), ("CONNECT", "/"), ("CONNECT", f"[{MARK}"), ("GET", "a:443")),
            *(("GET", f"/a\t{MARK}"), ("GET", "ftp://a/"), ("GET", f"{MARK}"), ("GET", "#")),
        )
    },
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_head_gets_a_constant_400(serve: Serve, request_bytes: bytes) -> None:
    wire = await serve()
    assert_constant(await wire.exchange(request_bytes + head()), 400)
    assert not wire.seen
    assert not wire.reports


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (head(line=f"HEAD {TARGET} HTTP/1.1", host="Host: a b"), 400),
        (head(line=f"HEAD {TARGET} HTTP/2.0"), 400),
        (f"HEAD {TARGET} HTTP/1.1\n".encode(), 400),
        (f"HEAD {TARGET} HTTP/1.1\r\nX: ".encode() + b"a" * 33_000, 431),
        (head("X: " + "a" * 20_000, line=f"HEAD {TARGET} HTTP/1.1"), 431),
    ],
)
async def test_a_refusal_of_head_has_no_body(
    serve: Serve, request_bytes: bytes, status: int
) -> None:
    wire = await serve(limits=SHORT_LINGER)
    answer = await wire.exchange(request_bytes)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert f"\r\nContent-Length: {len(body_of(status))}\r\n".encode() in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "target",
    ["/", "//", "//a/b", "/%zz", "/?", "/?#", "/a#b", "/../a", "/[", "//[", "//@:", "/a?b?c=%2F+"],
)
async def test_a_handler_gets_the_target_as_it_was_sent(serve: Serve, target: str) -> None:
    wire = await serve()
    assert b"ok:GET" in await wire.exchange(
        head("Connection: close", line=f"GET {target} HTTP/1.1")
    )
    assert [request.target for request in wire.seen] == [target]


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "PROPFIND", "PATCH", "TRACE", "QUERY", "M-SEARCH"]
)
async def test_other_methods_reach_the_handler(serve: Serve, method: str) -> None:
    wire = await serve()
    answer = await wire.exchange(head("Connection: close", line=f"{method} {TARGET} HTTP/1.1"))
    assert [request.method for request in wire.seen] == [method]
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n" if method == "HEAD" else b"ok:" + method.encode())


@pytest.mark.parametrize(
    "host", ["meet.test:1", "10.0.0.1:65535", "[::1]", "[2001:db8::1]:8090", "a_b-c"]
)
async def test_a_plain_host_is_accepted(serve: Serve, host: str) -> None:
    assert b"ok:GET" in await (await serve()).exchange(
        head("Connection: close", host=f"Host: {host}")
    )


async def test_a_doubled_header_counts_as_missing(serve: Serve) -> None:
    wire = await serve()
    await wire.exchange(head("X-A: 1", "X-B: 2", "x-a: 3", "Connection: close"))
    found = [wire.seen[0].sole(name) for name in (b"x-a", b"x-b", b"x-c")]
    assert found == [None, "2", None]


# Size of a head


def padded(size: int, fields: int = 1) -> bytes:
    """Return a head of exactly this size; ``fields`` headers share the padding."""
    bare = head(*["X-P: "] * fields, "Connection: close")
    share, left = divmod(size - len(bare), fields)
    pads = [f"X-P: {'a' * (share + (left if n == 0 else 0))}" for n in range(fields)]
    request = head(*pads, "Connection: close")
    assert len(request) == size
    return request


@pytest.mark.parametrize("fields", [3, 60])
async def test_a_head_of_32_kilobytes_is_served(serve: Serve, fields: int) -> None:
    assert b"ok:GET" in await (await serve()).exchange(padded(32 * 1024, fields))


@pytest.mark.parametrize("fields", [3, 60])
async def test_a_head_beyond_32_kilobytes_gets_a_constant_431(serve: Serve, fields: int) -> None:
    wire = await serve()
    assert_constant(await wire.exchange(padded(32 * 1024 + 1, fields)), 431)
    assert not wire.seen


async def test_a_long_head_in_pieces_is_refused(
    serve: Serve,
) -> None:
    wire = await serve()
    request = head() + padded(32 * 1024 + 1, 3)
    pieces = [request[n : n + 5000] for n in range(0, len(request), 5000)]
    good, _, bad = (await wire.exchange(*pieces)).partition(b"ok:GET")
    assert b"200 OK" in good
    assert_constant(bad, 431)


async def test_many_small_heads_in_one_read_are_served(serve: Serve) -> None:
    wire = await serve()
    answer = await wire.exchange(head(f"X-P: {'a' * 5000}") * 8 + head("Connection: close"))
    assert answer.count(b"ok:GET") == 9


async def test_targets_up_to_16_kilobytes_are_served(serve: Serve) -> None:
    wire = await serve()
    target = "/" + "a" * 15 * 1024
    assert b"ok:GET" in await wire.exchange(
        head("Connection: close", line=f"GET {target} HTTP/1.1")
    )
    assert wire.seen[0].target == target
    target = f"/{MARK}" + "a" * 16 * 1024
    assert_constant(await wire.exchange(head(line=f"GET {target} HTTP/1.1")), 431)


async def test_a_header_beyond_16_kilobytes_gets_a_constant_431(serve: Serve) -> None:
    field_line = f"X-Original-URI: /?jwt={MARK}{'a' * 16 * 1024}"
    assert_constant(await (await serve()).exchange(head(field_line)), 431)


async def test_128_fields_are_served(serve: Serve) -> None:
    fields = [f"X-{n}: {MARK}" for n in range(126)]
    assert b"ok:GET" in await (await serve()).exchange(head(*fields, "Connection: close"))


# Time


def test_nginx_closes_idle_connections_first() -> None:
    assert Limits().idle_seconds > 60  # keepalive_timeout of an nginx upstream
    assert Limits().head_seconds == 10


async def test_a_connection_that_never_sends_a_byte_is_closed(serve: Serve) -> None:
    wire = await serve(limits=Limits(head_seconds=SOON))
    assert not await wire.exchange()


async def test_an_incomplete_head_is_closed(serve: Serve) -> None:
    wire = await serve(limits=Limits(head_seconds=SOON))
    assert not await wire.exchange(head()[:-2])
    assert not wire.seen


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 3, 4, -1])
async def test_an_incomplete_head_after_a_response_is_closed(serve: Serve, length: int) -> None:
    connection = await (await serve(limits=Limits(head_seconds=SOON))).connect()
    connection.send(head())
    await connection.until(b"ok:GET")
    connection.send(head()[:length])
    assert not await connection.rest()


async def test_an_incomplete_pipelined_head_is_closed(serve: Serve) -> None:
    wire = await serve(limits=Limits(head_seconds=SOON))
    answer = await wire.exchange(head() + head()[:-1])
    assert answer.endswith(b"ok:GET")
    assert len(wire.seen) == 1


def holds(server: HttpServer, count: int) -> bool:
    return len(server._held) == count and server._held_bytes > count * 30_000


async def test_the_oldest_unfinished_request_gives_way_to_new_ones(serve: Serve) -> None:
    wire = await serve(limits=Limits(held_bytes=70_000))
    clients = [await wire.connect() for _ in range(4)]
    for number, client in enumerate(clients):
        client.send(head()[:-2] + b"X: " + b"a" * 15_000 + b"\r\nY: " + b"a" * 15_000)
        await until(partial(holds, wire.server, min(number + 1, 2)))
    for client in clients[:2]:
        with suppress(ConnectionError):
            assert not await client.rest()
    for client in clients[2:]:
        client.send(b"\r\n\r\n")
        assert (await client.until(b"ok:GET")).startswith(b"HTTP/1.1 200 OK")
    assert wire.server._held_bytes == 0


async def test_a_slow_head_is_closed(serve: Serve) -> None:
    wire = await serve(limits=Limits(head_seconds=SOON))
    connection = await wire.connect()
    connection.send(b"GET /")

    def closed() -> bool:
        connection.send(b"a")
        return connection.reader.at_eof() or connection.reader.exception() is not None

    await until(closed)
    assert not wire.seen


async def test_blank_lines_do_not_keep_an_idle_connection_open(serve: Serve) -> None:
    assert not await (await serve(limits=Limits(head_seconds=SOON))).exchange(b"\r\n\r\n")


async def test_an_idle_connection_is_closed(serve: Serve) -> None:
    answer = await (await serve(limits=Limits(idle_seconds=SOON))).exchange(head())
    assert answer.endswith(b"ok:GET")


async def test_an_incomplete_head_does_not_interrupt_a_handler(serve: Serve) -> None:
    async def slow(request: Request) -> Rendered:
        await asyncio.sleep(2 * SOON)
        return await answer_ok(request)

    answer = await (await serve(slow, Limits(head_seconds=SOON))).exchange(head() + head()[:-1])
    assert answer.endswith(b"ok:GET")


async def test_a_head_in_single_bytes_is_served(serve: Serve) -> None:
    wire = await serve()
    connection = await wire.connect()
    for byte in head():
        connection.send(bytes([byte]))
        await connection.writer.drain()
        await asyncio.sleep(0)
    await connection.until(b"ok:GET")


async def test_a_client_that_does_not_read_is_dropped(serve: Serve) -> None:
    wire = await serve(flood, Limits(idle_seconds=SOON))
    connection = await wire.connect()
    connection.send(head())
    await connection.until(b"\r\n\r\n")
    await wire.emptied()


async def test_a_client_that_reads_late_keeps_its_connection(serve: Serve) -> None:
    wire = await serve(flood)
    connection = await wire.connect()
    connection.send(head())
    await until(lambda: any(each._write_blocked for each in wire.server.connections))
    connection.send(head())
    for _ in range(2):
        while b"end" not in await connection.reader.read(2**20):
            pass
    assert len(wire.seen) == 2


async def test_nothing_is_answered_while_a_response_is_unread(serve: Serve) -> None:
    wire = await serve(flood)
    connection = await wire.connect()
    connection.send(head() * 3)
    await until(lambda: any(each._write_blocked for each in wire.server.connections))
    await asyncio.sleep(0)
    assert len(wire.seen) == 1


# Bodies


async def test_a_body_is_read(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    answer = await wire.exchange(post("Content-Length: 5", "Connection: close") + b"hello")
    assert answer.endswith(b"got hello")


async def test_a_body_may_take_longer_than_a_head(serve: Serve) -> None:
    wire = await serve(answer_body, Limits(head_seconds=SOON), bodies=True)
    connection = await wire.connect()
    connection.send(post("Content-Length: 5", "Connection: close") + b"he")
    protocol = await wire.in_state("BODY")
    await asyncio.sleep(2 * SOON)
    assert protocol in wire.server.connections
    connection.send(b"llo")
    assert (await connection.rest()).endswith(b"got hello")


async def test_an_unread_body_does_not_delay_the_response(serve: Serve) -> None:
    answer = await (await serve(limits=SHORT_LINGER)).exchange(post("Content-Length: 5"))
    assert answer.endswith(b"ok:POST")


async def test_a_missing_body_is_a_constant_408(serve: Serve) -> None:
    wire = await serve(answer_body, Limits(body_seconds=SOON, linger_seconds=0.05), bodies=True)
    assert_constant(await wire.exchange(post("Content-Length: 11") + MARK.encode()[:10]), 408)


@pytest.mark.parametrize("length", [100, 101])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_a_constant_413(
    serve: Serve, length: int, *, chunked: bool
) -> None:
    body = MARK.encode().ljust(length, b".")
    request = post("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (length, body)
    if not chunked:
        request = post(f"Content-Length: {length}", "Connection: close") + body
    answer = await (await serve(answer_body, BODY_LIMIT, bodies=True)).exchange(request)
    if length == 100:
        assert answer.endswith(b"got MARKE")
    else:
        assert_constant(answer, 413)


async def test_an_endless_body_is_refused_before_it_is_read(serve: Serve) -> None:
    wire = await serve(answer_body, BODY_LIMIT, bodies=True)
    assert_constant(await wire.exchange(post("Content-Length: 18446744073709551614")), 413)


@pytest.mark.parametrize("chunk", [f"{MARK}\r\n", f"5;{MARK}\n\r\n", f"-1\r\n{MARK}"])
async def test_a_broken_chunk_is_a_constant_400_at_once(serve: Serve, chunk: str) -> None:
    wire = await serve(answer_body, BODY_LIMIT, bodies=True)
    connection = await wire.connect()
    connection.send(post("Transfer-Encoding: chunked"))
    await wire.in_state("BODY")
    connection.send(chunk.encode())
    assert_constant(await connection.rest(), 400)
    assert not wire.reports


async def test_a_broken_chunk_with_its_head_is_a_400(serve: Serve) -> None:
    wire = await serve(answer_body, BODY_LIMIT, bodies=True)
    broken = post("Transfer-Encoding: chunked") + f"3\r\nabc\r\n{MARK}\r\n".encode()
    assert_constant(await wire.exchange(broken + head()), 400)
    assert not wire.seen


@pytest.mark.parametrize(
    ("coding", "version"), [("gzip, chunked", "1.1"), ("chunked", "1.0"), ("gzip, chunked", "1.0")]
)
async def test_bodies_with_an_ambiguous_end_are_refused(
    serve: Serve, coding: str, version: str
) -> None:
    wire = await serve(answer_body, BODY_LIMIT, bodies=True)
    line = f"POST {TARGET} HTTP/{version}"
    request = head(f"Transfer-Encoding: {coding}", line=line) + b"3\r\nabc\r\n0\r\n\r\n"
    assert_constant(await wire.exchange(request + head()), 400)
    assert not wire.seen


async def test_endless_chunk_extensions_are_a_constant_400(serve: Serve) -> None:
    wire = await serve(answer_body, BODY_LIMIT, bodies=True)
    endless = post("Transfer-Encoding: chunked") + b"3;" + b"a" * 2**20 + b"\r\nabc\r\n0\r\n\r\n"
    assert_constant(await wire.exchange(endless), 400)


async def test_a_body_in_chunks_of_one_byte_is_read(serve: Serve) -> None:
    body = b"1\r\na\r\n" * 100 + b"0\r\n\r\n"
    answer = await (await serve(answer_body, BODY_LIMIT, bodies=True)).exchange(
        post("Transfer-Encoding: chunked") + body
    )
    assert answer.endswith(b"got aaaaa")


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_too_many_small_chunks_are_a_constant_400(serve: Serve, *, in_pieces: bool) -> None:
    wire = await serve(answer_body, Limits(linger_seconds=0.05), bodies=True)
    connection = await wire.connect()
    connection.send(post("Transfer-Encoding: chunked"))
    await wire.in_state("BODY")
    for _ in range(20):
        connection.send(b"1\r\na\r\n" * 1_000)
        if in_pieces:
            await connection.writer.drain()
            await asyncio.sleep(0)
    assert_constant(await connection.rest(), 400)
    assert not wire.seen


async def test_16000_chunks_of_one_byte_are_read(serve: Serve) -> None:
    body = b"1\r\na\r\n" * 16_000 + b"0\r\n\r\n"
    wire = await serve(answer_body, bodies=True)
    assert (await wire.exchange(post("Transfer-Encoding: chunked") + body)).endswith(b"got aaaaa")


@pytest.mark.parametrize("chunks", [1, 16])
async def test_64_kilobytes_in_chunks_are_read(serve: Serve, chunks: int) -> None:
    size = 65_536 // chunks
    body = (b"%x\r\n" % size + b"a" * size + b"\r\n") * chunks + b"0\r\n\r\n"
    wire = await serve(answer_body, bodies=True)
    assert (await wire.exchange(post("Transfer-Encoding: chunked") + body)).endswith(b"got aaaaa")


async def test_a_broken_chunk_after_the_response_is_ignored(serve: Serve) -> None:
    wire = await serve(limits=SHORT_LINGER)
    connection = await wire.connect()
    connection.send(post("Transfer-Encoding: chunked"))
    await connection.until(b"ok:POST")
    connection.send(f"{MARK}\r\n".encode() + head())
    assert not await connection.rest()
    assert not wire.reports


async def test_a_compressed_body_is_refused(serve: Serve) -> None:
    request = post("Content-Encoding: gzip", f"Content-Length: {len(MARK)}") + MARK.encode()
    assert_constant(await (await serve(answer_body, bodies=True)).exchange(request), 415)


async def test_a_client_leaving_within_a_body_is_no_bug(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    assert not await wire.exchange(post("Content-Length: 11") + MARK.encode()[:10], half_close=True)
    await wire.emptied()
    assert not wire.reports


async def test_100_continue_is_sent_when_the_body_is_read(
    serve: Serve,
) -> None:
    connection = await (await serve(answer_body, bodies=True)).connect()
    connection.send(post("Content-Length: 5", "Expect: 100-continue", "Connection: close"))
    assert await connection.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(b"hello")
    answer = await connection.rest()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"got hello")


async def test_a_refusal_comes_before_100_continue(serve: Serve) -> None:
    wire = await serve(answer_body, BODY_LIMIT, bodies=True)
    assert_constant(await wire.exchange(post("Content-Length: 101", "Expect: 100-continue")), 413)


# Bugs


async def test_a_bug_becomes_a_constant_500_and_a_report_without_values(serve: Serve) -> None:
    async def buggy(request: Request) -> Rendered:
        raise ValueError(request.target)

    wire = await serve(buggy)
    assert_constant(await wire.exchange(head()), 500)
    (report,) = wire.reports
    assert report.startswith("ValueError at ")
    assert "test_protocol.py:" in report
    assert MARK not in report


async def test_a_bug_is_one_line_in_the_log_by_default(caplog: pytest.LogCaptureFixture) -> None:
    async def buggy(request: Request) -> Rendered:
        raise KeyError(request.target)

    server = HttpServer(buggy)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stop, server)
        stack.callback(listener.close)
        wire = Wire(server, listener.sockets[0].getsockname()[1], stack)
        assert_constant(await wire.exchange(head()), 500)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("KeyError at ")


async def nothing(_: Request) -> Rendered:
    return None  # type: ignore[return-value]  # the bug of this test


def nothing_at_once(_: Request) -> Rendered:
    return None  # type: ignore[return-value]  # the bug of this test


async def late(request: Request) -> Rendered:
    raise TimeoutError(request.target)


def raising_at_once(request: Request) -> Rendered:
    raise ValueError(request.target)


async def surrogate(request: Request) -> Rendered:
    return response((request.sole(b"x-a") or "").encode())


async def split(request: Request) -> Rendered:
    return response(b"", {"X-Echo": f"{request.target}\r\nX-B: c"})


@pytest.mark.parametrize(
    "handler", [nothing, nothing_at_once, late, raising_at_once, surrogate, split]
)
async def test_every_bug_becomes_a_constant_500(serve: Serve, handler: Handler) -> None:
    wire = await serve(handler)
    assert_constant(await wire.exchange(head(f"X-A: \udcff{MARK}")), 500)
    assert len(wire.reports) == 1
    assert MARK not in wire.reports[0]


@pytest.mark.parametrize("handler", [late, raising_at_once])
async def test_a_bug_in_a_response_to_head_sends_no_body(serve: Serve, handler: Handler) -> None:
    wire = await serve(handler)
    answer = await wire.exchange(head(line=f"HEAD {TARGET} HTTP/1.1"))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_invalid_utf_8_reaches_the_handler(serve: Serve) -> None:
    wire = await serve()
    await wire.exchange(head("X-A: \udcff\u00e9\udcc3 (", "Connection: close"))
    value = wire.seen[0].sole(b"x-a") or ""
    assert value.encode("utf-8", "surrogateescape") == b"\xff\xc3\xa9\xc3 ("


async def test_a_bug_while_reading_is_reported_without_values(serve: Serve) -> None:
    def broken(request: Request) -> bool:
        raise IndexError(request.target)

    wire = await serve()
    wire.server.takes_body = broken  # a bug while a head is read
    connection = await wire.connect()
    connection.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    assert not await connection.rest()
    assert wire.reports[0].startswith("IndexError at ")


def test_a_traceback_summary_has_types_and_places_only() -> None:
    assert traceback_summary(ValueError(MARK)) == "ValueError at "
    assert traceback_summary(None) == "unknown error"


# Drain


async def test_a_draining_server_announces_the_connections_end(serve: Serve) -> None:
    wire = await serve()
    connection = await wire.connect()
    connection.send(head())
    assert b"Connection:" not in await connection.until(b"ok:GET")
    wire.server.drain()
    connection.send(head())
    answer = await connection.rest()
    assert answer.endswith(b"ok:GET")
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_shutdown_answers_requests_in_flight(serve: Serve) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def waiting(request: Request) -> Rendered:
        if request.method == "POST":
            started.set()
            await release.wait()
        return await answer_ok(request)

    wire = await serve(waiting)
    idle, busy, fresh = [await wire.connect() for _ in range(3)]
    idle.send(head())
    await idle.until(b"ok:GET")
    busy.send(post("Content-Length: 0"))
    await started.wait()
    cleanup = asyncio.create_task(wire.server.close())
    assert not await idle.rest()
    assert not await fresh.rest()
    assert not cleanup.done()
    release.set()
    answer = await busy.rest()
    assert answer.endswith(b"ok:POST")
    assert b"\r\nConnection: close\r\n" in answer
    await cleanup
