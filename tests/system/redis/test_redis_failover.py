"""Failover: the primary becomes a replica, and its host name then leads to the new primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer, running_redis
from tests.support.redis_stores import revocation, running_store, until
from verifier.single_use.model import EntryAttempt
from verifier.single_use.redis import RedisRedemptions
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis_url import parse_redis_url


class HostName:
    """A TCP proxy that leads new connections to the primary; open connections stay."""

    def __init__(self, primary: RedisServer) -> None:
        self.primary = primary

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", self.primary.port)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(pass_on(reader, upstream[1]), pass_on(upstream[0], writer))


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def host_name_of(primary: RedisServer) -> AsyncIterator[tuple[HostName, str]]:
    name = HostName(primary)
    server = await asyncio.start_server(name.connect, "127.0.0.1", 0)
    async with server:
        yield name, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


@asynccontextmanager
async def two_servers(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    for directory in (tmp_path / "old", tmp_path / "new"):
        directory.mkdir()
    with running_redis(tmp_path / "old") as old, running_redis(tmp_path / "new") as new:
        yield old, new


def fail_over(name: HostName, new: RedisServer) -> None:
    name.primary.command("REPLICAOF", "127.0.0.1", str(new.port))
    name.primary = new


async def test_revocations_find_the_new_primary(tmp_path: Path) -> None:
    async with (
        two_servers(tmp_path) as (old, new),
        host_name_of(old) as (name, url),
        running_store(url) as (store, sink),
    ):
        await store.put(revocation("before"))
        fail_over(name, new)
        await until(lambda: bool(new.stored()), "the revocation on the new primary")
        await until(lambda: store.problem is None, "recovery")
        await store.put(revocation("after"))
        assert sink.token_ids == {"before", "after"}


async def test_redemptions_find_the_new_primary(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as (old, new), host_name_of(old) as (name, url):
        store = RedisRedemptions(parse_redis_url(url), time.time)
        try:
            assert await store.redeem(EntryAttempt("before", 0.0, time.time() + 60))
            fail_over(name, new)
            with pytest.raises(StoreUnavailableError):
                await store.redeem(EntryAttempt("after", 0.0, time.time() + 60))
            assert await store.redeem(EntryAttempt("after", 0.0, time.time() + 60))
            assert not await store.redeem(EntryAttempt("before", 0.0, time.time() + 60))
        finally:
            await store.close()
