"""What a connection that only the fast lane has answered on keeps: its limits, and no timer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.heads import head
from tests.support.twins import Client, Setup, Twin, Twins, parsed, twins, until
from verifier.http.connection import Limits

SOON = 0.3
IDLE = Limits().idle_seconds


@pytest.fixture
async def pair() -> AsyncIterator[Twins]:
    async with twins() as both:
        yield both


def timer(client: Client) -> object:
    return client.held._head_timer


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_connection_is_closed_once_nothing_was_said_for_too_long(pair: Twins) -> None:
    client = await pair.fast.connect()
    await client.send(head())
    client.held.close_if_idle(now() + IDLE - 1)
    assert not client.is_gone()
    client.held.close_if_idle(now() + IDLE)
    assert client.is_gone()
    assert len(parsed(await client.rest())) == 1
    assert pair.fast.taken == 1


async def test_every_answer_gives_it_its_whole_time_again(pair: Twins) -> None:
    client = await pair.fast.connect()
    for _ in range(5):
        client.held._last_activity -= IDLE  # so much time passes
        await client.send(head())
        client.held.close_if_idle(now() + IDLE - 1)
        assert not client.is_gone()
    assert pair.fast.taken == 5


async def test_a_connection_on_which_only_the_lane_answers_is_swept_away() -> None:
    async with twins(Setup(limits=Limits(idle_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        await client.send(head())
        assert len(parsed(await client.rest())) == 1


async def test_an_answer_of_the_lane_leaves_no_timer_and_the_next_head_has_its_own() -> None:
    async with twins(Setup(limits=Limits(head_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        assert timer(client) is not None
        await client.send(head())
        assert timer(client) is None
        await client.send(head()[:20])
        assert timer(client) is not None
        assert len(parsed(await client.rest())) == 1


async def test_a_stopped_server_leaves_nothing_behind(pair: Twins) -> None:
    client = await pair.fast.connect()
    await client.send(head())
    await pair.fast.stop()
    assert pair.fast.server._idle_timer is not None
    assert pair.fast.server._idle_timer.cancelled()
    await until(lambda: not pair.fast.server.connections)
    assert timer(client) is None


async def fill(twin: Twin) -> tuple[int, bytes]:
    """Ask without reading until the server would not say more; read then, and go on."""
    client, sent = await twin.connect(), 0
    while client.held._write_timer is None:
        await client.send(head())
        await until(lambda: client.held._write_timer or client.idle)
        sent += 1
    for _ in range(5):
        await client.send(head())
    said = bytearray()

    def has_all() -> bool:
        said.extend(client.read())
        return said.count(b"HTTP/1.1 200 OK") == sent + 5

    await until(has_all)
    await client.settle()
    return sent + 5, bytes(said) + client.read()


async def test_a_client_that_reads_late_gets_every_answer_and_the_memory_is_bounded(
    pair: Twins,
) -> None:
    for twin in (pair.fast, pair.plain):
        sent, said = await fill(twin)
        assert len(parsed(said)) == sent
    assert 0 < pair.fast.taken <= sent


async def test_a_client_that_does_not_read_is_dropped() -> None:
    async with twins(Setup(limits=Limits(idle_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        while client.held._write_timer is None:
            await client.send(head())
        taken = pair.fast.taken
        await client.send(head())
        assert pair.fast.taken == taken
        await until(lambda: not pair.fast.server.connections)


async def test_a_client_that_never_reads_does_not_keep_a_closed_connection(pair: Twins) -> None:
    server, client = pair.fast.server, await pair.fast.connect()
    wire = client.held.transport
    assert wire is not None
    while not wire.get_write_buffer_size():
        await client.send(head())
    client.held.close_if_idle(now() + IDLE)
    await asyncio.sleep(0)
    assert server.connections
    client.held.close_if_idle(now() + IDLE)
    await until(lambda: not server.connections)


async def test_nor_does_one_that_goes_on_sending() -> None:
    async with twins(Setup(limits=Limits(head_seconds=SOON / 2, idle_seconds=SOON))) as pair:
        client = await pair.fast.connect()
        while client.held._write_timer is None:
            await client.send(head())
        await client.send(b"GET")
        await until(lambda: not pair.fast.server.connections)


async def test_a_drained_server_takes_the_lane_no_more_and_says_goodbye(pair: Twins) -> None:
    client = await pair.fast.connect()
    await client.send(head())
    pair.fast.server.drain()
    await client.send(head())
    first, last = parsed(await client.rest())
    assert set(last[1]) - set(first[1]) == {"Connection: close"}
    assert pair.fast.taken == 1


async def test_a_reload_is_felt_by_the_next_question(pair: Twins) -> None:
    assert (await pair.alike(head())).answers[0][0] == "HTTP/1.1 200 OK"
    pair.install(Setup(policy={"asap_accepted_issuers": ("other",)}))
    assert (await pair.alike(head())).answers[0][0] == "HTTP/1.1 401 Unauthorized"
