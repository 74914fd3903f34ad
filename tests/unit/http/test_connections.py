"""How connections begin, wait and end: pipelines, half-close, unread responses, drain, memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.support.wire import (
    MARK,
    SHORT_CLOSING,
    SHORT_LINGER,
    SOON,
    TARGET,
    Connection,
    Serve,
    Wire,
    answer_body,
    answer_ok,
    assert_constant,
    flood,
    head,
    post,
    response,
    until,
)
from verifier.http.parser import Limits
from verifier.http.request import Request
from verifier.http.responses import Rendered

pytestmark = pytest.mark.usefixtures("silence")

OLD = f"GET {TARGET} HTTP/1.0"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST = head("Connection: close")
EXPECTS = post("Content-Length: 5", "Expect: 100-continue")


def echo(request: Request) -> Rendered:
    """Return the request's number at once."""
    return response(b"<" + (request.sole(b"x-n") or "").encode() + b">")


def numbered(count: int, *, last: bool = True) -> bytes:
    requests = [head(f"X-N: {n}") for n in range(count - last)]
    return b"".join(requests) + head(f"X-N: {count - 1}", "Connection: close") * last


def assert_in_order(answer: bytes, count: int) -> None:
    bodies = b"".join(b"<%d>" % n for n in range(count))
    assert b"".join(part[part.index(b"<") :] for part in answer.split(b"HTTP/1.1 200 OK")[1:]) == (
        bodies
    )


async def write_blocked(wire: Wire) -> None:
    await until(lambda: any(each._write_blocked for each in wire.server.connections))


async def read_until_end_of_flood(client: Connection) -> None:
    while not (await client.reader.read(2**20)).endswith(b"end"):
        pass


# Pipelines


@pytest.mark.parametrize("count", [15, 16, 17, 33, 100])
async def test_a_pipeline_beyond_one_round_is_answered_in_order(serve: Serve, count: int) -> None:
    wire = await serve(echo)
    assert_in_order(await wire.exchange(numbered(count)), count)


async def test_other_clients_are_served_between_the_rounds_of_a_pipeline(serve: Serve) -> None:
    order: list[str] = []

    def note(request: Request) -> Rendered:
        order.append(request.method)
        return response(b"")

    wire = await serve(note)
    client, other = await wire.connect(), await wire.connect()
    await until(lambda: len(wire.server.connections) == 2)
    client.send(head() * 200 + LAST)
    other.send(head("Connection: close", line="PUT / HTTP/1.1"))
    await client.rest()
    assert "GET" in order[order.index("PUT") :]


async def test_a_client_half_closed_behind_a_pipeline_gets_every_response(serve: Serve) -> None:
    wire = await serve(echo)
    assert_in_order(await wire.exchange(numbered(50, last=False), half_close=True), 50)
    await wire.emptied()


async def test_a_part_of_a_head_behind_a_pipeline_is_dropped_at_the_end(serve: Serve) -> None:
    wire = await serve(echo)
    pipeline = numbered(20, last=False) + head()[:-1]
    assert_in_order(await wire.exchange(pipeline, half_close=True), 20)


async def test_a_client_that_reads_late_gets_its_pipeline_in_order(serve: Serve) -> None:
    def long(request: Request) -> Rendered:
        return response(bytes(2**19) + b"<" + (request.sole(b"x-n") or "").encode() + b">")

    wire = await serve(long)
    client = await wire.connect()
    client.send(numbered(20))
    await write_blocked(wire)
    assert len(wire.seen) < 20
    answer = await client.rest()
    assert [answer.index(b"<%d>" % n) for n in range(20)] == sorted(
        answer.index(b"<%d>" % n) for n in range(20)
    )


async def test_a_half_closed_client_that_reads_late_gets_every_response(serve: Serve) -> None:
    wire = await serve(flood)
    client = await wire.connect()
    client.send(head() * 2)
    await write_blocked(wire)
    client.writer.write_eof()
    answer = await client.rest()
    assert answer.count(b"end") == answer.count(b"HTTP/1.1 200 OK") == 2
    await wire.emptied()


# Requests of HTTP/1.0, HEAD, Upgrade


async def test_http_1_0_is_kept_alive_as_long_as_asked(serve: Serve) -> None:
    wire = await serve()
    kept = head("Connection: Keep-Alive", line=OLD)
    answer = await wire.exchange(kept * 3 + head("Connection: x", line=OLD) + kept)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b"\r\nConnection: keep-alive\r\n") == 3
    assert answer.count(b"\r\nConnection: close\r\n") == 1


@pytest.mark.parametrize(
    "fields",
    [
        ["Connection: close"],
        ["Connection: CLOSE"],
        ["Connection: keep-alive, close"],
        ["Connection: x ,\tclose , y"],
        ["Connection: keep-alive", "connection: close"],
        ["Connection: close", "Connection: keep-alive"],
        ["Connection: a", "CONNECTION: b,close"],
        ["Connection: close \t"],
    ],
)
async def test_close_in_any_list_of_connection_options_ends_the_connection(
    serve: Serve, fields: list[str]
) -> None:
    answer = await (await serve()).exchange(head(*fields) + head())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("option", ["closed", "x-close", '"close"', "close x", "keep-alive", ""])
async def test_other_connection_options_end_nothing(serve: Serve, option: str) -> None:
    answer = await (await serve()).exchange(head(f"Connection: {option}") + LAST)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_response_to_head_has_a_length_and_no_body(serve: Serve) -> None:
    wire = await serve()
    answer = await wire.exchange(head(line=f"HEAD {TARGET} HTTP/1.1") + LAST)
    first, second = answer.split(b"HTTP/1.1 200 OK")[1:]
    assert b"\r\nContent-Length: 7\r\n" in first
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b"ok:GET")


@pytest.mark.parametrize("fields", [["Content-Length: 3"], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("bodies", [False, True])
async def test_an_upgrade_with_a_body_is_refused(
    serve: Serve, fields: list[str], *, bodies: bool
) -> None:
    wire = await serve(bodies=bodies)
    upgrade = post("Connection: Upgrade", "Upgrade: h2c", *fields) + b"abc"
    assert_constant(await wire.exchange(upgrade + head()), 400)
    assert not wire.seen


@pytest.mark.parametrize("behind", [head(), b"\0", post("Content-Length: 9") + b"x"])
async def test_bytes_behind_a_body_that_is_not_taken_are_no_request(
    serve: Serve, behind: bytes
) -> None:
    wire = await serve(limits=SHORT_LINGER)
    answer = await wire.exchange(post("Content-Length: 3") + b"abc" + behind)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == len(wire.seen) == 1
    assert answer.endswith(b"ok:POST")


# 100 Continue


async def test_each_body_that_waits_gets_its_own_100_continue(serve: Serve) -> None:
    client = await (await serve(answer_body, bodies=True)).connect()
    for _ in range(2):
        client.send(EXPECTS)
        assert await client.until(CONTINUE) == CONTINUE
        client.send(b"hello")
        assert (await client.until(b"got hello")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (["Expect: x"], "POST / HTTP/1.1"),
        (["Expect: 100-continue", "Expect: 100-continue"], "POST / HTTP/1.1"),
        (["Expect: 100-continue"], "POST / HTTP/1.0"),
    ],
)
async def test_other_expectations_get_no_100_continue(
    serve: Serve, fields: list[str], line: str
) -> None:
    wire = await serve(answer_body, bodies=True)
    request = head("Content-Length: 5", "Connection: close", *fields, line=line) + b"hello"
    answer = await wire.exchange(request)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"got hello")


async def test_an_expectation_without_a_body_to_take_is_ignored(serve: Serve) -> None:
    wire = await serve(limits=SHORT_LINGER)
    answer = await wire.exchange(head("Expect: 100-continue") + EXPECTS + b"hello")
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_body_is_read_although_100_continue_was_read_late(serve: Serve) -> None:
    """The client's buffers are full, so that even 100 Continue must wait."""

    def answer(request: Request) -> Rendered:
        return response(b"got " + request.body) if request.body else response(bytes(2**24))

    wire = await serve(answer, bodies=True)
    client = await wire.connect()
    client.send(head())
    await write_blocked(wire)
    (protocol,) = wire.server.connections
    # Whether a write blocks is the system's choice; here it is the test's.
    received = await client.reader.readexactly(2**24)
    await until(lambda: not protocol._write_blocked)
    client.send(post("Content-Length: 5", "Expect: 100-continue", "Connection: close"))
    await wire.in_state("BODY")
    protocol.pause_writing()
    client.send(b"hel")
    await until(lambda: len(protocol._unread) == 3)
    protocol.resume_writing()
    client.send(b"lo")
    assert (received + await client.rest()).endswith(b"got hello")


# Refusals of HEAD requests


@pytest.mark.parametrize("status", [400, 408, 413])
async def test_a_refused_body_of_a_head_request_gets_no_body(serve: Serve, status: int) -> None:
    limits = Limits(body_seconds=SOON, body_bytes=5, linger_seconds=0.05)
    wire = await serve(answer_body, limits, bodies=True)
    body = {400: b"?\r\n", 408: b"3\r\na", 413: b"6\r\nabcdef\r\n"}[status]
    request = head("Transfer-Encoding: chunked", line="HEAD / HTTP/1.1")
    answer = await wire.exchange(request, body)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(b"\r\n\r\n")


# Close and drain


async def test_a_closing_server_answers_a_pipeline_in_its_rounds_first(serve: Serve) -> None:
    wire = await serve(echo)
    client = await wire.connect()
    await until(lambda: len(wire.server.connections) == 1)
    (protocol,) = wire.server.connections
    protocol.data_received(numbered(40, last=False))
    assert len(wire.seen) == 16
    closing = asyncio.create_task(wire.server.close())
    answer = await client.rest()
    assert_in_order(answer, len(wire.seen))
    assert answer.count(b"\r\nConnection: close\r\n") == 1
    client.writer.close()
    await closing


async def test_a_closing_server_waits_for_a_client_that_reads_late(serve: Serve) -> None:
    wire = await serve(flood)
    client = await wire.connect()
    client.send(head())
    await write_blocked(wire)
    closing = asyncio.create_task(wire.server.close())
    assert (await client.rest()).endswith(b"end")
    async with asyncio.timeout(30):
        await closing


async def test_a_closing_server_answers_a_body_that_is_on_its_way(serve: Serve) -> None:
    wire = await serve(answer_body, bodies=True)
    client = await wire.connect()
    client.send(post("Content-Length: 5") + b"he")
    await wire.in_state("BODY")
    closing = asyncio.create_task(wire.server.close())
    await asyncio.sleep(0)
    client.send(b"llo")
    answer = await client.rest()
    assert answer.endswith(b"got hello")
    assert b"\r\nConnection: close\r\n" in answer
    await closing


@pytest.mark.parametrize("sent", [0, 20])
async def test_a_closing_server_answers_a_new_connection(serve: Serve, sent: int) -> None:
    wire = await serve()
    client = await wire.connect()
    client.send(head()[:sent])
    await until(lambda: len(wire.server.connections) == 1)
    closing = asyncio.create_task(wire.server.close())
    await until(lambda: wire.server.is_closing)
    for end in (sent + 10, None):
        client.send(head()[sent:end])
        sent += 10
        await asyncio.sleep(0.01)
    answer = await client.rest()
    assert answer.endswith(b"ok:GET")
    assert b"\r\nConnection: close\r\n" in answer
    await closing


async def test_a_closing_server_reads_what_has_come(serve: Serve) -> None:
    wire = await serve()
    client = await wire.connect()
    client.send(head())
    await client.until(b"ok:GET")
    client.send(head())
    await wire.server.close()
    assert (await client.rest()).endswith(b"ok:GET")


async def test_a_closing_server_ends_a_silent_new_connection(serve: Serve) -> None:
    wire = await serve(limits=SHORT_CLOSING)
    client = await wire.connect()
    await until(lambda: len(wire.server.connections) == 1)
    await wire.server.close()
    assert not await client.rest()


async def test_a_closing_server_ends_with_the_last_connection(serve: Serve) -> None:
    wire = await serve(limits=SHORT_CLOSING)
    clients = [await wire.connect() for _ in range(5)]
    for client in clients[:3]:
        client.send(head())
        await client.until(b"ok:GET")
    await until(lambda: len(wire.server.connections) == 5)
    await wire.server.close()
    assert not wire.server.connections
    for client in clients:
        assert not await client.rest()


# Time


async def test_a_client_lingers_for_a_bounded_time(serve: Serve) -> None:
    wire = await serve(limits=SHORT_LINGER)
    client = await wire.connect()
    client.send(b"garbage\r\n\r\n")
    assert_constant(await client.rest(), 400)
    client.send(head())
    await wire.emptied()
    assert not wire.seen


async def test_a_lingering_client_that_reads_late_and_has_left_is_closed(serve: Serve) -> None:
    wire = await serve(flood, Limits(linger_seconds=60))
    client = await wire.connect()
    client.send(LAST + head())
    await write_blocked(wire)
    client.writer.write_eof()
    assert (await client.rest()).endswith(b"end")
    await wire.emptied()


async def test_a_slow_body_is_refused_however_its_bytes_come(serve: Serve) -> None:
    limits = Limits(body_seconds=SOON, linger_seconds=0.05)
    wire = await serve(answer_body, limits, bodies=True)
    client = await wire.connect()
    client.send(post("Content-Length: 60000"))

    async def drip() -> None:
        with suppress(ConnectionError):
            while True:
                client.send(MARK[:1].encode())
                await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    assert_constant(await client.rest(), 408)
    dripping.cancel()
    assert not wire.seen


async def test_a_response_restarts_the_idle_time(serve: Serve) -> None:
    wire = await serve(limits=Limits(idle_seconds=2 * SOON))
    client = await wire.connect()
    loop = asyncio.get_running_loop()
    ends = loop.time() + 4 * SOON
    while loop.time() < ends:
        client.send(head())
        await client.until(b"ok:GET")
        await asyncio.sleep(SOON / 4)
    assert not await client.rest()


# Memory


async def test_the_oldest_unfinished_body_gives_way_to_new_ones(serve: Serve) -> None:
    wire = await serve(answer_body, Limits(held_bytes=100_000), bodies=True)
    clients = []
    for _ in range(3):
        client = await wire.connect()
        client.send(post("Content-Length: 60000") + bytes(45_000))
        clients.append(client)
        await until(lambda: wire.server._held_bytes > 45_000 * min(len(clients), 2))
    with suppress(ConnectionError):
        assert not await clients[0].rest()
    for client in clients[1:]:
        client.send(bytes(15_000))
        assert (await client.until(b"\0" * 5)).startswith(b"HTTP/1.1 200 OK")
    assert wire.server._held_bytes == 0


async def test_a_pipeline_behind_a_waiting_request_is_bounded(serve: Serve) -> None:
    release = asyncio.Event()

    async def wait(request: Request) -> Rendered:
        await release.wait()
        return await answer_ok(request)

    wire = await serve(wait)
    client = await wire.connect()
    client.send(head() * 100_000)
    await wire.in_state("ANSWERING")
    (protocol,) = wire.server.connections
    await until(lambda: protocol._reading_paused)
    assert 0 < wire.server._held_bytes < 2**20
    assert len(wire.seen) == 1
    release.set()
