"""Failover: the primary becomes a replica, and its host name then leads to the new primary."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.redis_relay import RedisRelay, running_relay
from tests.support.redis_server import RedisServer, running_redis
from tests.support.redis_stores import revocation, running_store, until
from verifier.revocation.stores.redis_data import VERSION
from verifier.single_use.model import EntryAttempt
from verifier.single_use.redis import RedisRedemptions
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis_url import parse_redis_url


@asynccontextmanager
async def two_servers(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    for directory in (tmp_path / "old", tmp_path / "new"):
        directory.mkdir()
    with running_redis(tmp_path / "old") as old, running_redis(tmp_path / "new") as new:
        yield old, new


def fail_over(relay: RedisRelay, new: RedisServer) -> None:
    """Make the primary a replica of another server, to which its name leads from now on."""
    relay.server.command("REPLICAOF", "127.0.0.1", str(new.port))
    relay.server = new


async def test_revocations_find_the_new_primary(tmp_path: Path) -> None:
    async with (
        two_servers(tmp_path) as (old, new),
        running_relay(old) as relay,
        running_store(relay.url) as (store, sink),
    ):
        await store.put(revocation("before"))
        fail_over(relay, new)
        await until(lambda: bool(new.stored()), "the revocation on the new primary")
        await until(lambda: store.problem is None, "recovery")
        await store.put(revocation("after"))
        assert sink.token_ids == {"before", "after"}


async def test_redemptions_find_the_new_primary(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as (old, new), running_relay(old) as relay:
        store = RedisRedemptions(parse_redis_url(relay.url), time.time)
        try:
            assert await store.redeem(EntryAttempt("before", 0.0, time.time() + 60))
            fail_over(relay, new)
            with pytest.raises(StoreUnavailableError):
                await store.redeem(EntryAttempt("after", 0.0, time.time() + 60))
            assert await store.redeem(EntryAttempt("after", 0.0, time.time() + 60))
            assert not await store.redeem(EntryAttempt("before", 0.0, time.time() + 60))
        finally:
            await store.close()


async def test_revocations_survive_a_failover_to_a_server_that_lacks_the_last_one(
    tmp_path: Path,
) -> None:
    """Both servers have made as many changes, but not the same ones."""
    async with two_servers(tmp_path) as (old, new), running_relay(old) as relay:
        new.command("REPLICAOF", "127.0.0.1", str(old.port))
        async with running_store(relay.url) as (one, sink):
            await one.put(revocation("before"))
            await until(lambda: len(new.stored()) == 1, "the replica to have it")
            new.command("REPLICAOF", "NO", "ONE")
            await one.put(revocation("lost by the failover"))
            async with running_store(new.url) as (two, other):
                await two.put(revocation("made after the failover"))
                assert old.command("GET", VERSION) == new.command("GET", VERSION)
                relay.server = new
                old.kill()
                expected = {"before", "lost by the failover", "made after the failover"}
                await until(
                    lambda: sink.token_ids == other.token_ids == expected,
                    "both replicas to know all revocations",
                )
                await until(lambda: one.problem is two.problem is None, "recovery")
                await one.put(revocation("later"))
                await until(lambda: "later" in other.token_ids, "the next change")
