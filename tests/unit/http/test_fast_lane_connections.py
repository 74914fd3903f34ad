"""Connections that only the fast lane has used: they have their limits, and leave no timer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.heads import head
from tests.support.reader_pair import (
    Client,
    DecisionListener,
    ReaderPair,
    Setup,
    parse_responses,
    reader_pair,
    until,
)
from verifier.http.connection import Limits

SOON = 0.3
IDLE = Limits().idle_seconds


@pytest.fixture
async def pair() -> AsyncIterator[ReaderPair]:
    async with reader_pair() as both:
        yield both


def timer(client: Client) -> object:
    return client.connection._head_timer


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_an_idle_connection_is_closed(pair: ReaderPair) -> None:
    client = await pair.fast.connect()
    await client.send(head())
    client.connection.close_if_idle(now() + IDLE - 1)
    assert not client.is_closed()
    client.connection.close_if_idle(now() + IDLE)
    assert client.is_closed()
    assert len(parse_responses(await client.read_rest())) == 1
    assert pair.fast.fast_count == 1


async def test_every_response_restarts_the_idle_time(pair: ReaderPair) -> None:
    client = await pair.fast.connect()
    for _ in range(5):
        client.connection._last_activity -= IDLE  # this much time passes
        await client.send(head())
        client.connection.close_if_idle(now() + IDLE - 1)
        assert not client.is_closed()
    assert pair.fast.fast_count == 5


async def test_idle_connections_of_the_fast_lane_are_closed() -> None:
    async with reader_pair(Setup(limits=Limits(idle_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        await client.send(head())
        assert len(parse_responses(await client.read_rest())) == 1


async def test_a_fast_response_leaves_no_timer() -> None:
    async with reader_pair(Setup(limits=Limits(head_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        assert timer(client) is not None
        await client.send(head())
        assert timer(client) is None
        await client.send(head()[:20])
        assert timer(client) is not None
        assert len(parse_responses(await client.read_rest())) == 1


async def test_a_stopped_server_leaves_no_timer_and_no_connection(pair: ReaderPair) -> None:
    client = await pair.fast.connect()
    await client.send(head())
    await pair.fast.stop()
    assert pair.fast.server._idle_timer is not None
    assert pair.fast.server._idle_timer.cancelled()
    await until(lambda: not pair.fast.server.connections)
    assert timer(client) is None


async def fill(listener: DecisionListener) -> tuple[int, bytes]:
    """Send requests without reading until the server stops writing; then read, and go on."""
    client, sent = await listener.connect(), 0
    while client.connection._write_timer is None:
        await client.send(head())
        await until(lambda: client.connection._write_timer or client.idle)
        sent += 1
    for _ in range(5):
        await client.send(head())
    received = bytearray()

    def has_all() -> bool:
        received.extend(client.read())
        return received.count(b"HTTP/1.1 200 OK") == sent + 5

    await until(has_all)
    await client.wait_idle()
    return sent + 5, bytes(received) + client.read()


async def test_a_client_that_reads_late_gets_every_response(
    pair: ReaderPair,
) -> None:
    for listener in (pair.fast, pair.plain):
        sent, received = await fill(listener)
        assert len(parse_responses(received)) == sent
    assert 0 < pair.fast.fast_count <= sent


async def test_a_client_that_does_not_read_is_dropped() -> None:
    async with reader_pair(Setup(limits=Limits(idle_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        while client.connection._write_timer is None:
            await client.send(head())
        taken = pair.fast.fast_count
        await client.send(head())
        assert pair.fast.fast_count == taken
        await until(lambda: not pair.fast.server.connections)


async def test_an_unread_response_does_not_keep_a_connection_open(pair: ReaderPair) -> None:
    server, client = pair.fast.server, await pair.fast.connect()
    transport = client.connection.transport
    assert transport is not None
    while not transport.get_write_buffer_size():
        await client.send(head())
    client.connection.close_if_idle(now() + IDLE)
    await asyncio.sleep(0)
    assert server.connections
    client.connection.close_if_idle(now() + IDLE)
    await until(lambda: not server.connections)


async def test_a_client_that_sends_without_reading_is_dropped() -> None:
    async with reader_pair(Setup(limits=Limits(head_seconds=SOON / 2, idle_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        while client.connection._write_timer is None:
            await client.send(head())
        await client.send(b"GET")
        await until(lambda: not pair.fast.server.connections)


async def test_a_draining_server_leaves_the_fast_lane(pair: ReaderPair) -> None:
    client = await pair.fast.connect()
    await client.send(head())
    pair.fast.server.drain()
    await client.send(head())
    first, last = parse_responses(await client.read_rest())
    assert set(last[1]) - set(first[1]) == {"Connection: close"}
    assert pair.fast.fast_count == 1


async def test_a_reload_applies_to_the_next_request(pair: ReaderPair) -> None:
    assert (await pair.compare(head())).responses[0][0] == "HTTP/1.1 200 OK"
    pair.install(Setup(policy={"asap_accepted_issuers": ("other",)}))
    assert (await pair.compare(head())).responses[0][0] == "HTTP/1.1 401 Unauthorized"
